/* Private part of master.h: the master's side of the stream holder. */
#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"
#include "runner/child.h"
#include "server/master.h"
#include "server/stream_holder.h"

#define RESPAWN_MS 500

bool stream_holder_open(struct master *m) {
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends))
        return false;
    m->stream_holder_in = ends[0];
    m->stream_holder_out = ends[1];
    return true;
}

void stream_holder_tick(struct master *m, int64_t now) {
    const struct child_start how = {.name = "mcp-streams",
                                    .keep = {m->stream_holder_in},
                                    .death_signal = SIGTERM,
                                    .silent_max_ms = STREAM_HOLDER_SILENT_MS};
    pid_t master = getpid(), pid;

    if (m->stream_holder || now < m->stream_holder_ms || !(m->now.config->endpoints & GROUP_MCP))
        return;
    m->stream_holder_ms = now + RESPAWN_MS;
    pid = child_fork(&how);
    if (pid == 0)
        stream_holder_main(m->now.config, m->board, m->stream_holder_in, master);
    if (pid < 0)
        log_error("fork_failed", kv("why", strerror(errno)));
    else
        m->stream_holder = pid;
}

void stream_holder_signal(struct master *m, int signo) {
    if (m->stream_holder)
        kill(m->stream_holder, signo);
    m->stream_holder_ms = 0;
}

/* One that still sends to slow readers goes on with that beside the next one. */
void stream_holder_replace(struct master *m) {
    unsigned i = 0;

    if (!m->stream_holder)
        return;
    stream_holder_signal(m, SIGTERM);
    while (i < STREAM_HOLDERS_LEAVING_MAX && m->stream_holders_leaving[i])
        i++;
    if (i == STREAM_HOLDERS_LEAVING_MAX) /* reloads come faster than its readers read */
        kill(m->stream_holders_leaving[i = 0], SIGKILL);
    m->stream_holders_leaving[i] = m->stream_holder;
    m->stream_holder = 0;
    m->board->streams = 0; /* it ends those that it has */
}

unsigned stream_holders_alive(const struct master *m) {
    unsigned n = m->stream_holder != 0;

    for (unsigned i = 0; i < STREAM_HOLDERS_LEAVING_MAX; i++)
        n += m->stream_holders_leaving[i] != 0;
    return n;
}

void stream_holders_kill(struct master *m) {
    stream_holder_signal(m, SIGKILL);
    for (unsigned i = 0; i < STREAM_HOLDERS_LEAVING_MAX; i++)
        if (m->stream_holders_leaving[i])
            kill(m->stream_holders_leaving[i], SIGKILL);
}

/* Its place; NULL: it is none. */
static pid_t *stream_holder_of(struct master *m, pid_t pid) {
    for (unsigned i = 0; i < STREAM_HOLDERS_LEAVING_MAX; i++)
        if (pid == m->stream_holders_leaving[i])
            return &m->stream_holders_leaving[i];
    return pid == m->stream_holder ? &m->stream_holder : NULL;
}

bool stream_holder_is(struct master *m, pid_t pid) {
    return pid && stream_holder_of(m, pid);
}

bool stream_holder_reaped(struct master *m, pid_t pid, int status) {
    pid_t *holder = stream_holder_of(m, pid);

    if (!holder)
        return false;
    LOG_AT(status ? LOG_WARN : LOG_INFO, "stream_holder_exited", kvn("process", pid),
           kvn("status", WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status)));
    if (holder == &m->stream_holder)
        m->board->streams = 0; /* those of one that was killed are gone with it */
    *holder = 0;
    return true;
}
