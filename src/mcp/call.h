/* One message on its way through the MCP room: everything that a method may need to know, and what
 * it answers. */
#ifndef MCP_CALL_H
#define MCP_CALL_H

#include "config/config.h"
#include "idp/access_token.h"
#include "mcp/answer.h"
#include "mcp/cancel.h"
#include "mcp/client.h"
#include "mcp/mcp.h"
#include "mcp/message.h"
#include "mcp/method.h"
#include "mcp/rpc.h"
#include "mcp/stream.h"
#include "site/exchange.h"

#define MCP_VERSION_MODERN "2026-07-28"
#define MCP_VERSION_HANDSHAKE "2025-11-25" /* the latest of its kind: what we offer */
#define MCP_VERSION_BATCHES                                                                        \
    "2025-03-26" /* the only one with batches, and the one without a                               \
                    version header */

#define META_VERSION "io.modelcontextprotocol/protocolVersion"
#define META_CLIENT_CAPABILITIES "io.modelcontextprotocol/clientCapabilities"
#define META_CLIENT_INFO "io.modelcontextprotocol/clientInfo"
#define META_LOG_LEVEL "io.modelcontextprotocol/logLevel"

struct mcp_call {
    struct exchange *x;
    struct arena *arena;
    struct mcp_message msg;
    const struct mcp_method *method; /* NULL: a message that needs no answer */
    struct mcp_client client;
    struct mcp_stream stream;
    struct mcp_cancel cancel;
    struct mcp_answer answer;
};

/* methods.c: NULL if the protocol version has no such method. */
const struct mcp_method *mcp_method_find(const char *name, enum mcp_protocol protocol);

/* protocol_version.c: settles c->msg.protocol and c->msg.version from the header and the message;
 * refuses what does not fit together. The whole _meta of a stateless message is checked here. */
enum rc mcp_version_settle(struct mcp_call *c, struct err *e) MUST_USE;
/* What the header alone says, for answers to what cannot be read. */
enum mcp_protocol mcp_version_of_header(const struct request *rq);
/* Does the header allow a batch? Only 2025-03-26 has them. */
bool mcp_version_has_batches(const struct request *rq);

bool mcp_version_is_handshake_version(const char *version);

/* accept.c: does the Accept header allow this media type? An absent header allows all. */
bool mcp_accepts(const struct request *rq, const char *type);
/* Would the client rather have a stream of events than JSON? */
bool mcp_prefers_stream(const struct request *rq);

/* session.c */
mcp_method_fn mcp_set_level;
/* listen.c */
mcp_method_fn mcp_listen, mcp_subscribe, mcp_unsubscribe;

#endif
