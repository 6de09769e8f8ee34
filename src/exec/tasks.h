/* The Tasks extension (io.modelcontextprotocol/tasks): a tool that runs long answers at once with a
 * task, which the client asks for later. Its record is in the task store (store/tasks.h), so that
 * any worker can answer, of any host if the store is a table; the program is looked after by a
 * process of its own, which belongs to no worker.
 *
 * Every write replaces the version that was read, so two that change a task at once do not lose
 * each other's part: the later one reads again. Whoever runs the program renews the record's lease
 * as long as it lives, and learns by that when somebody else has written. */
#ifndef EXEC_TASKS_H
#define EXEC_TASKS_H

#include "catalog/tools.h"
#include "crypto/seal.h"
#include "mcp/call.h"
#include "store/tasks.h"

#define TASKS_EXTENSION "io.modelcontextprotocol/tasks"
#define TASK_TTL_S 3600     /* for so long after its last change a task can be asked for */
#define TASK_LEASE_S 60     /* a host that has not renewed it for so long is taken for dead */
#define TASK_CHANGE_MS 3000 /* within which a change succeeds, however many are at it */
#define TASK_SAVE_S 300     /* the end of a program is offered to a store in trouble for so long */

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
    struct message_socket *mailbox; /* of its process; NULL: there is none */
};

/* Does this call become a task? ERR_RPC_MISSING_CAPABILITY if it must, but the client cannot. */
enum rc task_wanted(struct mcp_call *c, const struct tool *tool, bool *wanted,
                    struct err *e) MUST_USE;
/* Makes a task, and fills c->result with its CreateTaskResult. It runs already. */
enum rc task_create(struct mcp_call *c, const struct tool *tool, struct json *arguments,
                    struct err *e) MUST_USE;

/* task_record.c */
/* ERR_MISSING, ERR_STORE. One whose host is dead has failed. */
enum rc task_read(struct site *site, struct arena *a, const char *id, struct task *out,
                  struct err *e) MUST_USE;
/* The same for this caller; to others than its user and client it does not exist:
 * ERR_RPC_INVALID_PARAMS. */
enum rc task_load(struct mcp_call *c, const char *id, struct task *out, struct err *e) MUST_USE;
/* ERR_CONFLICT if somebody else has written since it was read; ERR_TOO_LARGE, ERR_STORE. */
enum rc task_save(struct task *t, struct err *e) MUST_USE;
/* Says that its program is still looked after. ERR_CONFLICT as above. */
enum rc task_renew(struct task *t, struct err *e) MUST_USE;
/* Before another try after ERR_CONFLICT. false: it is too late for one. */
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
/* Makes the record one of a task that runs. To be saved; whoever saves it starts the process. */
void task_begin(struct task *t, const struct tool *tool);
/* Takes over the place. */
enum rc task_start(struct mcp_call *c, const struct tool *tool, struct task *t, int place,
                   struct err *e) MUST_USE;
void task_abandon(struct task *t, int place); /* instead, if it could not be saved */
/* The process of a task that this daemon has started is there no more. */
bool task_is_orphaned(const struct task *t);
/* Tells the process of a task, if it is on this host. On others it notices by itself. */
void task_stop(const struct task *t);

#endif
