/* Private part of runner.h: how the daemon and commands start a runner. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "runner/child.h"
#include "runner/client.h"
#include "runner/runner.h"

#define SOCKET_DIR "/tmp"

void runner_exec(int listener, const char *user, bool quiet) {
    const char *argv[6] = {"mcp-authd", "runner"};
    const char *const envp[] = {"PATH=/usr/bin:/bin", "LANG=C.UTF-8", NULL};
    int n = 2;

    if (quiet)
        argv[n++] = "--quiet";
    if (*user && !geteuid()) {
        argv[n++] = "--user";
        argv[n++] = user;
    }
    if (listener != RUNNER_LISTENER_FD)
        (void)dup2(listener, RUNNER_LISTENER_FD);
    else
        (void)fcntl(RUNNER_LISTENER_FD, F_SETFD, 0);
    (void)execve("/proc/self/exe", (char *const *)(uintptr_t)argv, (char *const *)(uintptr_t)envp);
    log_error("runner_failed", kv("why", strerror(errno)));
    _exit(1);
}

pid_t runner_begin(const char *user) {
    struct child_start how = {.default_signals = true, .death_signal = SIGTERM};
    int listener, connector;
    pid_t pid;

    if (!runner_listen(SOCKET_DIR, &listener, &connector))
        return -1;
    how.keep[0] = listener;
    pid = child_fork(&how);
    if (pid == 0)
        runner_exec(listener, user, true);
    (void)close(listener);
    runner_use(NULL, connector);
    return pid;
}

void runner_end(pid_t pid) {
    (void)kill(pid, SIGTERM);
    (void)child_wait(pid);
}
