/* A task of the Tasks extension in memory: its record in the task store (store/tasks.h), and what
 * the process that runs its program needs. */
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
