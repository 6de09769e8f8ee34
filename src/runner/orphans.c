#include "runner/orphans.h"

#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

#define CHILDREN "/proc/thread-self/children"
#define PAUSE_MS 1

void orphans_adopt(bool yes) {
    (void)prctl(PR_SET_CHILD_SUBREAPER, yes ? 1UL : 0UL);
}

static bool has_children(void) {
    siginfo_t any;

    return !waitid(P_ALL, 0, &any, WEXITED | WNOHANG | WNOWAIT);
}

/* Until it is reaped, no other process gets its process id or its group's. */
static void kill_child(pid_t pid) {
    pid_t group = getpgid(pid);

    if (group > 1 && group != getpgrp())
        (void)kill(-group, SIGKILL);
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, WNOHANG);
}

unsigned orphans_kill(void) {
    FILE *children = has_children() ? fopen(CHILDREN, "re") : NULL;
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
    const struct timespec pause = {0, PAUSE_MS * 1000000L};
    int64_t until = clock_monotonic_ms() + wait_ms;

    while (orphans_kill() && clock_monotonic_ms() < until)
        (void)nanosleep(&pause, NULL);
}
