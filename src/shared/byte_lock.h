/* Locks on single bytes of a file. A lock belongs to the open file description (fcntl(2), "Open
 * file description locks"): it ends when that is closed in every process that has it, and the
 * kernel closes it when a process ends, however it ends. */
#ifndef SHARED_BYTE_LOCK_H
#define SHARED_BYTE_LOCK_H

#include <stdbool.h>

/* Locks the first byte of [from, from + count) that nobody else has locked, and returns it; -1 if
 * there is none. A byte that is locked through this description already does not stop it. */
int byte_lock_take(int fd, int from, int count);
void byte_lock_release(int fd, int byte);
bool byte_lock_is_taken(int fd, int byte); /* through another description */

#endif
