/* The message socket of the process that runs a task's program. Workers of its host find it by the
 * record. It exists before the record says that the task works, and as long as its process. */
#pragma once

#include "exec/task.h"

/* For a new process: fills t->socket and the record. Without a socket, which is logged, the process
 * learns of a cancellation when it renews the lease. */
void task_socket_open(struct task *t);
void task_socket_close(struct task *t);
/* Makes the process of a task read the record, if it is on this host. On another host it does so
 * when it renews the lease. */
void task_socket_wake(const struct task *t);
/* The task should run on this host, but its process does not exist. */
bool task_socket_is_orphaned(const struct task *t);
