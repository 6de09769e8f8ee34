/* Processes whose parent has ended.
 *
 * All processes of the daemon are in one session, its master's. A program is given one of its own
 * (setsid), and whatever it starts may leave that, but never comes into ours. An orphan gets its
 * nearest ancestor that adopts orphans for a parent (PR_SET_CHILD_SUBREAPER of prctl(2)): who runs
 * a program, as long as it does, and else the master. So what programs leave behind can be told
 * from all else, and be ended. */
#ifndef RUNNER_ORPHANS_H
#define RUNNER_ORPHANS_H

#include <stdbool.h>
#include <sys/types.h>

void orphans_adopt(bool yes);
/* Kills the children of this process that are in another session, with their process groups, and
 * reaps those that have ended. Returns how many there were: until none is found, what they have
 * started may have come to us since. */
unsigned orphans_kill(void);
/* The same until there is none, for wait_ms at most. */
void orphans_end(int wait_ms);

#endif
