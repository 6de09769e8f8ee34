/* Private part of master.h: the processes besides workers. The master starts its helpers, which are
 * the stream holder and the metrics server, again whenever they end. All others, which are tasks
 * and the task watcher, have been started by workers and the stream holder, and adopted by the
 * master (runner/child.h). What hangs is killed. */
#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"
#include "base/watchdog.h"
#include "runner/child.h"
#include "server/master.h"
#include "server/metrics_server.h"
#include "server/server.h"
#include "server/stream_holder.h"

static const struct {
    const char *title; /* in the log */
    int again_ms;      /* between two starts */
    struct child_start how;
} helpers[HELPERS] = {
    [STREAM_HOLDER] = {"stream holder",
                       500,
                       {.name = "mcp-streams",
                        .death_signal = SIGTERM,
                        .silent_max_ms = STREAM_HOLDER_SILENT_MS}},
    [METRICS_SERVER] = {"metrics server",
                        1000,
                        {.name = "mcp-metrics",
                         .signals = CHILD_SIGNALS_DEFAULT,
                         .death_signal = SIGTERM,
                         .silent_max_ms = METRICS_SERVER_SILENT_MS}},
};

bool helpers_open(struct master *m) {
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends))
        return false;
    m->stream_holder_in = ends[0];
    m->stream_holder_out = ends[1];
    return true;
}

/* The descriptor that it reads; -1: it is not wanted. */
static int input_of(const struct master *m, enum helper_kind kind) {
    if (kind == METRICS_SERVER)
        return m->metrics.address ? m->metrics.listener : -1;
    return m->now.config->endpoints & GROUP_MCP ? m->stream_holder_in : -1;
}

static _Noreturn void become_helper(const struct master *m, enum helper_kind kind, pid_t master) {
    if (kind == METRICS_SERVER)
        metrics_server_main(m->metrics.listener);
    stream_holder_main(m->now.config, m->board, m->stream_holder_in, master);
}

void helpers_tick(struct master *m, int64_t now) {
    for (enum helper_kind kind = 0; kind < HELPERS; kind++) {
        struct helper *h = &m->helpers[kind];
        struct child_start how = helpers[kind].how;
        pid_t master = getpid(), pid;

        how.keep[0] = input_of(m, kind);
        if (h->pids[0] || now < h->start_ms || how.keep[0] < 0)
            continue;
        h->start_ms = now + helpers[kind].again_ms;
        pid = child_fork(&how);
        if (pid == 0)
            become_helper(m, kind, master);
        if (pid < 0)
            log_error("fork_failed", kv("why", strerror(errno)));
        else
            h->pids[0] = pid;
    }
}

void helper_signal(const struct master *m, enum helper_kind kind, int signo) {
    for (unsigned i = 0; i < HELPER_PIDS; i++)
        if (m->helpers[kind].pids[i])
            kill(m->helpers[kind].pids[i], signo);
}

/* One that still sends to slow readers goes on with that beside the next one. */
void stream_holder_replace(struct master *m) {
    pid_t *pids = m->helpers[STREAM_HOLDER].pids;
    unsigned i = 1;

    if (!pids[0])
        return;
    kill(pids[0], SIGTERM);
    while (i < HELPER_PIDS && pids[i])
        i++;
    if (i == HELPER_PIDS) /* reloads come faster than its readers read */
        kill(pids[i = 1], SIGKILL);
    pids[i] = pids[0];
    pids[0] = 0;
    m->helpers[STREAM_HOLDER].start_ms = 0;
    m->board->streams = 0; /* it ends those that it has */
}

bool helper_is_alive(const struct master *m, enum helper_kind kind) {
    for (unsigned i = 0; i < HELPER_PIDS; i++)
        if (m->helpers[kind].pids[i])
            return true;
    return false;
}

/* Where a helper's process id is kept; NULL: it is none. */
static pid_t *find_helper(struct master *m, pid_t pid, enum helper_kind *kind) {
    for (*kind = 0; *kind < HELPERS; ++*kind)
        for (unsigned i = 0; i < HELPER_PIDS; i++)
            if (m->helpers[*kind].pids[i] == pid)
                return &m->helpers[*kind].pids[i];
    return NULL;
}

