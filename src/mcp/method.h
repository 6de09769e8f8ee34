/* What the endpoint serves: a table of methods, and filters of subscriptions, which the room above
 * gives to it. */
#ifndef MCP_METHOD_H
#define MCP_METHOD_H

#include "base/err.h"
#include "base/json.h"
#include "catalog/protocol.h"
#include "catalog/rpc_codes.h"

struct buf;
struct mcp_call;

/* Fills c->answer.result, or fails with an ERR_RPC_ code (answered as a JSON-RPC error) or another
 * one (answered by the dispatcher). */
typedef enum rc mcp_method_fn(struct mcp_call *c, struct err *e);
/* The scopes that this call needs beyond those of every call; "" for none. */
typedef const char *mcp_scopes_fn(const struct mcp_call *c);

struct mcp_method {
    const char *name;
    unsigned protocols; /* enum mcp_protocol bits */
    mcp_method_fn *run;
    mcp_scopes_fn *scopes; /* may be NULL */
    const char *mirrored;  /* the member of params that Mcp-Name repeats, or NULL */
    const char *event;     /* of its audit line; NULL: it has none */
    const char *kind;      /* of what it is called on, in that line */
};

/* Something besides lists and resources that subscriptions/listen can ask for: a member of
 * params.notifications. Adds what the stream waits for to `list`; *agreed is what was agreed to of
 * what is wanted, NULL for nothing. */
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
    /* A client has answered a request of ours. */
    void (*take_response)(struct mcp_call *c, struct json *message);
};

#endif
