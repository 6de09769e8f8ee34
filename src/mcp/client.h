/* Who calls, and what its client can do. */
#ifndef MCP_CLIENT_H
#define MCP_CLIENT_H

#include "base/err.h"
#include "base/json.h"
#include "idp/access_token.h"

struct mcp_call;
struct mcp_session;

/* Levels of log messages (RFC 5424 §6.2.1, as MCP names them), from debug to emergency. */
enum log_wanted { LOG_WANTED_NONE = 100, LOG_WANTED_INFO = 1 };
int mcp_log_level(const char *name); /* -1: there is no such level */

struct mcp_client {
    const struct token_claims *claims;
    struct json *capabilities;         /* NULL: the client has declared none */
    const struct mcp_session *session; /* session.h; NULL: none */
    int log_level;                     /* the lowest that it wants */
};

/* Settles c->client, but for the claims, from the session or from the _meta of a stateless message.
 */
enum rc mcp_client_settle(struct mcp_call *c, struct err *e) MUST_USE;

#endif
