/* POST of the MCP endpoint: from the token to the answer. */
#ifndef MCP_ENDPOINT_H
#define MCP_ENDPOINT_H

#include "site/exchange.h"

/* JSON-RPC errors are filled into the reply here; what it returns as an error is about HTTP or the
 * token, and the dispatcher answers, keeping the WWW-Authenticate header that is then in the reply.
 */
enum rc mcp_post(struct exchange *x, struct err *e);

#endif
