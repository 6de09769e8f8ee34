/* What the endpoint serves: a table of methods and filters of subscriptions, which exec/ supplies.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"
#include "catalog/protocol.h"
#include "mcp/rpc_codes.h"

struct buf;
struct mcp_call;

/* Fills c->answer.result, or fails with an ERR_RPC_ code (answered as a JSON-RPC error) or another
 * one (answered by the dispatcher). */
typedef enum rc mcp_method_fn(struct mcp_call *c, struct err *e);
/* The scopes that this call needs besides REQUIRED_SCOPES; "" for none. */
typedef const char *mcp_scopes_fn(const struct mcp_call *c);

struct mcp_method {
    const char *name;
    unsigned protocols; /* enum mcp_protocol bits */
    mcp_method_fn *run;
    mcp_scopes_fn *scopes; /* may be NULL */
    const char *mirrored;  /* the member of params that Mcp-Name repeats, or NULL */
    const char *event;     /* the event of its log line; NULL: it has none */
    const char *kind;      /* the key of its target in that line */
};

/* What subscriptions/listen can ask for besides lists and resources: a member of
 * params.notifications. Adds subscriptions to `list`; *agreed is the granted part of the request,
 * NULL if nothing is granted. */
struct mcp_filter {
    const char *member;
    enum rc (*subscribe)(struct mcp_call *c, const struct json *wanted, struct buf *list,
                         struct json **agreed, struct err *e);
};

struct mcp_service {
    const struct mcp_method *methods;
    size_t method_count;
    const struct mcp_filter *filters;
    size_t filter_count;
    const char *extensions; /* that PROTOCOL_STATELESS has: an object, as JSON */
    /* Takes a client's response to a request of the server. */
    void (*take_response)(struct mcp_call *c, struct json *message);
};
