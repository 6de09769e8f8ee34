/* Locks on single bytes of a file. A lock belongs to the open file description (fcntl(2), "Open
 * file description locks"): it ends when all processes have closed the description, which the
 * kernel does at the end of a process. */
#pragma once

#include <stdbool.h>

/* Locks the first byte of [from, from + count) that no other description has locked, and returns
 * it; -1 if there is none. Bytes that this description has locked count as free. */
int byte_lock_take(int fd, int from, int count);
void byte_lock_release(int fd, int byte);
bool byte_lock_is_taken(int fd, int byte); /* by another description */
