/* The Tasks extension (io.modelcontextprotocol/tasks): a call that runs long returns a task at
 * once, and the client asks for its state later. The record is in the task store (store/tasks.h),
 * so that any worker can answer, and any host if the store is a table. The program runs in a
 * process of its own, which belongs to no worker (task_process.h). */
#pragma once

#include "catalog/tools.h"
#include "mcp/call.h"

#define TASKS_EXTENSION "io.modelcontextprotocol/tasks"

/* Does the client know the extension? ERR_RPC_MISSING_CAPABILITY. */
enum rc task_extension(struct mcp_call *c, struct err *e) MUST_USE;
/* Does this call become a task? ERR_RPC_MISSING_CAPABILITY if it must, but the client cannot. */
enum rc task_wanted(struct mcp_call *c, const struct tool *tool, bool *wanted,
                    struct err *e) MUST_USE;
/* Creates and starts a task, and fills c->answer.result with its CreateTaskResult. */
enum rc task_create(struct mcp_call *c, const struct tool *tool, struct json *arguments,
                    struct err *e) MUST_USE;

mcp_method_fn mcp_tasks_get, mcp_tasks_update, mcp_tasks_cancel;
