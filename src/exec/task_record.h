/* A task of the Tasks extension: its record, read, shown to clients, and written, and the process
 * that runs its program. Every write replaces the version that was read, so concurrent changes are
 * not lost: the later writer reads again. */
#pragma once

#include "base/json.h"
#include "crypto/seal.h"
#include "store/tasks.h"

#define TASK_TTL_S 3600 /* so long after its last change a task is available */
#define TASK_LEASE_S 60 /* after so long without a renewal the task is lost */

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
    int slot;                      /* holds its slot among the tasks that run, see tasks.c */
};

/* ERR_MISSING, ERR_STORE. A task whose lease has expired is marked as failed. */
enum rc task_read(struct site *site, struct arena *a, const char *id, struct task *out,
                  struct err *e) MUST_USE;
/* The same for this caller. ERR_RPC_INVALID_PARAMS if it does not exist, or belongs to another user
 * or client. */
enum rc task_load(struct mcp_call *c, const char *id, struct task *out, struct err *e) MUST_USE;
/* ERR_CONFLICT if somebody else has written since it was read; ERR_TOO_LARGE, ERR_STORE. */
enum rc task_save(struct task *t, struct err *e) MUST_USE;
/* Renews the lease, since the program still runs. ERR_CONFLICT as above. */
enum rc task_renew(struct task *t, struct err *e) MUST_USE;
/* Waits before another try after ERR_CONFLICT. false: there is no time for one. */
bool task_pause(int64_t until_ms);
void task_status(struct task *t, const char *status);
void task_fail(struct task *t, const char *text);
bool task_is(const struct task *t, const char *status);
bool task_has_ended(const struct task *t);
/* What clients see of a task. `whole` adds what tasks/get has besides (DetailedTask). */
struct json *task_view(const struct task *t, bool whole);

/* The message socket of the process that runs a task's program: workers of its host find it by the
 * record. It exists before the record says that the task works, and as long as its process. */
/* For a new process: fills t->socket and the record. Without a socket, which is logged, the process
 * learns of a cancellation when it renews the lease. */
void task_socket_open(struct task *t);
void task_socket_close(struct task *t);
/* Makes the process of a task read the record, if it is on this host. On another host it does so
 * when it renews the lease. */
void task_socket_wake(const struct task *t);
