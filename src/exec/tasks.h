/* The Tasks extension (io.modelcontextprotocol/tasks): a call that runs long returns a task at
 * once, and the client asks for its state later. The record is in the task store (store/tasks.h),
 * so that any worker can answer, and any host if the store is a table. The program runs in a
 * process of its own, which belongs to no worker (task_process.c). */
#pragma once

#include "catalog/tools.h"
#include "crypto/seal.h"
#include "mcp/call.h"
#include "store/tasks.h"

#define TASKS_EXTENSION "io.modelcontextprotocol/tasks"

/* ---- the record of a task: task_record.c ----
 *
 * How it is read, written, and shown to clients; and the message socket of the process that runs
 * the task's program. A write names the version that it replaces. If another process has written
 * since, it fails, and the writer reads again: so no change is lost. */

#define TASK_TTL_S 3600 /* how long a task is available after its last change */
#define TASK_LEASE_S 60 /* a task whose lease was not renewed for so long is lost */

/* Bytes of a record as JSON, with arguments or result. */
#define TASK_RECORD_MAX SEAL_DATA_MAX
_Static_assert(((size_t)TASK_RECORD_MAX + 64) / 3 * 4 + 4 <= TASK_SEALED_MAX,
               "a record fits when it is sealed");

struct task {
    struct site *site;
    struct arena *arena;
    const char *id;
    struct json *record;
    int64_t version, ttl, lease; /* as in struct task_record */
    int socket;                  /* of the process that runs it, once it is opened; -1: none */
    int slot;                    /* descriptor: holds a slot for a task that runs, see tasks.c */
};

/* Reads the record. A task whose lease has expired is marked as failed. ERR_MISSING, ERR_STORE. */
enum rc task_read(struct site *site, struct arena *a, const char *id, struct task *out,
                  struct err *e) MUST_USE;
/* The same for this caller. ERR_RPC_INVALID_PARAMS if it does not exist, or belongs to another user
 * or client. */
enum rc task_read_for_caller(struct mcp_call *c, const char *id, struct task *out,
                             struct err *e) MUST_USE;
/* Writes the record. ERR_CONFLICT if another process has written since it was read; ERR_TOO_LARGE,
 * ERR_STORE. */
enum rc task_save(struct task *t, struct err *e) MUST_USE;
/* Renews the lease, since the program still runs. ERR_CONFLICT as above. */
enum rc task_renew_lease(struct task *t, struct err *e) MUST_USE;
/* Waits some random ms after ERR_CONFLICT, before the next try. False: until_ms has passed. */
bool task_backoff(int64_t until_ms);
void task_set_status(struct task *t, const char *status);
void task_fail(struct task *t, const char *text);
bool task_is(const struct task *t, const char *status);
bool task_has_ended(const struct task *t);
/* The task as clients see it (Task). `detailed` adds its result, error or inputRequests, as
 * tasks/get has them (DetailedTask). */
struct json *task_view(const struct task *t, bool detailed);

/* The message socket of the process that runs a task's program. Workers of its host derive its name
 * from the record. It is opened before a record with the status "working" is saved, and exists as
 * long as the process. */

/* Opens the socket for a new process: fills t->socket and the record. If that fails, which is
 * logged, the process learns of a cancellation only when it renews the lease. */
void task_socket_open(struct task *t);
/* Makes the process of a task read the record, if it is on this host. A process of another host
 * does so when it renews the lease. */
void task_socket_wake(const struct task *t);

/* ---- the methods ---- */

/* Has the client declared that it supports the extension? Otherwise ERR_RPC_MISSING_CAPABILITY. */
enum rc task_check_extension(struct mcp_call *c, struct err *e) MUST_USE;
/* Does this call become a task? ERR_RPC_MISSING_CAPABILITY if it must, but the client does not
 * support tasks. */
enum rc task_wanted(struct mcp_call *c, const struct tool *tool, bool *wanted,
                    struct err *e) MUST_USE;
/* Creates and starts a task, and fills c->answer.result with its CreateTaskResult; if the tool's
 * quota is used up, only *refused, as quota_take does. */
enum rc task_create(struct mcp_call *c, const struct tool *tool, struct json *arguments,
                    const char **refused, struct err *e) MUST_USE;

/* task_process.c: the process that runs the program of a task. It is forked twice, so that no
 * worker has to wait for it, and it ends with the program. It renews the record's lease meanwhile.
 * If that fails with ERR_CONFLICT, another process has changed the record.
 *
 * Saves the record with the status "working", and starts the process. Takes over t->slot. The
 * errors of task_save; ERR_RPC_INTERNAL if the process did not start: then the record says
 * "failed". */
enum rc task_start(struct mcp_call *c, const struct tool *tool, struct task *t,
                   struct err *e) MUST_USE;

mcp_method_fn mcp_tasks_get, mcp_tasks_update, mcp_tasks_cancel;
