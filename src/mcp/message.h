/* A received message: its kind, and the protocol version that it follows. */
#pragma once

#include "base/base.h"
#include "base/json.h"
#include "catalog/protocol.h"

enum mcp_message_kind { MCP_REQUEST, MCP_NOTIFICATION, MCP_RESPONSE };

struct mcp_message {
    enum mcp_message_kind kind;
    struct json *id;     /* NULL if there is none that could be repeated in an answer */
    const char *method;  /* NULL for a response */
    struct json *params; /* an object, or NULL */
    /* Set by protocol_version.h. */
    enum mcp_protocol protocol;
    const char *version; /* such as "2025-11-25" */
    bool in_batch;
};

/* Reads kind, id, method and params (JSON-RPC 2.0 §4). ERR_RPC_INVALID_REQUEST with the reason if
 * it is not a message; out->id is set even then, if it can be read, because the error repeats it.
 */
enum rc mcp_message_read(struct json *v, struct mcp_message *out, struct err *e) MUST_USE;
