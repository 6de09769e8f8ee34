#include "server/metrics_export.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "app/errors.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/output.h"
#include "metrics/metrics.h"
#include "runner/child.h"
#include "server/master.h"

#define SERVER_PAUSE_MS 1000 /* between two starts of the process */

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

bool metrics_export_open(struct master *m) {
    const struct config *c = m->now.config;

    if (!metrics_open(POOL_SLOTS)) {
        log_error("start_failed", kv("why", strerror(errno)));
        return false;
    }
    errors_name_metrics();
    metrics_gauge(METRIC_START_TIME, 0, (uint64_t)time(NULL));
    m->observer.emf = metrics_emf_new();
    m->observer.emf_ms = clock_monotonic_ms() + c->metrics_interval_s * INT64_C(1000);
    return !*c->metrics_listen || listen_for_metrics(m, c->metrics_listen);
}

static void set_gauges(const struct master *m) {
    unsigned n[SLOT_LEAVING + 1] = {0};

    children_count(m, n);
    for (unsigned state = SLOT_STARTING; state <= SLOT_LEAVING; state++)
        metrics_gauge(METRIC_WORKERS, state - SLOT_STARTING, n[state]);
    metrics_gauge(METRIC_WORKERS_MAX, 0, m->now.config->workers_max);
}

/* false: with the reason in `e`. The file is opened anew each time: whoever rotates it needs to
 * tell nobody. What it does not take is lost and counted. */
static bool write_lines(const char *path, const char *text, size_t len, struct err *e) {
    struct output to = {.fd = -1};
    bool opened = !*path || !output_open(path, OUTPUT_METRICS, &to, e), good = opened;

    for (const char *end = text + len, *line = text, *next; line < end; line = next) {
        next = (const char *)memchr(line, '\n', (size_t)(end - line)) + 1;
        if (!opened)
            metrics_count(METRIC_LINES_LOST, OUTPUT_METRICS);
        else if (!*path)
            (void)log_line(line, (size_t)(next - line));
        else if (!output_line(&to, line, (size_t)(next - line)) && good)
            good = !err_set(e, ERR_MISCONFIGURED, "%s: %s", path, strerror(errno));
    }
    output_close(&to);
    return good;
}

static void write_emf(struct master *m) {
    struct observer *o = &m->observer;
    struct err e = {.code = OK};
    struct timespec t;
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);
    bool good;

    if (!f)
        return;
    (void)clock_gettime(CLOCK_REALTIME, &t);
    metrics_emf_write(o->emf, (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000, f);
    (void)fclose(f); /* each line ends with a newline */
    good = write_lines(m->now.config->metrics_emf_file, text, len, &e);
    if (!good && !o->emf_warned)
        log_warn("metrics_not_written", kv("why", e.text),
                 kv("hint", "let this user write to it, or change METRICS_EMF_FILE"));
    o->emf_warned = !good;
    free(text);
}

/* Of all processes; as often as the log takes it. */
static void report_lost_lines(struct observer *o) {
    for (unsigned i = 0; i < OUTPUT_KINDS; i++) {
        uint64_t n = metrics_value(METRIC_LINES_LOST, i, 0);

        if (n != o->lost[i] &&
            log_error("lines_lost",
                      kv("output", metric_table[METRIC_LINES_LOST].labels[0]->values[i]),
                      kvn("lines", (int64_t)(n - o->lost[i])), kvn("since_start", (int64_t)n)))
            o->lost[i] = n;
    }
}

static void start_server(struct master *m, int64_t now) {
    struct observer *o = &m->observer;
    const struct child_start how = {.name = "mcp-metrics",
                                    .keep = {o->listener},
                                    .signals = CHILD_SIGNALS_DEFAULT,
                                    .death_signal = SIGTERM,
                                    .silent_max_ms = METRICS_SERVER_SILENT_MS};
    pid_t pid;

    o->spawn_ms = now + SERVER_PAUSE_MS;
    pid = child_fork(&how);
    if (pid == 0)
        metrics_server_main(o->listener);
    if (pid < 0)
        log_error("fork_failed", kv("why", strerror(errno)));
    else
        o->server = pid;
}

void metrics_export_tick(struct master *m, int64_t now) {
    struct observer *o = &m->observer;
    const struct config *c = m->now.config;

    report_lost_lines(o);
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

bool metrics_export_reaped(struct master *m, pid_t pid, int status) {
    if (!m->observer.server || pid != m->observer.server)
        return false;
    m->observer.server = 0;
    if (!m->stopping)
        log_warn("metrics_server_exited", kvn("status", status),
                 kv("hint", "another one is started"));
    return true;
}

void metrics_export_close(struct master *m) {
    struct observer *o = &m->observer;

    if (o->server > 0) {
        kill(o->server, SIGKILL); /* it has nothing to finish, and may hang */
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
