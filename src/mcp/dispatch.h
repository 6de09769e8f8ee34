/* From a message to its answer, in whatever form that is sent: finds the method, checks the scopes,
 * and calls it. */
#pragma once

#include "mcp/call.h"

struct mcp_response {
    int status;       /* HTTP status of a message that is not in a batch */
    struct text body; /* JSON-RPC; p is NULL if no answer is needed */
};

/* Reads the message and finds its method. Handles notifications and responses itself: they leave
 * c->method NULL, and need no answer. */
enum rc mcp_route(struct mcp_call *c, struct json *message, struct err *e) MUST_USE;
/* Does the token have the scopes that a routed message needs? ERR_INSUFFICIENT_SCOPE. */
enum rc mcp_check_scopes(struct mcp_call *c, struct err *e) MUST_USE;
/* Runs the method of a routed message. `routed` is the result of mcp_route, and its error is
 * answered. Returns an error that JSON-RPC has no form for. */
enum rc mcp_respond(struct mcp_call *c, enum rc routed, struct mcp_response *out,
                    struct err *e) MUST_USE;

/* Logs and counts an error that the client gets. */
void mcp_log_error(const struct mcp_call *c, const struct err *e);
