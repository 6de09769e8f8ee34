/* One message on its way through the endpoint: what a method is given, and what it answers. */
#ifndef MCP_CALL_H
#define MCP_CALL_H

#include "config/config.h"
#include "idp/access_token.h"
#include "mcp/answer.h"
#include "mcp/cancel.h"
#include "mcp/client.h"
#include "mcp/message.h"
#include "mcp/method.h"
#include "mcp/stream.h"
#include "site/exchange.h"

struct mcp_call {
    struct exchange *x;
    struct arena *arena; /* of what is made for the call */
    struct mcp_message msg;
    const struct mcp_method *method; /* NULL: a message that needs no answer */
    struct mcp_client client;
    struct mcp_stream stream;
    struct mcp_cancel cancel;
    struct mcp_answer answer;
};

#endif
