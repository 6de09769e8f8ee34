/* In systemd's place: binds a Unix socket, starts a program with it as LISTEN_FDS has it
 * (sd_listen_fds(3)), and keeps the socket when the program ends.
 *   activate PATH PROGRAM ARGUMENT…
 * HUP ends the program and starts it anew once it has ended, and so does its end by a signal, as
 * with Restart=on-failure; TERM ends both. */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define FIRST_FD 3
#define BACKLOG 4096

static int listen_at(const char *path) {
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    if (fd < 0 || strlen(path) >= sizeof sa.sun_path)
        return -1;
    memcpy(sa.sun_path, path, strlen(path));
    umask(0117);
    if (bind(fd, (struct sockaddr *)&sa, sizeof sa) != 0 || listen(fd, BACKLOG) != 0)
        return -1;
    umask(022);
    return fd;
}

static pid_t launch(int fd, char **command, const sigset_t *mask) {
    pid_t parent = getpid(), pid = fork();
    char text[24];

    if (pid != 0) {
        (void)fprintf(stderr, "activate: started %d\n", (int)pid);
        return pid;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    (void)snprintf(text, sizeof text, "%d", (int)getpid());
    setenv("LISTEN_PID", text, 1);
    setenv("LISTEN_FDS", "1", 1);
    if (fd != FIRST_FD) {
        dup2(fd, FIRST_FD);
        close(fd);
    }
    sigprocmask(SIG_SETMASK, mask, NULL);
    execv(command[0], command);
    _exit(127);
}

int main(int argc, char **argv) {
    int fd = argc > 2 ? listen_at(argv[1]) : -1, signo, status = 0;
    bool restarting = false, stopping = false;
    sigset_t set, before;
    pid_t pid;

    if (fd < 0) {
        (void)fputs("activate: cannot listen\n", stderr);
        return 1;
    }
    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, &before);
    pid = launch(fd, argv + 2, &before);
    while (sigwait(&set, &signo) == 0) {
        if (signo != SIGCHLD) {
            restarting = signo == SIGHUP;
            stopping = signo == SIGTERM;
            kill(pid, SIGTERM);
        } else if (waitpid(pid, &status, WNOHANG) == pid) {
            if (!restarting && (stopping || !WIFSIGNALED(status)))
                break;
            restarting = false;
            pid = launch(fd, argv + 2, &before);
        }
    }
    unlink(argv[1]);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
