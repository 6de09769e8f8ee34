/* Records of tasks (MCP Tasks extension, exec/tasks.h). Any worker may change one, so each write
 * names the version that it replaces, and of several at once one succeeds. An implementation fills
 * the table of functions; callers use the inline functions below. */
#pragma once

#include "base/base.h"

#define TASK_ID_MAX 64   /* bytes of a task's id */
#define TASK_OWNER_LEN 8 /* the first bytes of an id, the same for all tasks of one user */
/* Bytes of a sealed record. With the other attributes it stays below what DynamoDB takes as an
 * item, 400 KB, and what the cache takes as a value. */
#define TASK_SEALED_MAX ((size_t)352 << 10)

#define TASK_RECORD_VERSION 1 /* version of a stored record */

struct task_record {
    const char *id;     /* random, base64url */
    int64_t version;    /* counts the writes; 0: not written yet */
    int64_t ttl;        /* epoch seconds; past it the task does not exist */
    int64_t lease;      /* epoch seconds; past it the program counts as lost; 0: none runs */
    const char *sealed; /* everything else, sealed before it comes here */
};

struct store_options;
struct table_kind;
struct task_store;
struct task_store_ops {
    const struct table_kind *table; /* NULL: it needs none */
    enum rc (*open)(const struct store_options *o, struct task_store **out, struct err *e);
    enum rc (*get)(struct task_store *s, struct arena *a, const char *id, struct task_record *out,
                   struct err *e);
    enum rc (*write)(struct task_store *s, const struct task_record *in, struct err *e);
    enum rc (*renew)(struct task_store *s, const struct task_record *in, struct err *e);
    void (*close)(struct task_store *s);
};
struct task_store {
    const struct task_store_ops *ops;
    const struct clock *clock;
    int64_t renewal_ms; /* how often a task's process renews its record, and notices changes */
    int64_t poll_ms;    /* how often a client should ask */
};

/* Every operation: ERR_STORE if the store fails; e->text may be sent to a client. */

/* The record as it is now. ERR_MISSING if there is none or it has expired. */
static inline enum rc task_store_get(struct task_store *s, struct arena *a, const char *id,
                                     struct task_record *out, struct err *e) {
    return s->ops->get(s, a, id, out, e);
}
/* Replaces the record of version in->version; the new one has the next version. ERR_CONFLICT if
 * another process has written since it was read, or it is gone; ERR_MISSING if the store has lost
 * it before it expired (the file was damaged): it can be written again as a new one. For a new
 * record in->version is 0: ERR_EXISTS if the id is taken. */
static inline enum rc task_store_write(struct task_store *s, const struct task_record *in,
                                       struct err *e) {
    return s->ops->write(s, in, e);
}
/* The same for lease and ttl alone; in->sealed is ignored. */
static inline enum rc task_store_renew(struct task_store *s, const struct task_record *in,
                                       struct err *e) {
    return s->ops->renew(s, in, e);
}
static inline void task_store_close(struct task_store *s) {
    if (s)
        s->ops->close(s);
}

/* Limits of the tasks in the cache, of all users and of one. The tasks that have not changed for
 * the longest time are removed first, but none that runs. */
#define TASKS_KEPT_MAX 4096
#define TASKS_KEPT_BYTES_MAX ((size_t)96 << 20)
#define TASKS_KEPT_USER_MAX 128
#define TASKS_KEPT_USER_BYTES_MAX ((size_t)24 << 20)
#define TASK_KEY_PREFIX "task:" /* of their keys in the cache */
