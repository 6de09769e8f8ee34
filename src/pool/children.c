#include "pool/master.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

unsigned children_alive(const struct master *m) {
    unsigned n = 0;

    for (unsigned i = 0; i < POOL_SLOTS; i++)
        n += m->children[i].pid != 0;
    return n;
}

unsigned children_wanted(const struct master *m, unsigned generation) {
    unsigned n = 0;

    for (unsigned i = 0; i < POOL_SLOTS; i++)
        n += m->children[i].pid && !m->children[i].retiring &&
             m->children[i].generation == generation;
    return n;
}

bool children_ready(struct master *m, struct generation *g) {
    for (unsigned i = 0; i < POOL_SLOTS && !g->ready; i++)
        g->ready = m->children[i].pid && m->children[i].generation == g->number &&
                   m->board->slots[i].ready;
    return g->ready;
}

static struct generation *generation_of(struct master *m, const struct child *c) {
    if (c->generation == m->now.number)
        return &m->now;
    return m->next.config && c->generation == m->next.number ? &m->next : NULL;
}

static _Noreturn void become_worker(const struct master *m, const struct generation *g,
                                    unsigned slot, pid_t master) {
    struct worker_args args = {.config = g->config,
                               .listener = m->listener,
                               .keeper = m->keeper_out,
                               .wake_master = m->wake,
                               .board = m->board,
                               .slot = slot,
                               .master = master,
                               .drain_ms = m->timing->drain_ms};

    close(m->signals);
    if (m->notify.fd >= 0)
        close(m->notify.fd);
    worker_main(&args);
}

/* Signals are blocked in the master for good, and so in the child from its first instruction. */
bool children_spawn(struct master *m, const struct generation *g) {
    pid_t master = getpid(), pid;
    unsigned i = 0;

    while (i < POOL_SLOTS && m->children[i].pid)
        i++;
    if (i == POOL_SLOTS)
        return false;
    slot_set(&m->board->slots[i], SLOT_STARTING);
    if (m->board->slots_used <= i)
        m->board->slots_used = i + 1;
    fflush(NULL);
    pid = fork();
    if (pid == 0)
        become_worker(m, g, i, master);
    if (pid < 0) {
        slot_set(&m->board->slots[i], SLOT_FREE);
        log_error("fork_failed", kv("why", strerror(errno)));
        return false;
    }
    m->tally.workers_started++;
    m->children[i] =
        (struct child){.pid = pid, .started_ms = clock_monotonic_ms(), .generation = g->number};
    return true;
}

/* A worker that dies young is replaced later and later: a fault that hits every one of them must
 * not become a storm of forks. */
static void slow_down(struct master *m, int64_t started_ms, int64_t now) {
    const struct pool_timing *t = m->timing;
    int64_t last = m->fast_death_ms;

    m->fast_death_ms = now;
    if (started_ms < last)
        return; /* those that were started together count once */
    m->backoff_ms = m->backoff_ms ? m->backoff_ms * 2 : t->backoff_first_ms;
    if (m->backoff_ms > t->backoff_max_ms)
        m->backoff_ms = t->backoff_max_ms;
    m->respawn_ms = now + m->backoff_ms;
    log_warn("respawn_delayed", kvn("ms", m->backoff_ms),
             kv("why", "workers die soon after their start"));
}

static void log_exit(const struct child *c, const struct slot *s, int status, int64_t lifetime_ms) {
    char how[32];
    bool killed = WIFSIGNALED(status);
    const char *name = killed ? sigabbrev_np(WTERMSIG(status)) : NULL;

    if (killed)
        (void)snprintf(how, sizeof how, "SIG%s", name ? name : "?");
    else
        (void)snprintf(how, sizeof how, "%d", WEXITSTATUS(status));
    LOG_AT(status == 0 ? LOG_INFO : LOG_WARN, "worker_exited", kvn("worker", c->pid),
           kv(killed ? "signal" : "status", how), kvn("lifetime_ms", lifetime_ms),
           kvn("requests", (int64_t)s->requests), kvn("generation", c->generation));
}

static void buried(struct master *m, unsigned i, int status) {
    struct child *c = &m->children[i];
    struct slot *s = &m->board->slots[i];
    struct generation *g = generation_of(m, c);
    int64_t now = clock_monotonic_ms(), lifetime = now - c->started_ms;

    log_exit(c, s, status, lifetime);
    m->tally.requests += s->requests;
    m->tally.errors += s->errors;
    m->tally.workers_failed += status != 0;
    if (g) {
        g->ready = g->ready || s->ready;
        g->deaths = s->ready ? 0 : g->deaths + 1;
    }
    if (status != 0 && lifetime < m->timing->fast_death_ms && !m->stopping)
        slow_down(m, c->started_ms, now);
    slot_set(s, SLOT_FREE);
    *c = (struct child){0};
}

void children_reap(struct master *m) {
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        observe_reaped(m, pid, status);
        for (unsigned i = 0; !keeper_reaped(m, pid, status) && i < POOL_SLOTS; i++)
            if (m->children[i].pid == pid)
                buried(m, i, status);
    }
}

void children_signal(struct master *m, int signo) {
    for (unsigned i = 0; i < POOL_SLOTS; i++)
        if (m->children[i].pid)
            kill(m->children[i].pid, signo);
}

void child_retire(struct master *m, unsigned slot) {
    m->children[slot].retiring = true;
    kill(m->children[slot].pid, SIGQUIT);
}

static void watch(struct master *m, unsigned i, int64_t now) {
    struct child *c = &m->children[i];
    int64_t since = m->board->slots[i].busy_since_ms;

    if (c->kill_ms && now >= c->kill_ms) {
        log_error("worker_killed", kvn("worker", c->pid),
                  kv("why", "it did not leave when it was told to"));
        kill(c->pid, SIGKILL);
        c->kill_ms = now + m->timing->kill_grace_ms;
    } else if (!c->kill_ms && since && now - since > m->timing->stuck_ms) {
        log_error("worker_stuck", kvn("worker", c->pid), kvn("busy_ms", now - since));
        child_retire(m, i);
        kill(c->pid, SIGTERM);
        c->kill_ms = now + m->timing->kill_grace_ms;
    }
}

void children_watch(struct master *m, int64_t now) {
    for (unsigned i = 0; i < POOL_SLOTS; i++)
        if (m->children[i].pid)
            watch(m, i, now);
}
