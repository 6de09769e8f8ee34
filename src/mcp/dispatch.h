/* From a message to its answer, whatever the answer is sent as: which method serves it, whether the
 * token has the scopes, and what it answers. */
#ifndef MCP_DISPATCH_H
#define MCP_DISPATCH_H

#include "mcp/call.h"

struct mcp_response {
    int status;       /* of HTTP, if the message came alone */
    struct text body; /* JSON-RPC; p is NULL if no answer is due */
};

/* Reads the message and settles which method serves it. Notifications and responses are handled
 * here: they leave c->method NULL, and need no answer. */
enum rc mcp_route(struct mcp_call *c, struct json *message, struct err *e) MUST_USE;
/* Does the token have the scopes that a routed message needs? ERR_INSUFFICIENT_SCOPE. */
enum rc mcp_check_scopes(struct mcp_call *c, struct err *e) MUST_USE;
/* Runs the method of a routed message; `routed` is what mcp_route returned, whose error is
 * answered. An error that is not JSON-RPC's is returned. */
enum rc mcp_respond(struct mcp_call *c, enum rc routed, struct mcp_response *out,
                    struct err *e) MUST_USE;

/* Logs and counts an error that is answered. */
void mcp_log_error(const struct mcp_call *c, const struct err *e);

#endif
