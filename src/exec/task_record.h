/* The record of a task of the Tasks extension: how it is read, written, and shown to clients; and
 * the message socket of the process that runs the task's program. A write names the version that it
 * replaces. If another process has written since, it fails, and the writer reads again: so no
 * change is lost. */
#pragma once

#include "base/json.h"
#include "crypto/seal.h"
#include "store/tasks.h"

#define TASK_TTL_S 3600 /* how long a task is available after its last change */
#define TASK_LEASE_S 60 /* a task whose lease was not renewed for so long is lost */

/* Bytes of a record as JSON, with arguments or result. */
#define TASK_RECORD_MAX SEAL_DATA_MAX
_Static_assert(((size_t)TASK_RECORD_MAX + 64) / 3 * 4 + 4 <= TASK_SEALED_MAX,
               "a record fits when it is sealed");

struct mcp_call;
struct message_socket;
struct site;

struct task {
    struct site *site;
    struct arena *arena;
    const char *id;
    struct json *record;
    int64_t version, ttl, lease;   /* as in struct task_record */
    struct message_socket *socket; /* of the process that runs it; NULL: none */
    int slot;                      /* descriptor: holds a slot for a task that runs, see tasks.c */
};

/* Reads the record. A task whose lease has expired is marked as failed. ERR_MISSING, ERR_STORE. */
enum rc task_read(struct site *site, struct arena *a, const char *id, struct task *out,
                  struct err *e) MUST_USE;
/* The same for this caller. ERR_RPC_INVALID_PARAMS if it does not exist, or belongs to another user
 * or client. */
enum rc task_load(struct mcp_call *c, const char *id, struct task *out, struct err *e) MUST_USE;
/* Writes the record. ERR_CONFLICT if another process has written since it was read; ERR_TOO_LARGE,
 * ERR_STORE. */
enum rc task_save(struct task *t, struct err *e) MUST_USE;
/* Renews the lease, since the program still runs. ERR_CONFLICT as above. */
enum rc task_renew(struct task *t, struct err *e) MUST_USE;
/* Waits some ms after ERR_CONFLICT, before the next try. False: until_ms has passed. */
bool task_pause(int64_t until_ms);
void task_status(struct task *t, const char *status);
void task_fail(struct task *t, const char *text);
bool task_is(const struct task *t, const char *status);
bool task_has_ended(const struct task *t);
/* The task as clients see it. `whole` adds its result, error or inputRequests, as tasks/get has
 * them (DetailedTask). */
struct json *task_view(const struct task *t, bool whole);

/* The message socket of the process that runs a task's program: workers of its host derive its name
 * from the record. It is opened before a record with the status "working" is saved, and exists as
 * long as the process. */
/* Opens the socket for a new process: fills t->socket and the record. Without a socket, which is
 * logged, the process learns of a cancellation when it renews the lease. */
void task_socket_open(struct task *t);
void task_socket_close(struct task *t);
/* Makes the process of a task read the record, if it is on this host. On another host it does so
 * when it renews the lease. */
void task_socket_wake(const struct task *t);
