#include "mcp/rpc.h"

/* The JSON-RPC codes (JSON-RPC 2.0 §5.1, MCP 2026-07-28 "Error Codes") and HTTP statuses. In the
 * handshake versions the error of a request that could be read has the status 200; Streamable HTTP
 * of 2026-07-28 has other statuses. */
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
    {ERR_RPC_QUOTA, -32603, 200, -32603, 200},
    {ERR_RPC_URL_ELICITATION, -32603, 200, -32042, 200},
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
    const struct text parts[] = {TEXT_LITERAL("{\"jsonrpc\":\"2.0\",\"id\":"), json_as_text(a, id),
                                 TEXT_LITERAL(",\"result\":"), result, TEXT_LITERAL("}")};

    return text_join(a, parts, sizeof parts / sizeof *parts);
}

struct text rpc_error(struct arena *a, const struct json *id, enum mcp_protocol protocol,
                      const struct err *e, struct json *data) {
    struct json *error = json_new_object(a), *answer = json_new_object(a);
    const struct rpc_code *c = find(e->code);

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
    return json_as_text(a, answer);
}

struct json *rpc_notification(struct arena *a, const char *method, struct json *params) {
    struct json *message = json_new_object(a);

    json_put_str(message, "jsonrpc", "2.0");
    json_put_str(message, "method", method);
    json_put(message, "params", params);
    return message;
}

/* A string or an integer, never null ("Requests" in the overview of every version). An integer
 * that does not fit 64 bits would come back as another one, so it is refused. */
static bool is_id(const struct json *v) {
    int64_t n;

    if (json_is_string(v))
        return true;
    return json_int(v, &n) && n != INT64_MAX && n != INT64_MIN;
}

static enum rc read_response(struct json *v, struct mcp_message *out, struct err *e) {
    const struct json *error = json_get(v, "error");
    bool has_result = json_get(v, "result") || (json_has(v, "result") && !error);

    if (json_get(v, "method"))
        return rpc_invalid_request(e, "a message has either a method, a result or an error");
    if (has_result == (error != NULL) || (error && !json_is_object(error)))
        return rpc_invalid_request(e, "a response has a result or an error object");
    if (!out->id && has_result)
        return rpc_invalid_request(e, "a result needs an id");
    out->kind = MCP_RESPONSE;
    return OK;
}

static enum rc read_request(struct json *v, struct mcp_message *out, struct err *e) {
    struct json *params = json_get(v, "params");

    out->method = json_get_str(v, "method");
    if (!out->method)
        return rpc_invalid_request(e, "the method must be a string");
    if (params && !json_is_object(params))
        return rpc_invalid_request(e, "params must be an object");
    out->params = params;
    out->kind = out->id ? MCP_REQUEST : MCP_NOTIFICATION;
    return OK;
}

enum rc mcp_message_read(struct json *v, struct mcp_message *out, struct err *e) {
    out->kind = MCP_REQUEST;
    out->id = out->params = NULL;
    out->method = NULL;
    if (!json_is_object(v))
        return rpc_invalid_request(e, "not a JSON object");
    if (is_id(json_get(v, "id")))
        out->id = json_get(v, "id");
    if (!json_get_is(v, "jsonrpc", "2.0"))
        return rpc_invalid_request(e, "jsonrpc must be \"2.0\"");
    if (json_get(v, "id") && !out->id && !json_get(v, "error"))
        return rpc_invalid_request(e, "the id must be a string or an integer");
    if (json_get(v, "result") || json_get(v, "error") ||
        (!json_get(v, "method") && (json_has(v, "result") || json_has(v, "error"))))
        return read_response(v, out, e);
    return read_request(v, out, e);
}
