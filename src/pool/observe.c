#include "pool/observe.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "pool/master.h"

#define SERVER_PAUSE_MS 1000 /* between two starts of the process */
#define EMF_FILE_MODE 0640

static bool listen_for_metrics(struct master *m, const char *address) {
    struct observer *o = &m->observer;
    struct err e = {.code = OK};
    enum listener_source source; /* always bound here: see below */

    /* The pool's own socket is open by now, whoever gave it; this one is always bound here. */
    if (listener_open(address, &o->listener, &source, &e)) {
        log_error("metrics_listen_failed", kv("why", e.text), kv("key", "METRICS_LISTEN"));
        return false;
    }
    o->address = xstrdup(address);
    return true;
}

bool observe_open(struct master *m) {
    const struct config *c = m->now.config;

    if (!metrics_open(POOL_SLOTS)) {
        log_error("start_failed", kv("why", strerror(errno)));
        return false;
    }
    metrics_gauge(METRIC_START_TIME, 0, (uint64_t)time(NULL));
    m->observer.emf = metrics_emf_new();
    m->observer.emf_ms = clock_monotonic_ms() + c->metrics_interval_s * INT64_C(1000);
    return !*c->metrics_listen || listen_for_metrics(m, c->metrics_listen);
}

static void set_gauges(const struct master *m) {
    unsigned n[SLOT_LEAVING + 1] = {0};

    for (unsigned i = 0; i < POOL_SLOTS; i++)
        if (m->children[i].pid)
            n[m->board->slots[i].state]++;
    for (unsigned state = SLOT_STARTING; state <= SLOT_LEAVING; state++)
        metrics_gauge(METRIC_WORKERS, state - SLOT_STARTING, n[state]);
    metrics_gauge(METRIC_WORKERS_MAX, 0, m->now.config->workers_max);
}

/* Opened anew each time: whoever rotates the file needs to tell nobody. */
static FILE *emf_file(const char *path) {
    int fd = *path ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, EMF_FILE_MODE)
                   : fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "a");

    if (!f && fd >= 0)
        close(fd);
    return f;
}

static void write_emf(struct master *m) {
    struct observer *o = &m->observer;
    const char *path = m->now.config->metrics_emf_file;
    struct timespec t;
    FILE *f = emf_file(path);
    bool good = f != NULL;

    (void)clock_gettime(CLOCK_REALTIME, &t);
    if (f) {
        setlinebuf(f); /* a line is one write, as with the log */
        metrics_emf_write(o->emf, (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000, f);
        good = !ferror(f);
        good = fclose(f) == 0 && good;
    }
    if (!good && !o->emf_warned)
        log_warn("metrics_not_written", kv("file", path), kv("why", strerror(errno)),
                 kv("hint", "let this user write to it, or change METRICS_EMF_FILE"));
    o->emf_warned = !good;
}

static void start_server(struct master *m, int64_t now) {
    struct observer *o = &m->observer;
    pid_t master = getpid(), pid;

    o->spawn_ms = now + SERVER_PAUSE_MS;
    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        close(m->listener);
        close(m->signals);
        close(m->wake);
        metrics_server_main(o->listener, master);
    }
    if (pid < 0)
        log_error("fork_failed", kv("why", strerror(errno)));
    else
        o->server = pid;
}

void observe_tick(struct master *m, int64_t now) {
    struct observer *o = &m->observer;
    const struct config *c = m->now.config;

    if (!o->address && !c->metrics_emf)
        return;
    set_gauges(m);
    if (o->address && !o->server && !m->stopping && now >= o->spawn_ms)
        start_server(m, now);
    if (c->metrics_emf && now >= o->emf_ms) {
        write_emf(m);
        o->emf_ms = now + c->metrics_interval_s * INT64_C(1000);
    }
}

void observe_reaped(struct master *m, pid_t pid, int status) {
    if (pid == m->observer.server) {
        m->observer.server = 0;
        if (!m->stopping)
            log_warn("metrics_server_exited", kvn("status", status),
                     kv("hint", "another one is started"));
        return;
    }
    metrics_count(METRIC_WORKER_EXITS, WIFSIGNALED(status)   ? EXIT_KILLED
                                       : WEXITSTATUS(status) ? EXIT_FAILED
                                                             : EXIT_NORMAL);
}

void observe_close(struct master *m) {
    struct observer *o = &m->observer;

    if (o->server > 0) {
        kill(o->server, SIGTERM);
        (void)waitpid(o->server, NULL, 0);
    }
    /* What happened since the last lines must not be lost with this process. */
    if (o->emf && m->now.config->metrics_emf)
        write_emf(m);
    if (o->address)
        listener_close(o->address, o->listener, LISTENER_BOUND);
    free(o->address);
    metrics_emf_free(o->emf);
    metrics_close();
}
