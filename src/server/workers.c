/* Private part of master.h: starts, checks and ends workers, and reaps all children. */
#include "server/master.h"

#include <errno.h>
#include <signal.h>
#include <sys/param.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/app.h"
#include "metrics/metrics.h"
#include "runner/child.h"
#include "server/server.h"
#include "server/worker.h"

unsigned workers_running(const struct master *m) {
    unsigned n = 0;

    for (unsigned i = 0; i < WORKER_SLOTS; i++)
        n += m->workers[i].pid != 0;
    return n;
}

bool worker_is_wanted(const struct master *m, unsigned slot, unsigned generation) {
    const struct worker_process *w = &m->workers[slot];

    return w->pid && !w->retiring && w->generation == generation;
}

unsigned workers_wanted(const struct master *m, unsigned generation) {
    unsigned n = 0;

    for (unsigned i = 0; i < WORKER_SLOTS; i++)
        n += worker_is_wanted(m, i, generation);
    return n;
}

bool workers_have_started(const struct master *m, unsigned generation, int64_t since_ms) {
    for (unsigned i = 0; i < WORKER_SLOTS; i++)
        if (m->workers[i].pid && m->workers[i].generation == generation &&
            m->workers[i].started_ms >= since_ms && m->board->slots[i].ready)
            return true;
    return false;
}

bool workers_ready(struct master *m, struct generation *g) {
    g->ready = g->ready || workers_have_started(m, g->number, 0);
    return g->ready;
}

static struct generation *generation_of(struct master *m, const struct worker_process *w) {
    if (w->generation == m->now.number)
        return &m->now;
    return m->next.config && w->generation == m->next.number ? &m->next : NULL;
}

/* Signals are blocked in the master, and so in the child from its first instruction. */
bool workers_spawn(struct master *m, const struct generation *g) {
    const struct child_start how = {
        .name = "mcp-worker",
        .keep = {m->listener, m->wake, m->stream_holder_out, m->resume_in},
        .death_signal = WORKER_MASTER_ENDED};
    pid_t master = getpid(), pid;
    unsigned i = 0;

    while (i < WORKER_SLOTS && m->workers[i].pid)
        i++;
    if (i == WORKER_SLOTS)
        return false;
    slot_set(&m->board->slots[i], SLOT_STARTING, clock_monotonic_ms());
    if (m->board->slots_used <= i)
        m->board->slots_used = i + 1;
    app_catalog_share(g->catalog);
    pid = child_fork(&how);
    if (pid == 0)
        worker_main(&(struct worker_args){.sites = g->sites,
                                          .config = g->config,
                                          .catalog = g->catalog,
                                          .manifests_seen = g->manifests_seen,
                                          .listener = m->listener,
                                          .stream_channel = m->stream_holder_out,
                                          .resume = m->resume_in,
                                          .wake_master = m->wake,
                                          .board = m->board,
                                          .shared = m->shared,
                                          .slot = i,
                                          .master = master,
                                          .drain_ms = m->timing->drain_ms});
    if (pid < 0) {
        slot_set(&m->board->slots[i], SLOT_FREE, 0);
        log_error("fork_failed", kv("why", strerror(errno)));
        return false;
    }
    m->tally.workers_started++;
    m->workers[i] = (struct worker_process){
        .pid = pid, .started_ms = clock_monotonic_ms(), .generation = g->number};
    return true;
}

/* Exponential back-off: a fault that ends each worker at its start must not cause endless forks. */
static void delay_respawn(const struct server_timing *t, struct generation *g, int64_t started_ms,
                          int64_t now) {
    int64_t last = g->failed_ms;

    g->failed_ms = now;
    if (started_ms < last)
        return; /* workers that were started together count once */
    g->backoff_ms = MIN(g->backoff_ms ? g->backoff_ms * 2 : t->backoff_first_ms, t->backoff_max_ms);
    g->respawn_ms = now + g->backoff_ms;
    log_warn("respawn_delayed", kvn("ms", g->backoff_ms), kv("why", "workers fail at their start"));
}

/* By its own fault, not by a signal from outside, such as that of the kernel's OOM killer. */
static bool is_own_fault(const struct worker_process *w, int status) {
    static const int faults[] = {SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP};

    if (WIFEXITED(status))
        return WEXITSTATUS(status) != 0;
    for (unsigned i = 0; i < sizeof faults / sizeof *faults; i++)
        if (WTERMSIG(status) == faults[i])
            return true;
    return w->kill_ms != 0; /* it hung, and the master killed it */
}

/* A worker has ended before it was ready. One that was ready is replaced at once, whatever ended
 * it. */
static void note_failed_start(const struct master *m, struct generation *g,
                              const struct worker_process *w, int status) {
    int64_t now = clock_monotonic_ms();

    if (!status || m->stopping)
        return;
    if (is_own_fault(w, status)) {
        g->deaths++;
        delay_respawn(m->timing, g, w->started_ms, now);
    } else if (g->respawn_ms < now + m->timing->backoff_first_ms) {
        g->respawn_ms = now + m->timing->backoff_first_ms;
    }
}

