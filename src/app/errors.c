#include "app/errors.h"

#include "pages/page.h"

#define RETRY_AFTER_S "5"

static const struct {
    int status;
    const char *oauth; /* RFC 6749 §5.2 and §4.1.2.1, RFC 6750 §3.1, RFC 7009 §2.2.1, RFC 7591
                          §3.2.2, RFC 8707 §2 */
    int rpc;           /* JSON-RPC 2.0 §5.1; MCP basic/index "Error Codes" */
} table[ERR_COUNT] = {
    /* codes that are not here never get here: that would be our bug */
    [ERR_INVALID_REQUEST] = {400, "invalid_request", -32600},
    [ERR_INVALID_CLIENT] = {401, "invalid_client", -32600},
    [ERR_INVALID_REDIRECT_URI] = {400, "invalid_redirect_uri", -32600},
    [ERR_INVALID_CLIENT_METADATA] = {400, "invalid_client_metadata", -32600},
    [ERR_UNSUPPORTED_TOKEN_TYPE] = {400, "unsupported_token_type", -32600},
    [ERR_INVALID_GRANT] = {400, "invalid_grant", -32600},
    [ERR_INVALID_SCOPE] = {400, "invalid_scope", -32600},
    [ERR_INVALID_TARGET] = {400, "invalid_target", -32600},
    [ERR_UNSUPPORTED_GRANT_TYPE] = {400, "unsupported_grant_type", -32600},
    [ERR_UNSUPPORTED_RESPONSE_TYPE] = {400, "unsupported_response_type", -32600},
    [ERR_NOT_FOUND] = {404, "not_found", -32600},
    [ERR_METHOD_NOT_ALLOWED] = {405, "method_not_allowed", -32600},
    [ERR_TOO_LARGE] = {413, "invalid_request", -32600},
    [ERR_UNSUPPORTED_MEDIA_TYPE] = {415, "invalid_request", -32600},
    [ERR_NOT_ACCEPTABLE] = {406, "invalid_request", -32600},
    [ERR_ACCESS_DENIED] = {403, "access_denied", -32600},
    [ERR_NO_TOKEN] = {401, "invalid_token", -32600},
    [ERR_INVALID_TOKEN] = {401, "invalid_token", -32600},
    [ERR_INSUFFICIENT_SCOPE] = {403, "insufficient_scope", -32600},
    /* RFC 6749 has no word for it; clients know this one as something that passes. */
    [ERR_RATE_LIMITED] = {429, "temporarily_unavailable", -32600},
    [ERR_FORBIDDEN_ORIGIN] = {403, "access_denied", -32600},
    [ERR_UPSTREAM] = {503, "temporarily_unavailable", -32603},
    [ERR_STORE] = {503, "temporarily_unavailable", -32603},
    [ERR_MISCONFIGURED] = {500, "server_error", -32603},
    [ERR_INTERNAL] = {500, "server_error", -32603},
};

static void oauth_reply(struct reply *rp, enum rc code, const char *text) {
    struct json *o = json_new_object(rp->arena);

    json_put_str(o, "error", table[code].oauth);
    json_put_str(o, "error_description", text);
    reply_json(rp, table[code].status, o);
    reply_header(rp, "Cache-Control", "no-store");
}

/* Without an id: what fails before the message is read answers no message. */
static void rpc_reply(struct reply *rp, enum rc code, const char *text) {
    struct json *o = json_new_object(rp->arena), *error = json_new_object(rp->arena);

    json_put_str(o, "jsonrpc", "2.0");
    json_put_int(error, "code", table[code].rpc);
    json_put_str(error, "message", text);
    json_put(o, "error", error);
    reply_json(rp, table[code].status, o);
}

void error_reply(const struct page_set *pages, struct reply *rp, const struct request *rq,
                 enum error_style style, const struct err *e) {
    bool known = e->code > OK && e->code < ERR_COUNT && table[e->code].status;
    enum rc code = known ? e->code : ERR_INTERNAL;
    int status = table[code].status;

    if (status == 503)
        reply_header(rp, "Retry-After", RETRY_AFTER_S);
    switch (style) {
    case STYLE_OAUTH:
        oauth_reply(rp, code, e->text);
        break;
    case STYLE_RPC:
        rpc_reply(rp, code, e->text);
        break;
    case STYLE_PAGE: /* 401 would make a browser ask for a password */
        page_error(pages, rq, rp, status == 401 ? 400 : status, e, "", "");
        break;
    }
}
