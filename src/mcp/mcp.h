/* The MCP room's table of contents: one endpoint that serves revision 2026-07-28 (stateless) and
 * the handshake revisions 2024-11-05 (over Streamable HTTP, which came after it), 2025-03-26,
 * 2025-06-18 and 2025-11-25. */
#ifndef MCP_MCP_H
#define MCP_MCP_H

#include "config/config.h"
#include "site/exchange.h"

/* endpoint.c: POST of the MCP endpoint. JSON-RPC errors are filled into the reply here; what it
 * returns as an error is about HTTP or the token, and the dispatcher answers, keeping the
 * WWW-Authenticate header that is then in the reply. (guard.h has the checks before the body.) */
enum rc mcp_post(struct exchange *x, struct err *e);
/* listen.c: GET of the MCP endpoint, the stream of notifications of the handshake revisions. */
enum rc mcp_get(struct exchange *x, struct err *e);
/* session.c: DELETE of the MCP endpoint, which ends a session of the handshake revisions. */
enum rc mcp_delete(struct exchange *x, struct err *e);

/* guard.c: may pages of this origin call the endpoint (ALLOWED_ORIGINS)? */
bool mcp_origin_is_allowed(const struct config *config, const char *origin);
/* task_watch.c: answers questions for news of tasks, which come at fd, until it is closed. */
void mcp_watch_tasks(struct site *site, int fd);

#endif
