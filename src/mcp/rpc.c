#include "mcp/rpc.h"

/* JSON-RPC 2.0 §5.1 and MCP 2026-07-28 "Error Codes". In the handshake versions an error that
 * answers a readable request is a successful POST; Streamable HTTP of 2026-07-28 names statuses. */
static const struct rpc_code {
    enum rc code;
    int stateless, stateless_status, handshake, handshake_status;
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

int rpc_error_status(enum rc code, enum mcp_protocol protocol) {
    const struct rpc_code *c = find(code);

    if (!c)
        return 500;
    return protocol == PROTOCOL_STATELESS ? c->stateless_status : c->handshake_status;
}

struct text rpc_result(struct arena *a, const struct json *id, struct text result) {
    struct text parts[] = {TEXT_LITERAL("{\"jsonrpc\":\"2.0\",\"id\":"),
                           {0},
                           TEXT_LITERAL(",\"result\":"),
                           result,
                           TEXT_LITERAL("}")};

    parts[1].p = json_text(a, id, &parts[1].len);
    return text_join(a, parts, sizeof parts / sizeof *parts);
}

struct text rpc_error(struct arena *a, const struct json *id, enum mcp_protocol protocol,
                      const struct err *e, struct json *data) {
    struct json *error = json_new_object(a), *answer = json_new_object(a);
    const struct rpc_code *c = find(e->code);
    struct text t;

    json_put_int(error, "code",
                 !c                               ? -32603
                 : protocol == PROTOCOL_STATELESS ? c->stateless
                                                  : c->handshake);
    json_put_str(error, "message", e->text);
    if (data)
        json_put(error, "data", data);
    json_put_str(answer, "jsonrpc", "2.0");
    if (id || protocol != PROTOCOL_STATELESS)
        json_put(answer, "id", (struct json *)(uintptr_t)id);
    json_put(answer, "error", error);
    t.p = json_text(a, answer, &t.len);
    return t;
}

struct json *rpc_notification(struct arena *a, const char *method, struct json *params) {
    struct json *message = json_new_object(a);

    json_put_str(message, "jsonrpc", "2.0");
    json_put_str(message, "method", method);
    json_put(message, "params", params);
    return message;
}
