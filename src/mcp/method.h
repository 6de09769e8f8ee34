/* What a method is: one row of the table that the endpoint serves. */
#ifndef MCP_METHOD_H
#define MCP_METHOD_H

#include "base/err.h"
#include "catalog/protocol.h"

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

#endif
