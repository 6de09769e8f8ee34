#include "mcp/message.h"

#include "mcp/rpc_codes.h"

/* A string or an integer, never null ("Requests" in the overview of every version). An integer
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

static enum rc read_response(struct json *v, struct mcp_message *out, struct err *e) {
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
    out->kind = MCP_RESPONSE;
    return OK;
}

static enum rc read_request(struct json *v, struct mcp_message *out, struct err *e) {
    struct json *params = json_get(v, "params");

    out->method = json_get_str(v, "method");
    if (!out->method)
        return err_set(e, ERR_RPC_INVALID_REQUEST, "Invalid request: the method must be a string");
    if (params && !json_is_object(params))
        return err_set(e, ERR_RPC_INVALID_REQUEST, "Invalid request: params must be an object");
    out->params = params;
    out->kind = out->id ? MCP_REQUEST : MCP_NOTIFICATION;
    return OK;
}

enum rc mcp_message_read(struct json *v, struct mcp_message *out, struct err *e) {
    const char *version;

    out->kind = MCP_REQUEST;
    out->id = out->params = NULL;
    out->method = NULL;
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
    return is_response(v) ? read_response(v, out, e) : read_request(v, out, e);
}
