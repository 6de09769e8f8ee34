/* Starting a child process: what all processes of the daemon and all programs have in common.
 *
 * A child has three descriptors, 0 to 2, and those that it is started with, under their own
 * numbers; all others are closed in it. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#define CHILD_KEEP_MAX 5

struct child_start {
    const char *name;         /* as ps(1) shows it, at most 15 bytes; NULL: the parent's */
    int keep[CHILD_KEEP_MAX]; /* descriptors above 2 that stay open; any other number is ignored */
    bool default_signals;     /* none is blocked, and each has its default action; otherwise the
                                 parent's signal mask and handlers are kept */
    int death_signal;  /* sent by the kernel when the parent ends; 0: none. A child whose parent has
                          ended before that exits at once */
    int silent_max_ms; /* the master kills it if it sends no heartbeat for so long
                          (base/watchdog.h); 0: it need not send any */
};

/* fork(2). Returns 0 in the child, the child's process id in the parent, or -1 with errno. */
pid_t child_fork(const struct child_start *how);
/* The same for a process that becomes the child of the nearest process that adopts orphans,
 * so that the caller need not wait for it. It must have no death signal. Returns
 * 0 in the new process, 1 in the caller, or -1 with errno. */
int child_fork_detached(const struct child_start *how);

/* Waits until it has ended. Its status of waitpid(2); -1: there is no such child. */
int child_wait(pid_t pid);

/* What both functions do in the child. `parent`: the process id of its parent. */
void child_begin(const struct child_start *how, pid_t parent);

/* A descriptor that every child keeps, besides its own; -1: none. */
void child_keep_always(int fd);

/* ---- Processes whose parent has ended.
 *
 * All processes of the daemon are in one session, the master's. A program gets a session of its own
 * (setsid); what it starts may leave that session, but cannot enter the daemon's. The parent of an
 * orphan becomes its nearest ancestor that adopts orphans (PR_SET_CHILD_SUBREAPER of prctl(2)): the
 * process that runs the program, while it does, and otherwise the master. So whatever a program has
 * left behind can be found by its session, and killed. */

void orphans_adopt(bool yes);
/* Kills the children of this process that are in another session, with their process groups, and
 * reaps those that have ended. Returns how many there were. Call it again until it finds none:
 * what those have started becomes a child of this process only now. */
unsigned orphans_kill(void);
/* Repeats orphans_kill until it finds none, for wait_ms at most. */
void orphans_end(int wait_ms);
