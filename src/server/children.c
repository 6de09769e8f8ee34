/* Private part of master.h: child processes other than workers. The master starts the stream
 * holder, the metrics server and the runner, and starts them again when they end. The others, which
 * are tasks and the task watcher, have been started by workers and the stream holder and adopted by
 * the master (runner/child.h). A child that hangs is killed. */
#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runner/child.h"
#include "runner/client.h"
#include "runner/runner.h"
#include "server/master.h"
#include "server/server.h"
#include "server/stream_holder.h"

static const struct {
    const char *title; /* in the log */
    int restart_ms;    /* at least so long between two starts */
    struct child_start how;
} children[CHILD_KINDS] = {
    [STREAM_HOLDER] = {"stream holder",
                       500,
                       {.name = "mcp-streams",
                        .death_signal = SIGTERM,
                        .silent_max_ms = STREAM_HOLDER_SILENT_MS}},
    [METRICS_SERVER] = {"metrics server",
                        1000,
                        {.name = "mcp-metrics",
                         .default_signals = true,
                         .death_signal = SIGTERM,
                         .silent_max_ms = METRICS_SERVER_SILENT_MS}},
    /* It sends no heartbeat: it does nothing that could hang, and each run has its own process. */
    [RUNNER] = {"runner",
                500,
                {.name = "mcp-runner", .default_signals = true, .death_signal = SIGTERM}},
};

bool children_open(struct master *m) {
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends))
        return false;
    m->stream_holder_in = ends[0];
    m->stream_holder_out = ends[1];
    if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends))
        return false;
    m->resume_in = ends[0];
    m->resume_out = ends[1];
    return true;
}

/* Reads the configuration at the start only: with a reload, workers of both configurations go
 * through one runner. */
bool runner_open(struct master *m) {
    const struct config *c = m->now.config;

    if (!(c->endpoints & GROUP_MCP))
        return true;
    m->run_user = xstrdup(c->run_user);
    if (*c->runner_socket) {
        runner_use(c->runner_socket, -1);
        return true;
    }
    if (*c->run_user && geteuid())
        log_warn("run_user_ignored", kv("user", c->run_user),
                 kv("hint", "only root can start programs as another user; see RUNNER_SOCKET"));
    if (!runner_listen(c->state_dir, &m->runner_listener, &m->runner_connector))
        return false;
    runner_use(NULL, m->runner_connector);
    return true;
}

/* The descriptor that it reads; -1: the configuration has no use for it. */
static int input_of(const struct master *m, enum child_kind kind) {
    if (kind == RUNNER)
        return m->runner_listener;
    if (kind == METRICS_SERVER)
        return m->metrics.address ? m->metrics.listener : -1;
    return m->now.config->endpoints & GROUP_MCP ? m->stream_holder_in : -1;
}

static _Noreturn void become_child(const struct master *m, enum child_kind kind, pid_t master) {
    if (kind == METRICS_SERVER)
        metrics_server_main(m->metrics.listener);
    if (kind == RUNNER)
        runner_exec(m->runner_listener, m->run_user, false);
    m->board->manifests.read_ms = (int64_t)m->now.manifests_s * 1000;
    stream_holder_main(m->now.sites, m->board, m->stream_holder_in, m->resume_out, master);
}

void child_tick(struct master *m, enum child_kind kind, int64_t now) {
    struct child *h = &m->children[kind];
    struct child_start how = children[kind].how;
    pid_t master = getpid(), pid;

    how.keep[0] = input_of(m, kind);
    how.keep[1] = kind == STREAM_HOLDER ? m->resume_out : -1;
    if (h->pids[0] || now < h->start_ms || how.keep[0] < 0)
        return;
    h->start_ms = now + children[kind].restart_ms;
    pid = child_fork(&how);
    if (pid == 0)
        become_child(m, kind, master);
    if (pid < 0)
        log_error("fork_failed", kv("why", strerror(errno)));
    else
        h->pids[0] = pid;
}

void children_tick(struct master *m, int64_t now) {
    for (enum child_kind kind = 0; kind < CHILD_KINDS; kind++)
        child_tick(m, kind, now);
}

unsigned child_signal(const struct master *m, enum child_kind kind, int signo) {
    unsigned n = 0;

    for (unsigned i = 0; i < CHILD_PIDS; i++)
        if (m->children[kind].pids[i])
            n += kill(m->children[kind].pids[i], signo) == 0;
    return n;
}

