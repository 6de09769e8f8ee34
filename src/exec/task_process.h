/* The process that runs the program of a task. It is forked twice, so that no worker has to wait
 * for it, and it ends with the program. It renews the record's lease meanwhile. If
 * that fails with ERR_CONFLICT, another process has changed the record. */
#pragma once

#include "catalog/tools.h"
#include "exec/task_record.h"

struct mcp_call;

/* Saves the record with the status "working", and starts the process. Takes over t->slot. The
 * errors of task_save; ERR_RPC_INTERNAL if the process did not start: then the record says
 * "failed". */
enum rc task_start(struct mcp_call *c, const struct tool *tool, struct task *t,
                   struct err *e) MUST_USE;
