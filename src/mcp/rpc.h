/* JSON-RPC 2.0 as MCP uses it: reading a message, writing an answer, and the table that gives each
 * of our error codes its number and its HTTP status. */
#ifndef MCP_RPC_H
#define MCP_RPC_H

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include <stdbool.h>
#include <stddef.h>

/* A text of known length, in an arena. */
struct text {
    const char *p;
    size_t len;
};

/* The two ways MCP is spoken at one address. Values are bits, so that a table can name both. */
enum mcp_era {
    ERA_HANDSHAKE = 1, /* 2024-11-05 to 2025-11-25: opened by `initialize` */
    ERA_MODERN = 2,    /* 2026-07-28: each request says everything about itself */
};

enum rpc_kind { RPC_REQUEST, RPC_NOTIFICATION, RPC_RESPONSE };

struct rpc_message {
    enum rpc_kind kind;
    struct json *id;     /* NULL if there is none that could be echoed */
    const char *method;  /* NULL for a response */
    struct json *params; /* an object, or NULL */
};

/* Reads one message. ERR_RPC_INVALID_REQUEST with the reason if it is not one; out->id is set even
 * then, if it could be read, because an error must carry it. */
enum rc rpc_read(struct json *v, struct rpc_message *out, struct err *e) MUST_USE;

/* An answer. `result` is the text of the result. */
struct text rpc_result(struct arena *a, const struct json *id, struct text result);
/* An error. Without an id, the modern era leaves the member out and the others send null, as
 * their schemas have it. `data` may be NULL. */
struct text rpc_error(struct arena *a, const struct json *id, enum mcp_era era, const struct err *e,
                      struct json *data);

/* The HTTP status that goes with an error. */
int rpc_error_status(enum rc code, enum mcp_era era);
/* Is it an error that is answered in JSON-RPC form here, not by the dispatcher? */
bool rpc_is_error(enum rc code);

/* Client text that may stand in an error message: ASCII, and not long. */
const char *rpc_quotable(struct arena *a, const char *s);

#endif
