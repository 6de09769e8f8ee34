#include "runner/child.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/watchdog.h"

#define FIRST_CLOSED 3 /* 0, 1 and 2 stay open */
#define FD_MAX 65536   /* without close_range(2) in the kernel: descriptors below this are closed */
#define CHILDREN "/proc/thread-self/children"
#define ORPHANS_PAUSE_MS 1

static void close_between(unsigned first, unsigned last) {
    struct rlimit limit;

    if (first > last || !syscall(SYS_close_range, first, last, 0))
        return;
    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur > FD_MAX)
        limit.rlim_cur = FD_MAX;
    for (unsigned fd = first; fd <= last && fd < limit.rlim_cur; fd++)
        (void)close((int)fd);
}

static int kept_always = -1;

void child_keep_always(int fd) {
    kept_always = fd;
}

/* The lowest descriptor to keep from `first` on; -1: there is none. */
static int next_kept(const struct child_start *how, unsigned first) {
    int found = kept_always >= (int)first ? kept_always : -1;

    for (unsigned i = 0; i < CHILD_KEEP_MAX; i++)
        if (how->keep[i] >= (int)first && (found < 0 || how->keep[i] < found))
            found = how->keep[i];
    return found;
}

static void close_others(const struct child_start *how) {
    unsigned first = FIRST_CLOSED;
    int kept;

    while ((kept = next_kept(how, first)) >= 0) {
        close_between(first, (unsigned)kept - 1);
        first = (unsigned)kept + 1;
    }
    close_between(first, ~0U);
}

static void reset_signals(void) {
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigset_t none;

    for (int signo = 1; signo < NSIG; signo++)
        (void)sigaction(signo, &action, NULL);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

void child_begin(const struct child_start *how, pid_t parent) {
    if (how->death_signal) {
        (void)prctl(PR_SET_PDEATHSIG, how->death_signal);
        if (getppid() != parent) /* it ended before the line above */
            _exit(0);
    }
    if (how->name)
        (void)prctl(PR_SET_NAME, how->name);
    if (how->default_signals)
        reset_signals();
    close_others(how);
    if (how->silent_max_ms)
        watchdog_begin(how->silent_max_ms);
}

pid_t child_fork(const struct child_start *how) {
    pid_t parent = getpid(), pid;

    (void)fflush(NULL); /* what is buffered would be written twice */
    pid = fork();
    if (pid == 0)
        child_begin(how, parent);
    return pid;
}

int child_wait(pid_t pid) {
    int status = -1;

    while (pid > 0 && waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    return status;
}

/* Waits for the process in between, which ends at once. Its exit status is 0, or the errno of the
 * second fork. */
static int await_second_fork(pid_t pid) {
    const int status = child_wait(pid);

    if (status < 0)
        return -1;
    errno = WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
    return errno ? -1 : 1;
}

int child_fork_detached(const struct child_start *how) {
    pid_t pid;

    (void)fflush(NULL);
    pid = fork();
    if (pid > 0)
        return await_second_fork(pid);
    if (pid < 0)
        return -1;
    pid = fork();
    if (pid != 0)
        _exit(pid < 0 ? errno : 0);
    child_begin(how, 0);
    return 0;
}

/* ---- orphans ---- */

void orphans_adopt(bool yes) {
    (void)prctl(PR_SET_CHILD_SUBREAPER, yes ? 1UL : 0UL);
}

/* The child is not reaped yet, so no other process can have its process id or its group's. */
static void kill_child(pid_t pid) {
    pid_t group = getpgid(pid);

    if (group > 1 && group != getpgrp())
        (void)kill(-group, SIGKILL);
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, WNOHANG);
}

unsigned orphans_kill(void) {
    siginfo_t any;
    const bool has_children = !waitid(P_ALL, 0, &any, WEXITED | WNOHANG | WNOWAIT);
    FILE *children = has_children ? fopen(CHILDREN, "re") : NULL;
    unsigned found = 0;
    pid_t pid;

    if (!children)
        return 0;
    while (fscanf(children, "%d", &pid) == 1)
        if (getsid(pid) > 0 && getsid(pid) != getsid(0)) {
            kill_child(pid);
            found++;
        }
    (void)fclose(children);
    return found;
}

void orphans_end(int wait_ms) {
    int64_t until = clock_monotonic_ms() + wait_ms;

    while (orphans_kill() && clock_monotonic_ms() < until)
        clock_sleep_ms(ORPHANS_PAUSE_MS);
}
