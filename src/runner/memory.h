/* What a program uses. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

/* The resident memory of a process and of those that its main thread has started, in bytes, as
 * proc(5) says it now. */
int64_t memory_of_tree(pid_t pid);
