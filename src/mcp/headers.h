/* What the headers of a request say: its protocol version, which media types are accepted, and
 * which parts of the message they repeat. */
#pragma once

#include "base/text.h"
#include "catalog/protocol.h"
#include "web/request.h"

struct mcp_call;

/* The value of a header without white space around it (RFC 9110 §5.5), or NULL. */
const char *mcp_header(const struct request *rq, const char *name);

/* Decodes `=?base64?…?=` ("Value Encoding"); copies any other value. False for invalid base64, and
 * for bytes that a field value must not have. */
bool mcp_header_decode(struct arena *a, const char *value, struct text *out) MUST_USE;

/* Headers that repeat parts of a message of 2026-07-28 (Streamable HTTP, "Request Metadata"):
 * proxies may route by them, so they must agree with what is executed. A request needs
 * Mcp-Method, and Mcp-Name if the member of params that it repeats is present. */
enum rc mcp_headers_check(const struct mcp_call *c, struct err *e) MUST_USE;

/* Does the Accept header allow this media type? An absent header allows all. */
bool mcp_accepts(const struct request *rq, const char *type);
/* Does the client prefer a stream of events to JSON? */
bool mcp_prefers_stream(const struct request *rq);

/* Which protocol version a message follows: 2026-07-28 (stateless), or one with a handshake:
 * 2024-11-05 (over Streamable HTTP, which is newer), 2025-03-26, 2025-06-18 and 2025-11-25. */
#define MCP_VERSION_STATELESS "2026-07-28"
#define MCP_VERSION_HANDSHAKE "2025-11-25" /* the latest with a handshake; offered to clients */
#define MCP_VERSION_BATCHES "2025-03-26"   /* the only one with batches */

#define META_VERSION "io.modelcontextprotocol/protocolVersion"
#define META_CLIENT_CAPABILITIES "io.modelcontextprotocol/clientCapabilities"
#define META_CLIENT_INFO "io.modelcontextprotocol/clientInfo"
#define META_LOG_LEVEL "io.modelcontextprotocol/logLevel"

/* Determines c->msg.protocol and c->msg.version from the header and the message. A message whose
 * _meta names a version is stateless whatever its headers say, and then both must agree. The whole
 * _meta of a stateless request is checked here. */
enum rc mcp_version_determine(struct mcp_call *c, struct err *e) MUST_USE;
/* The protocol by the header alone, for answers to messages that cannot be read. */
enum mcp_protocol mcp_protocol_of_header(const struct request *rq);
/* Does the protocol version of the header allow a batch? */
bool mcp_batch_is_allowed(const struct request *rq);

/* Is it a supported version with a handshake? */
bool mcp_version_has_handshake(const char *version);
