/* Bytes of a file as places that processes take: whoever ends, however it ends, gives its own back,
 * since the kernel unlocks them. Between slots.c and gate.c. */
#ifndef SHARED_BYTE_LOCK_H
#define SHARED_BYTE_LOCK_H

#include <stdbool.h>

/* The first free one of [from, from + count); -1 if there is none. A process takes at most one of
 * a range: its own lock would not stop it. */
int locked_take(int fd, int from, int count);
void locked_give_back(int fd, int place);
bool locked_is_taken(int fd, int place); /* by another process */

#endif
