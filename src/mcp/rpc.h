/* JSON-RPC 2.0 as MCP uses it: reads and writes messages. Its error codes are added to those of
 * base/err.h; rpc.c has their numbers and HTTP statuses. */
#pragma once

#include "base/json.h"
#include "catalog/protocol.h"

/* The codes behind the 12 of OAuth (oauth/site.h). */
#define RPC_CODE(n) ((enum rc)(ERR_PROTOCOL + 12 + (n)))
#define ERR_RPC_PARSE RPC_CODE(0)
#define ERR_RPC_INVALID_REQUEST RPC_CODE(1)
#define ERR_RPC_METHOD_NOT_FOUND RPC_CODE(2)
#define ERR_RPC_INVALID_PARAMS RPC_CODE(3)
#define ERR_RPC_HEADER_MISMATCH RPC_CODE(4)
#define ERR_RPC_UNSUPPORTED_VERSION RPC_CODE(5)
#define ERR_RPC_MISSING_CAPABILITY RPC_CODE(6)
#define ERR_RPC_RESOURCE_NOT_FOUND RPC_CODE(7)
#define ERR_RPC_INTERNAL RPC_CODE(8) /* a program or this server failed */
#define ERR_RPC_QUOTA RPC_CODE(9) /* there are no calls left today: JSON-RPC has no code for it */
#define ERR_RPC_URL_ELICITATION RPC_CODE(10) /* the user has to visit a page first (2025-11-25) */

/* As err_set, for a code that has a text of its own. */
#define rpc_invalid_request(e, ...)                                                                \
    err_set(e, ERR_RPC_INVALID_REQUEST, "Invalid request: " __VA_ARGS__)
#define rpc_invalid_params(e, ...)                                                                 \
    err_set(e, ERR_RPC_INVALID_PARAMS, "Invalid params: " __VA_ARGS__)
#define rpc_header_mismatch(e, ...)                                                                \
    err_set(e, ERR_RPC_HEADER_MISMATCH, "Header mismatch: " __VA_ARGS__)
#define rpc_internal(e, ...) err_set(e, ERR_RPC_INTERNAL, "Internal error: " __VA_ARGS__)

enum mcp_message_kind { MCP_REQUEST, MCP_NOTIFICATION, MCP_RESPONSE };

struct mcp_message {
    enum mcp_message_kind kind;
    struct json *id;     /* NULL if there is none that could be repeated in an answer */
    const char *method;  /* NULL for a response */
    struct json *params; /* an object, or NULL */
    /* Set by mcp_version_determine. */
    enum mcp_protocol protocol;
    const char *version; /* such as "2025-11-25" */
    bool in_batch;
};

/* Reads kind, id, method and params (JSON-RPC 2.0 §4). ERR_RPC_INVALID_REQUEST with the reason if
 * it is not a message; out->id is set even then, if it can be read: the error repeats it. */
enum rc mcp_message_read(struct json *v, struct mcp_message *out, struct err *e) MUST_USE;

/* An answer. `result` is the text of the result. */
struct text rpc_result(struct arena *a, const struct json *id, struct text result);
/* An error. Without an id, PROTOCOL_STATELESS leaves the member out and PROTOCOL_HANDSHAKE sends
 * null, as their schemas have it. `data` may be NULL. */
struct text rpc_error(struct arena *a, const struct json *id, enum mcp_protocol protocol,
                      const struct err *e, struct json *data);

struct json *rpc_notification(struct arena *a, const char *method, struct json *params);

/* The HTTP status that goes with an error. */
int rpc_error_status(enum rc code, enum mcp_protocol protocol);
/* Has the error a JSON-RPC code? Otherwise the dispatcher answers it. */
bool rpc_is_error(enum rc code);
