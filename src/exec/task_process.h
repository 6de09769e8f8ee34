/* The process that runs the program of a task. It is forked twice, so that no worker has to wait
 * for it, and it ends with the program. It renews the record's lease meanwhile, and so learns that
 * another process has written. */
#pragma once

#include "catalog/tools.h"
#include "exec/task.h"

struct mcp_call;

/* Marks the record as running. The caller saves it, and starts the process if that succeeds. */
void task_begin(struct task *t, const struct tool *tool);
/* Takes over the slot and the socket. ERR_RPC_INTERNAL: the task has failed, as its record says. */
enum rc task_start(struct mcp_call *c, const struct tool *tool, struct task *t,
                   struct err *e) MUST_USE;
void task_abandon(struct task *t); /* instead of task_start, if it could not be saved */
