/* The Tasks extension (io.modelcontextprotocol/tasks): a tool that runs long answers at once with a
 * task, which the client asks for later. Its state is in the host's cache, so that any worker can
 * answer; the program is looked after by a process of its own, which belongs to no worker. */
#ifndef MCP_TASKS_H
#define MCP_TASKS_H

#include "mcp/tools.h"

#define TASKS_EXTENSION "io.modelcontextprotocol/tasks"
#define TASK_KEY_PREFIX "task:" /* of its record in the host's cache */
#define TASK_TTL_S 3600         /* for so long after its start a task can be asked for, */
#define TASK_LOST_S 30          /* and this long after its time limit it is given up */
#define TASK_POLL_MS 1000

struct task {
    const char *id;
    struct json *record;
};

/* Does this call become a task? ERR_RPC_MISSING_CAPABILITY if it must, but the client cannot. */
enum rc task_wanted(struct mcp_call *c, const struct tool *tool, bool *wanted,
                    struct err *e) MUST_USE;
/* Makes a task, and fills c->result with its CreateTaskResult. It runs already. */
enum rc task_create(struct mcp_call *c, const struct tool *tool, struct json *arguments,
                    struct err *e) MUST_USE;

/* task_record.c */
enum rc task_load(struct mcp_call *c, const char *id, struct task *out, struct err *e) MUST_USE;
enum rc task_save(struct mcp_call *c, struct task *t, struct err *e) MUST_USE;
void task_status(struct mcp_call *c, struct task *t, const char *status);
bool task_is(const struct task *t, const char *status);
bool task_has_ended(const struct task *t);
const char *task_time(struct arena *a, int64_t seconds); /* RFC 3339 */

/* task_run.c: starts the process that runs the tool and writes the outcome. */
enum rc task_start(struct mcp_call *c, const struct tool *tool, struct task *t,
                   struct err *e) MUST_USE;
/* Stops the program of a task, if it runs. */
void task_stop(struct mcp_call *c, const struct task *t);

#endif
