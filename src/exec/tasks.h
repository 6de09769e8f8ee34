/* The Tasks extension (io.modelcontextprotocol/tasks): a call that runs long returns a task at
 * once, and the client asks for its state later. The record is in the task store (store/tasks.h),
 * so that any worker can answer, and any host if the store is a table. The program runs under a
 * process of its own, which belongs to no worker.
 *
 * Every write replaces the version that was read, so concurrent changes are not lost: the later
 * writer reads again. The task's process renews the record's lease while the program runs, and so
 * learns that another process has written. */
#ifndef EXEC_TASKS_H
#define EXEC_TASKS_H

#include "catalog/tools.h"
#include "crypto/seal.h"
#include "mcp/call.h"
#include "store/tasks.h"

#define TASKS_EXTENSION "io.modelcontextprotocol/tasks"
#define TASK_TTL_S 3600     /* so long after its last change a task is available */
#define TASK_LEASE_S 60     /* after so long without a renewal the task is lost */
#define TASK_CHANGE_MS 3000 /* so long a change is retried after conflicts */
#define TASK_SAVE_S 300     /* so long the end of a program is written again if the store fails */

/* Bytes of a record as JSON, with arguments or result. */
#define TASK_RECORD_MAX SEAL_DATA_MAX
_Static_assert(((size_t)TASK_RECORD_MAX + 64) / 3 * 4 + 4 <= TASK_SEALED_MAX,
               "a record fits when it is sealed");

struct task {
    struct site *site;
    struct arena *arena;
    const char *id;
    struct json *record;
    int64_t version, ttl, lease;    /* as in struct task_record */
    struct message_socket *mailbox; /* of its process; NULL: none */
};

/* Does this call become a task? ERR_RPC_MISSING_CAPABILITY if it must, but the client cannot. */
enum rc task_wanted(struct mcp_call *c, const struct tool *tool, bool *wanted,
                    struct err *e) MUST_USE;
/* Creates and starts a task, and fills c->answer.result with its CreateTaskResult. */
enum rc task_create(struct mcp_call *c, const struct tool *tool, struct json *arguments,
                    struct err *e) MUST_USE;

/* task_record.c */
/* ERR_MISSING, ERR_STORE. A task whose lease has expired is marked as failed. */
enum rc task_read(struct site *site, struct arena *a, const char *id, struct task *out,
                  struct err *e) MUST_USE;
/* The same for this caller. ERR_RPC_INVALID_PARAMS if it does not exist, or belongs to another user
 * or client. */
enum rc task_load(struct mcp_call *c, const char *id, struct task *out, struct err *e) MUST_USE;
/* ERR_CONFLICT if somebody else has written since it was read; ERR_TOO_LARGE, ERR_STORE. */
enum rc task_save(struct task *t, struct err *e) MUST_USE;
/* Renews the lease. ERR_CONFLICT as above. */
enum rc task_renew(struct task *t, struct err *e) MUST_USE;
/* Waits before another try after ERR_CONFLICT. false: there is no time for one. */
bool task_pause(int64_t until_ms);
void task_status(struct task *t, const char *status);
void task_fail(struct task *t, const char *text);
bool task_is(const struct task *t, const char *status);
bool task_has_ended(const struct task *t);
/* What clients see of a task. `whole` adds what tasks/get has besides (DetailedTask). */
struct json *task_view(const struct task *t, bool whole);

mcp_method_fn mcp_tasks_get, mcp_tasks_update, mcp_tasks_cancel;

/* tasks.c: does the client know the extension? ERR_RPC_MISSING_CAPABILITY. */
enum rc task_extension(struct mcp_call *c, struct err *e) MUST_USE;

/* task_watch.c: what stands before the news of a task on a stream; `meta` is its _meta. */
struct text task_news_head(struct arena *a, const struct json *meta);
/* Answers questions for news of tasks, which come at fd, until it is closed. */
void mcp_watch_tasks(struct site *site, int fd);

/* task_place.c: a place among the tasks that run (TASKS_MAX, TASKS_MAX_USER), held by the
 * descriptor *place. ERR_RATE_LIMITED, with the time to wait in the reply. */
enum rc task_place_take(struct mcp_call *c, int *place, struct err *e) MUST_USE;

/* task_run.c: the process that runs the tool and writes the outcome. */
/* Marks the record as running. The caller saves it, and starts the process if that succeeds. */
void task_begin(struct task *t, const struct tool *tool);
/* Takes over the place. */
enum rc task_start(struct mcp_call *c, const struct tool *tool, struct task *t, int place,
                   struct err *e) MUST_USE;
void task_abandon(struct task *t, int place); /* instead of task_start, if it could not be saved */
/* The task should run on this host, but its process does not exist. */
bool task_is_orphaned(const struct task *t);
/* Sends a message to the task's process, if it is on this host. On another host it notices when it
 * renews the lease. */
void task_stop(const struct task *t);

#endif
