/* Which protocol version a message follows: 2026-07-28 (stateless), or one with a handshake:
 * 2024-11-05 (over Streamable HTTP, which is newer), 2025-03-26, 2025-06-18 and 2025-11-25. */
#pragma once

#include "base/base.h"
#include "catalog/protocol.h"
#include "web/request.h"

struct mcp_call;

#define MCP_VERSION_STATELESS "2026-07-28"
#define MCP_VERSION_HANDSHAKE "2025-11-25" /* the latest of its kind, which is offered */
#define MCP_VERSION_BATCHES "2025-03-26"   /* the only one with batches */

#define META_VERSION "io.modelcontextprotocol/protocolVersion"
#define META_CLIENT_CAPABILITIES "io.modelcontextprotocol/clientCapabilities"
#define META_CLIENT_INFO "io.modelcontextprotocol/clientInfo"
#define META_LOG_LEVEL "io.modelcontextprotocol/logLevel"

/* Settles c->msg.protocol and c->msg.version from the header and the message. A message whose _meta
 * names a version is stateless whatever its headers say, and then both must agree. The whole _meta
 * of a stateless request is checked here. */
enum rc mcp_version_settle(struct mcp_call *c, struct err *e) MUST_USE;
/* From the header alone, for answers to messages that cannot be read. */
enum mcp_protocol mcp_version_of_header(const struct request *rq);
/* Does the header allow a batch? */
bool mcp_version_has_batches(const struct request *rq);

bool mcp_version_is_handshake_version(const char *version);
