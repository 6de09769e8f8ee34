/* The process that runs the program of a task. It is forked twice, so that no worker has to wait
 * for it, and it ends with the program. It renews the record's lease meanwhile, and so learns that
 * another process has written. */
#pragma once

#include "catalog/tools.h"
#include "exec/task_record.h"

struct mcp_call;

/* Saves the record, as that of a task that runs, and starts the process. Takes over the slot. The
 * errors of task_save; ERR_RPC_INTERNAL: the task has failed, as its record says. */
enum rc task_start(struct mcp_call *c, const struct tool *tool, struct task *t,
                   struct err *e) MUST_USE;
