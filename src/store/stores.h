/* The lists of stores, and which of them the configuration chooses. */
#pragma once

#include "config/config.h"

struct http_client;
struct session_store;
struct session_store_ops;
struct task_store;
struct task_store_ops;

/* Each NAME has a task_store_NAME. The first is used that needs no table, or whose table the
 * configuration names. */
#define TASK_STORES(each) each(dynamodb) each(host)

#define SESSION_STORE_DECLARE(name, word)                                                          \
    extern const struct session_store_ops session_store_##word;
SESSION_STORES(SESSION_STORE_DECLARE)
#define TASK_STORE_DECLARE(name) extern const struct task_store_ops task_store_##name;
TASK_STORES(TASK_STORE_DECLARE)

/* The DynamoDB table of a store. */
struct table_kind {
    const char *what;       /* as errors call the store: "session store" */
    const char *key;        /* the attribute that is the key of an item */
    const char *setting;    /* the configuration key with the table's name or ARN */
    size_t name_offset;     /* of the member of struct config with that key's value */
    const char *limit_file; /* in STATE_DIR: the limit of workers that wait for the table */
};
/* The table's name or ARN; "" if none is configured. */
static inline const char *table_name(const struct table_kind *kind, const struct config *c) {
    return *(const char *const *)(const void *)((const char *)c + kind->name_offset);
}

/* What a store gets from the process that opens it. All is borrowed. */
struct store_options {
    const struct config *config;
    const struct clock *clock;
    struct cache *cache; /* the process's own, for tasks of one host */
    /* Of aws_http_options, for a store that needs one; NULL: it makes one of its own. */
    struct http_client *http;
    bool is_worker; /* the limit of calls counts workers only */
};
/* A store sends no request when it is opened. A process opens its own, after the fork. A file of
 * sessions that cannot be opened is no error: it is logged, and opened again at the next use. */
enum rc session_store_open(const struct store_options *o, struct session_store **out,
                           struct err *e) MUST_USE;
enum rc task_store_open(const struct store_options *o, struct task_store **out,
                        struct err *e) MUST_USE;
/* The stores that the configuration chooses. */
const struct session_store_ops *session_store_find(const struct config *c);
const struct task_store_ops *task_store_find(const struct config *c);
