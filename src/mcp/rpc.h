/* JSON-RPC 2.0 as MCP uses it: answers, and the table of each error code's number and HTTP status.
 */
#pragma once

#include "base/base.h"
#include "base/json.h"
#include "base/text.h"
#include "catalog/protocol.h"
#include "mcp/rpc_codes.h"

/* An answer. `result` is the text of the result. */
struct text rpc_result(struct arena *a, const struct json *id, struct text result);
/* An error. Without an id, PROTOCOL_STATELESS leaves the member out and PROTOCOL_HANDSHAKE sends
 * null, as their schemas have it. `data` may be NULL. */
struct text rpc_error(struct arena *a, const struct json *id, enum mcp_protocol protocol,
                      const struct err *e, struct json *data);

struct json *rpc_notification(struct arena *a, const char *method, struct json *params);

/* The HTTP status that goes with an error. */
int rpc_error_status(enum rc code, enum mcp_protocol protocol);
/* Is it an error that is answered in JSON-RPC form here, not by the dispatcher? */
bool rpc_is_error(enum rc code);
