/* The store of login sessions. Its four operations are those of DynamoDB that the endpoints may use
 * (PutItem and UpdateItem; GetItem and DeleteItem: docs/dynamodb.md). A store fills the table of
 * functions; callers use the inline functions below. */
#pragma once

#include "metrics/metrics.h"

#define SESSION_ID_MAX 64 /* bytes of a session id */

/* Version of a stored session. Each implementation writes this version and also reads the one
 * before it, so that the hosts of a site can be upgraded one after the other. Version 1 had no
 * `attempt`. */
#define SESSION_RECORD_VERSION 2
#define SESSION_RECORD_VERSION_OLDEST 1

enum session_state {
    SESSION_PENDING = 1,    /* consent was given, the user is at the identity provider */
    SESSION_AUTHORIZED = 2, /* the provider's code is stored, ours was sent to the client */
};

/* One login. What is secret is sealed before it comes here. */
struct session {
    const char *id; /* random, base64url */
    enum session_state state;
    const char *browser; /* hash of the cookie that the login is bound to */
    const char *login;   /* the request to /authorize, sealed with the host's keys */
    const char *grant;   /* the provider's code, sealed with ours; "" while pending */
    const char *attempt; /* names the request that authorized it; "" while pending */
    int64_t ttl;         /* epoch seconds; past it the session does not exist */
};

struct session_store;
struct store_options;
struct table_kind;
struct session_store_ops {
    const struct table_kind *table; /* NULL: it needs none */
    /* *out is set also with ERR_STORE; the store then tries again at each use. */
    enum rc (*open)(const struct store_options *o, struct session_store **out, struct err *e);
    enum rc (*put)(struct session_store *s, const struct session *in, struct err *e);
    enum rc (*authorize)(struct session_store *s, struct arena *a, const struct session *want,
                         struct session *out, struct err *e);
    enum rc (*get)(struct session_store *s, struct arena *a, const char *id, struct session *out,
                   struct err *e);
    enum rc (*remove)(struct session_store *s, struct arena *a, const char *id, struct err *e);
    void (*sweep)(struct session_store *s); /* NULL: the store deletes expired sessions itself */
    void (*close)(struct session_store *s);
};
struct session_store {
    const struct session_store_ops *ops;
    const struct clock *clock;
};

static inline enum rc session_store_counted(enum metric_store operation, enum rc rc) {
    metrics_count2(METRIC_STORE_CALLS, operation,
                   rc == OK          ? OUTCOME_OK
                   : rc == ERR_STORE ? OUTCOME_FAILED
                                     : OUTCOME_REFUSED);
    return rc;
}

/* PutItem if the id is new. ERR_EXISTS otherwise. Every operation: ERR_STORE if the store fails. */
static inline enum rc session_store_put(struct session_store *s, const struct session *in,
                                        struct err *e) {
    return session_store_counted(STORE_PUT, s->ops->put(s, in, e));
}
/* UpdateItem if the session want->id is pending, of want->browser and not expired: sets grant, ttl
 * and attempt of `want`, and returns the session as it now is. ERR_CONFLICT if the condition fails.
 * The same attempt may be repeated until the session is deleted (the first may have been carried
 * out and its answer lost); another attempt may not. */
static inline enum rc session_store_authorize(struct session_store *s, struct arena *a,
                                              const struct session *want, struct session *out,
                                              struct err *e) {
    return session_store_counted(STORE_UPDATE, s->ops->authorize(s, a, want, out, e));
}
/* GetItem, consistent. ERR_MISSING if there is none or it has expired. */
static inline enum rc session_store_get(struct session_store *s, struct arena *a, const char *id,
                                        struct session *out, struct err *e) {
    return session_store_counted(STORE_GET, s->ops->get(s, a, id, out, e));
}
/* DeleteItem if it is authorized and not expired. ERR_CONFLICT if there is none: of any number of
 * callers at most one gets OK. ERR_STORE also if it is gone after a try whose answer was lost: this
 * call may have deleted it, or another, and the store cannot tell. */
static inline enum rc session_store_delete(struct session_store *s, struct arena *a, const char *id,
                                           struct err *e) {
    return session_store_counted(STORE_DELETE, s->ops->remove(s, a, id, e));
}
/* Removes some of the expired sessions. It is cheap, and called now and then between requests. */
static inline void session_store_sweep(struct session_store *s) {
    if (s->ops->sweep)
        s->ops->sweep(s);
}
static inline void session_store_close(struct session_store *s) {
    if (s)
        s->ops->close(s);
}
