#include "mcp/rpc.h"

#include <stdint.h>
#include <string.h>

#define QUOTE_MAX 80 /* bytes of client text in an error message */

/* JSON-RPC 2.0 §5.1 and MCP 2026-07-28 "Error Codes". In the handshake revisions an error that
 * answers a readable request is a successful POST; Streamable HTTP of 2026-07-28 names statuses. */
static const struct rpc_code {
    enum rc code;
    int modern, modern_status, handshake, handshake_status;
} codes[] = {
    {ERR_RPC_PARSE, -32700, 400, -32700, 400},
    {ERR_RPC_INVALID_REQUEST, -32600, 400, -32600, 400},
    {ERR_RPC_METHOD_NOT_FOUND, -32601, 404, -32601, 200},
    {ERR_RPC_INVALID_PARAMS, -32602, 200, -32602, 200},
    {ERR_RPC_HEADER_MISMATCH, -32020, 400, -32020, 400},
    {ERR_RPC_MISSING_CAPABILITY, -32021, 400, -32600, 200},
    {ERR_RPC_UNSUPPORTED_VERSION, -32022, 400, -32022, 400},
    {ERR_RPC_RESOURCE_NOT_FOUND, -32602, 200, -32002, 200},
    {ERR_RPC_INTERNAL, -32603, 200, -32603, 200},
};

static const struct rpc_code *find(enum rc code) {
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (codes[i].code == code)
            return &codes[i];
    return NULL;
}

bool rpc_is_error(enum rc code) {
    return find(code) != NULL;
}

int rpc_error_status(enum rc code, enum mcp_era era) {
    const struct rpc_code *c = find(code);

    if (!c)
        return 500;
    return era == ERA_MODERN ? c->modern_status : c->handshake_status;
}

/* A string or an integer, never null ("Requests" in the overview of every revision). An integer
 * that does not fit 64 bits would come back as another one, so it is refused. */
static bool is_id(const struct json *v) {
    int64_t n;

    if (json_is_string(v))
        return true;
    return json_int(v, &n) && n != INT64_MAX && n != INT64_MIN;
}

static bool is_response(const struct json *v) {
    return json_get(v, "result") || json_get(v, "error") ||
           (!json_get(v, "method") && (json_has(v, "result") || json_has(v, "error")));
}

static enum rc read_response(struct json *v, struct rpc_message *out, struct err *e) {
    const struct json *error = json_get(v, "error");
    bool has_result = json_get(v, "result") || (json_has(v, "result") && !error);

    if (json_get(v, "method"))
        return err_set(e, ERR_RPC_INVALID_REQUEST,
                       "Invalid request: a message has either a method, a result or an error");
    if (has_result == (error != NULL) || (error && !json_is_object(error)))
        return err_set(e, ERR_RPC_INVALID_REQUEST,
                       "Invalid request: a response has a result or an error object");
    if (!out->id && has_result)
        return err_set(e, ERR_RPC_INVALID_REQUEST, "Invalid request: a result needs an id");
    out->kind = RPC_RESPONSE;
    return OK;
}

enum rc rpc_read(struct json *v, struct rpc_message *out, struct err *e) {
    struct json *params;
    const char *version;

    *out = (struct rpc_message){.kind = RPC_REQUEST};
    if (!json_is_object(v))
        return err_set(e, ERR_RPC_INVALID_REQUEST, "Invalid request: not a JSON object");
    if (is_id(json_get(v, "id")))
        out->id = json_get(v, "id");
    version = json_get_str(v, "jsonrpc");
    if (!version || strcmp(version, "2.0") != 0)
        return err_set(e, ERR_RPC_INVALID_REQUEST, "Invalid request: jsonrpc must be \"2.0\"");
    if (json_get(v, "id") && !out->id && !json_get(v, "error"))
        return err_set(e, ERR_RPC_INVALID_REQUEST,
                       "Invalid request: the id must be a string or an integer");
    if (is_response(v))
        return read_response(v, out, e);
    out->method = json_get_str(v, "method");
    if (!out->method)
        return err_set(e, ERR_RPC_INVALID_REQUEST, "Invalid request: the method must be a string");
    params = json_get(v, "params");
    if (params && !json_is_object(params))
        return err_set(e, ERR_RPC_INVALID_REQUEST, "Invalid request: params must be an object");
    out->params = params;
    out->kind = out->id ? RPC_REQUEST : RPC_NOTIFICATION;
    return OK;
}

/* One allocation of the exact size: results can be large. */
static struct text join(struct arena *a, const struct text *parts, size_t count) {
    size_t len = 0;
    char *p, *start;

    for (size_t i = 0; i < count; i++)
        len += parts[i].len;
    start = p = arena_alloc(a, len + 1);
    for (size_t i = 0; i < count; i++) {
        memcpy(p, parts[i].p, parts[i].len);
        p += parts[i].len;
    }
    return (struct text){start, len};
}

#define LITERAL(s) ((struct text){(s), sizeof(s) - 1})

struct text rpc_result(struct arena *a, const struct json *id, struct text result) {
    struct text parts[] = {LITERAL("{\"jsonrpc\":\"2.0\",\"id\":"),
                           {0},
                           LITERAL(",\"result\":"),
                           result,
                           LITERAL("}")};

    parts[1].p = json_text(a, id, &parts[1].len);
    return join(a, parts, sizeof parts / sizeof *parts);
}

struct text rpc_error(struct arena *a, const struct json *id, enum mcp_era era, const struct err *e,
                      struct json *data) {
    struct json *error = json_new_object(a), *answer = json_new_object(a);
    const struct rpc_code *c = find(e->code);
    struct text t;

    json_put_int(error, "code", !c ? -32603 : era == ERA_MODERN ? c->modern : c->handshake);
    json_put_str(error, "message", e->text);
    if (data)
        json_put(error, "data", data);
    json_put_str(answer, "jsonrpc", "2.0");
    if (id || era != ERA_MODERN)
        json_put(answer, "id", (struct json *)(uintptr_t)id);
    json_put(answer, "error", error);
    t.p = json_text(a, answer, &t.len);
    return t;
}

const char *rpc_quotable(struct arena *a, const char *s) {
    size_t len = strlen(s);
    char *copy = arena_strndup(a, s, len < QUOTE_MAX ? len : QUOTE_MAX);

    for (char *p = copy; *p; p++)
        if ((unsigned char)*p < ' ' || (unsigned char)*p > '~')
            *p = '?';
    return copy;
}