/* The old one still sends what slow readers take, beside the next one. */
void stream_holder_replace(struct master *m) {
    pid_t *pids = m->children[STREAM_HOLDER].pids;
    unsigned i = 1;

    if (!pids[0])
        return;
    kill(pids[0], SIGTERM);
    while (i < CHILD_PIDS && pids[i])
        i++;
    if (i == CHILD_PIDS) /* there were more reloads than its readers could keep up with */
        kill(pids[i = 1], SIGKILL);
    pids[i] = pids[0];
    pids[0] = 0;
    m->children[STREAM_HOLDER].start_ms = 0;
    m->board->streams = 0; /* it ends or gives back those that it has */
    m->board->parked = 0;
}

/* Where the process id of a child that the master has started is kept; NULL: it is another. */
static pid_t *find_child(struct master *m, pid_t pid, enum child_kind *kind) {
    for (*kind = 0; *kind < CHILD_KINDS; ++*kind)
        for (unsigned i = 0; i < CHILD_PIDS; i++)
            if (m->children[*kind].pids[i] == pid)
                return &m->children[*kind].pids[i];
    return NULL;
}

static void log_exit(enum child_kind kind, pid_t pid, int status) {
    int code = WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);

    if (kind == METRICS_SERVER)
        log_warn("metrics_server_exited", kvn("process", pid), kvn("status", code));
    else
        LOG_AT(status ? LOG_WARN : LOG_INFO,
               kind == RUNNER ? "runner_exited" : "stream_holder_exited", kvn("process", pid),
               kvn("status", code));
}

bool child_reaped(struct master *m, pid_t pid, int status) {
    enum child_kind kind;
    pid_t *p = find_child(m, pid, &kind);

    m->orphans = m->orphans || status != 0;
    for (unsigned i = 0; i < WATCHDOG_SLOTS; i++)
        if (watchdog_slot(i)->pid == pid)
            watchdog_slot(i)->pid = 0;
    if (!p)
        return false;
    log_exit(kind, pid, status);
    if (p == m->children[STREAM_HOLDER].pids) { /* they ended with it */
        m->board->streams = 0;
        m->board->parked = 0;
    }
    *p = 0;
    return true;
}

/* ---- heartbeats, and adopted processes ---- */

/* Kills a process that has sent no heartbeat for too long. A slot may belong to another process
 * than at the last tick. */
static void check(struct master *m, unsigned i, int elapsed_ms) {
    const struct watchdog_slot *p = watchdog_slot(i);
    const pid_t pid = p->pid;
    const unsigned count = p->heartbeats;
    struct heartbeat *h = &m->heartbeats[i];
    enum child_kind kind;

    *h = (struct heartbeat){pid, count,
                            h->pid == pid && h->count == count ? h->silent_ms + elapsed_ms : 0};
    if (h->silent_ms <= p->limit_ms || !p->limit_ms)
        return;
    log_error("process_stuck", kvn("process", pid), kvn("silent_ms", h->silent_ms),
              kv("what", find_child(m, pid, &kind) ? children[kind].title : "task or task watcher"),
              kv("hint", "it is killed"));
    kill(pid, SIGKILL);
    h->silent_ms = 0;
}

/* If the master itself did not run for a while, that counts as one tick at most. */
void heartbeats_check(struct master *m, int64_t now) {
    int64_t elapsed = now - m->heartbeats_ms;

    m->heartbeats_ms = now;
    if (elapsed > m->timing->tick_ms)
        elapsed = m->timing->tick_ms;
    for (unsigned i = 0; i < WATCHDOG_SLOTS; i++)
        if (watchdog_slot(i)->pid)
            check(m, i, (int)elapsed);
    if (m->orphans)
        m->orphans = orphans_kill() > 0;
}

int heartbeat_silent_ms(const struct master *m, pid_t pid) {
    for (unsigned i = 0; pid && i < WATCHDOG_SLOTS; i++)
        if (m->heartbeats[i].pid == pid && watchdog_slot(i)->pid == pid)
            return m->heartbeats[i].silent_ms;
    return 0;
}

unsigned adopted_signal(struct master *m, int signo) {
    enum child_kind kind;
    unsigned n = 0;

    for (unsigned i = 0; i < WATCHDOG_SLOTS; i++)
        if (watchdog_slot(i)->pid && !find_child(m, watchdog_slot(i)->pid, &kind)) {
            kill(watchdog_slot(i)->pid, signo);
            n++;
        }
    return n;
}

void children_close(struct master *m) {
    if (m->children[METRICS_SERVER].pids[0]) { /* it has nothing to finish, and may hang */
        (void)child_signal(m, METRICS_SERVER, SIGKILL);
        (void)waitpid(m->children[METRICS_SERVER].pids[0], NULL, 0);
    }
}