static void log_exit(enum helper_kind kind, pid_t pid, int status) {
    int code = WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);

    if (kind == METRICS_SERVER)
        log_warn("metrics_server_exited", kvn("process", pid), kvn("status", code));
    else
        LOG_AT(status ? LOG_WARN : LOG_INFO, "stream_holder_exited", kvn("process", pid),
               kvn("status", code));
}

bool helper_reaped(struct master *m, pid_t pid, int status) {
    enum helper_kind kind;
    pid_t *p = find_helper(m, pid, &kind);

    if (!p)
        return false;
    log_exit(kind, pid, status);
    if (p == m->helpers[STREAM_HOLDER].pids)
        m->board->streams = 0; /* those of one that was killed are gone with it */
    *p = 0;
    return true;
}

/* ---- those that hang, and those that others have started ---- */

/* Of the i-th place of base/watchdog.h; 0: it is free. */
static pid_t pid_at(unsigned i) {
    return watchdog_slot(i)->pid;
}

/* Kills a process that has given no sign of life for too long. What was seen of another process at
 * the same place does not count. */
static void check(struct master *m, unsigned i, int elapsed_ms) {
    const struct watchdog_slot *p = watchdog_slot(i);
    struct liveness *w = &m->liveness[i];
    unsigned signs = p->heartbeats;
    enum helper_kind kind;

    w->silent_ms = w->pid == p->pid && w->signs == signs ? w->silent_ms + elapsed_ms : 0;
    w->pid = p->pid;
    w->signs = signs;
    if (w->silent_ms <= p->limit_ms || !p->limit_ms)
        return;
    log_error(
        "process_stuck", kvn("process", w->pid), kvn("silent_ms", w->silent_ms),
        kv("what", find_helper(m, w->pid, &kind) ? helpers[kind].title : "task or task watcher"),
        kv("hint", "it is killed"));
    kill(w->pid, SIGKILL);
    w->silent_ms = 0;
}

/* If the master itself did not run for a while, that counts as one tick at most. */
void liveness_tick(struct master *m, int64_t now) {
    int64_t elapsed = now - m->liveness_ms;

    m->liveness_ms = now;
    if (elapsed > m->timing->tick_ms)
        elapsed = m->timing->tick_ms;
    for (unsigned i = 0; i < WATCHDOG_SLOTS; i++)
        if (pid_at(i))
            check(m, i, (int)elapsed);
    if (m->orphans)
        m->orphans = orphans_kill() > 0;
}

int liveness_silent_ms(const struct master *m, pid_t pid) {
    for (unsigned i = 0; pid && i < WATCHDOG_SLOTS; i++)
        if (m->liveness[i].pid == pid && pid_at(i) == pid)
            return m->liveness[i].silent_ms;
    return 0;
}

void liveness_reaped(struct master *m, pid_t pid, int status) {
    m->orphans = m->orphans || status != 0;
    for (unsigned i = 0; i < WATCHDOG_SLOTS; i++)
        if (pid_at(i) == pid)
            watchdog_slot(i)->pid = 0;
}

unsigned others_signal(struct master *m, int signo) {
    enum helper_kind kind;
    unsigned n = 0;

    for (unsigned i = 0; i < WATCHDOG_SLOTS; i++)
        if (pid_at(i) && !find_helper(m, pid_at(i), &kind)) {
            kill(pid_at(i), signo);
            n++;
        }
    return n;
}

void helpers_close(struct master *m) {
    if (m->helpers[METRICS_SERVER].pids[0]) { /* it has nothing to finish, and may hang */
        helper_signal(m, METRICS_SERVER, SIGKILL);
        (void)waitpid(m->helpers[METRICS_SERVER].pids[0], NULL, 0);
    }
    if (m->stream_holder_in >= 0) {
        close(m->stream_holder_in);
        close(m->stream_holder_out);
    }
}
