/* The master's side of the keeper. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "pool/master.h"

#define RESPAWN_MS 500

bool keeper_open(struct master *m) {
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends))
        return false;
    m->keeper_in = ends[0];
    m->keeper_out = ends[1];
    return true;
}

void keeper_tick(struct master *m, int64_t now) {
    pid_t master = getpid(), pid;

    if (m->keeper || now < m->keeper_ms || !(m->now.config->endpoints & GROUP_MCP))
        return;
    m->keeper_ms = now + RESPAWN_MS;
    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        child_close(m);
        close(m->listener);
        keeper_main(m->now.config, m->board, m->keeper_in, master);
    }
    if (pid < 0)
        log_error("fork_failed", kv("why", strerror(errno)));
    else
        m->keeper = pid;
}

void keeper_signal(struct master *m, int signo) {
    if (m->keeper)
        kill(m->keeper, signo);
    m->keeper_ms = 0;
}

bool keeper_reaped(struct master *m, pid_t pid, int status) {
    if (!m->keeper || pid != m->keeper)
        return false;
    LOG_AT(status ? LOG_WARN : LOG_INFO, "keeper_exited", kvn("keeper", pid),
           kvn("status", WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status)));
    m->keeper = 0;
    m->board->streams = 0; /* those of one that was killed are gone with it */
    return true;
}
