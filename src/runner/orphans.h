/* Processes whose parent has ended.
 *
 * All processes of the daemon are in one session, the master's. A program gets a session of its own
 * (setsid); what it starts may leave that session, but cannot enter the daemon's. The parent of an
 * orphan becomes its nearest ancestor that adopts orphans (PR_SET_CHILD_SUBREAPER of prctl(2)): the
 * process that runs the program, while it does, and otherwise the master. So whatever a program has
 * left behind can be found by its session, and killed. */
#ifndef RUNNER_ORPHANS_H
#define RUNNER_ORPHANS_H

#include <stdbool.h>
#include <sys/types.h>

void orphans_adopt(bool yes);
/* Kills the children of this process that are in another session, with their process groups, and
 * reaps those that have ended. Returns how many there were. Call it again until it finds none:
 * what those have started becomes a child of this process only now. */
unsigned orphans_kill(void);
/* The same until there is none, for wait_ms at most. */
void orphans_end(int wait_ms);

#endif