static void log_exit(const struct worker_process *w, const struct slot *s, int status,
                     int64_t lifetime_ms) {
    char how[32];
    bool killed = WIFSIGNALED(status);
    const char *name = killed ? sigabbrev_np(WTERMSIG(status)) : NULL;

    if (killed)
        (void)snprintf(how, sizeof how, "SIG%s", name ? name : "?");
    else
        (void)snprintf(how, sizeof how, "%d", WEXITSTATUS(status));
    LOG_AT(status == 0 ? LOG_INFO : LOG_WARN, "worker_exited", kvn("worker", w->pid),
           kv(killed ? "signal" : "status", how), kvn("lifetime_ms", lifetime_ms),
           kvn("requests", (int64_t)s->requests), kvn("generation", w->generation));
}

static void note_exit(struct master *m, unsigned i, int status) {
    struct worker_process *w = &m->workers[i];
    struct slot *s = &m->board->slots[i];
    struct generation *g = generation_of(m, w);

    log_exit(w, s, status, clock_monotonic_ms() - w->started_ms);
    m->tally.requests += s->requests;
    m->tally.errors += s->errors;
    m->tally.workers_failed += status != 0;
    metrics_count(METRIC_WORKER_EXITS, WIFSIGNALED(status)   ? EXIT_KILLED
                                       : WEXITSTATUS(status) ? EXIT_FAILED
                                                             : EXIT_NORMAL);
    if (g) {
        g->ready = g->ready || s->ready;
        if (s->ready)
            g->deaths = 0;
        else
            note_failed_start(m, g, w, status);
    }
    slot_set(s, SLOT_FREE, 0);
    *w = (struct worker_process){0};
    /* EPOLLEXCLUSIVE: what has come just then may have woken this one alone. */
    if (WIFSIGNALED(status))
        workers_signal(m, WORKER_LOOK);
}

void workers_reap(struct master *m) {
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG | WUNTRACED | WCONTINUED)) > 0) {
        const bool ended = !WIFSTOPPED(status) && !WIFCONTINUED(status);

        if (ended && child_reaped(m, pid, status))
            continue;
        for (unsigned i = 0; i < WORKER_SLOTS; i++) {
            if (m->workers[i].pid != pid)
                continue;
            m->workers[i].stopped_ms = WIFSTOPPED(status) ? clock_monotonic_ms() : 0;
            if (ended)
                note_exit(m, i, status);
        }
    }
}

void workers_signal(struct master *m, int signo) {
    for (unsigned i = 0; i < WORKER_SLOTS; i++)
        if (m->workers[i].pid)
            kill(m->workers[i].pid, signo);
}

void worker_retire(struct master *m, unsigned slot) {
    m->workers[slot].retiring = true;
    kill(m->workers[slot].pid, SIGQUIT);
}

/* A signal, and SIGKILL some time later if the worker is still there. */
static void end_worker(struct master *m, struct worker_process *w, int signo, int64_t now) {
    kill(w->pid, signo);
    w->kill_ms = now + m->timing->kill_grace_ms;
}

static void check_busy(struct master *m, unsigned i, int64_t now) {
    const struct server_timing *t = m->timing;
    struct worker_process *w = &m->workers[i];
    const struct slot *s = &m->board->slots[i];
    int64_t since = s->busy_since_ms, limit = s->limit_ms;

    if (!since)
        return;
    if (!limit || limit > t->stuck_ms)
        limit = t->stuck_ms;
    if (s->state == SLOT_STARTING && now - since > (m->stopping ? t->kill_grace_ms : t->start_ms)) {
        log_error("worker_start_failed", kvn("worker", w->pid), kv("what", "start"),
                  kvn("busy_ms", now - since), kv("why", "it did not start in time"),
                  kv("hint",
                     "something that it opens does not answer: a lock that another process holds "
                     "on a file below STATE_DIR, a FIFO in place of a file, a file system"));
        end_worker(m, w, SIGKILL, now); /* it has no request to finish */
    } else if (now - since > limit) {
        log_error("worker_stuck", kvn("worker", w->pid), kvn("busy_ms", now - since));
        worker_retire(m, i);
        end_worker(m, w, SIGTERM, now);
    }
}

static void check(struct master *m, unsigned i, int64_t now) {
    struct worker_process *w = &m->workers[i];

    if (w->kill_ms && now < w->kill_ms)
        return;
    if (w->kill_ms) {
        log_error("worker_killed", kvn("worker", w->pid),
                  kv("why", "it did not exit after a signal"));
        end_worker(m, w, SIGKILL, now);
    } else if (w->stopped_ms && now - w->stopped_ms > m->timing->kill_grace_ms) {
        /* It would occupy a slot for ever, and no other signal has an effect. */
        log_error("worker_stuck", kvn("worker", w->pid), kv("why", "a signal has stopped it"));
        worker_retire(m, i);
        end_worker(m, w, SIGKILL, now);
    } else {
        check_busy(m, i, now);
    }
}

/* Workers write the states, so they are checked. */
void workers_count(const struct master *m, unsigned by_state[SLOT_STATES]) {
    for (unsigned i = 0; i < WORKER_SLOTS; i++) {
        int s = m->board->slots[i].state;

        if (m->workers[i].pid && s >= SLOT_FREE && s < SLOT_STATES)
            by_state[s]++;
    }
}

void workers_check(struct master *m, int64_t now) {
    for (unsigned i = 0; i < WORKER_SLOTS; i++)
        if (m->workers[i].pid)
            check(m, i, now);
}
