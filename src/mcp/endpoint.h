/* The MCP endpoint. POST checks the token, reads the message, calls its method, sends the
 * answer. */
#pragma once

#include "site/exchange.h"

/* Writes JSON-RPC errors into the reply. Errors of HTTP or the token are returned: the dispatcher
 * answers them, with the WWW-Authenticate header that is in the reply. */
enum rc mcp_post(struct exchange *x, struct err *e);
/* GET: get.c. */
enum rc mcp_get(struct exchange *x, struct err *e);
