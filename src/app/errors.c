#include "app/errors.h"

#include "mcp/rpc.h"
#include "metrics/metrics.h"
#include "oauth/site.h"
#include "pages/page.h"

#define RETRY_AFTER_S "5"

/* The name of each code in METRIC_DENIALS and in OAuth's replies, and its HTTP status; mcp/rpc.c
 * has the numbers of JSON-RPC. Without a status: never answered here; if it is, that is our bug. */
static const struct {
    const char *name;
    int status;
    const char *oauth;  /* NULL: the name; RFC 6749 §5.2 and §4.1.2.1, RFC 6750 §3.1, RFC 7009
                           §2.2.1, RFC 7591 §3.2.2, RFC 8707 §2 */
    const char *advice; /* on the page of the error; NULL: what pages/words.h says of the code */
} table[ERR_COUNT] = {
    [OK] = {.name = "none"},
    [ERR_INVALID_REQUEST] = {"invalid_request", 400, NULL, NULL},
    [ERR_NOT_FOUND] = {"not_found", 404, NULL, NULL},
    [ERR_MISDIRECTED] = {"misdirected", 421, "not_found", NULL},
    [ERR_METHOD_NOT_ALLOWED] = {"method_not_allowed", 405, NULL, NULL},
    [ERR_NOT_ACCEPTABLE] = {"not_acceptable", 406, "invalid_request", NULL},
    [ERR_TOO_LARGE] = {"too_large", 413, "invalid_request", NULL},
    [ERR_UNSUPPORTED_MEDIA_TYPE] = {"unsupported_media_type", 415, "invalid_request", NULL},
    [ERR_REFUSED] = {.name = "refused"},
    [ERR_ACCESS_DENIED] = {"access_denied", 403, NULL, NULL},
    [ERR_NO_TOKEN] = {"no_token", 401, "invalid_token", NULL},
    [ERR_INVALID_TOKEN] = {"invalid_token", 401, NULL, NULL},
    [ERR_INSUFFICIENT_SCOPE] = {"insufficient_scope", 403, NULL, NULL},
    /* RFC 6749 has no code for it; clients take this one for a failure that passes. */
    [ERR_RATE_LIMITED] = {"rate_limited", 429, "temporarily_unavailable", NULL},
    [ERR_FORBIDDEN_ORIGIN] = {"forbidden_origin", 403, "access_denied", NULL},
    [ERR_UPSTREAM] = {"upstream", 503, "temporarily_unavailable", NULL},
    [ERR_STORE] = {"store", 503, "temporarily_unavailable", NULL},
    [ERR_OVERLOADED] = {"overloaded", 503, "temporarily_unavailable", NULL},
    [ERR_MISCONFIGURED] = {"misconfigured", 500, "server_error", NULL},
    [ERR_INTERNAL] = {"internal", 500, "server_error", NULL},
    [ERR_CONFLICT] = {.name = "conflict"},
    [ERR_EXISTS] = {.name = "exists"},
    [ERR_MISSING] = {.name = "missing"},
    [ERR_INVALID_CLIENT] = {"invalid_client", 401, NULL, "advice.client"},
    [ERR_INVALID_REDIRECT_URI] = {"invalid_redirect_uri", 400, NULL, "advice.client"},
    [ERR_INVALID_GRANT] = {"invalid_grant", 400, NULL, NULL},
    [ERR_INVALID_SCOPE] = {"invalid_scope", 400, NULL, NULL},
    [ERR_INVALID_TARGET] = {"invalid_target", 400, NULL, NULL},
    [ERR_INVALID_CLIENT_METADATA] = {"invalid_client_metadata", 400, NULL, NULL},
    [ERR_UNSUPPORTED_TOKEN_TYPE] = {"unsupported_token_type", 400, NULL, NULL},
    [ERR_UNSUPPORTED_GRANT_TYPE] = {"unsupported_grant_type", 400, NULL, NULL},
    [ERR_UNSUPPORTED_RESPONSE_TYPE] = {"unsupported_response_type", 400, NULL, NULL},
    /* Answered in mcp/. */
    [ERR_RPC_PARSE] = {.name = "rpc_parse"},
    [ERR_RPC_INVALID_REQUEST] = {.name = "rpc_invalid_request"},
    [ERR_RPC_METHOD_NOT_FOUND] = {.name = "rpc_method_not_found"},
    [ERR_RPC_INVALID_PARAMS] = {.name = "rpc_invalid_params"},
    [ERR_RPC_HEADER_MISMATCH] = {.name = "rpc_header_mismatch"},
    [ERR_RPC_UNSUPPORTED_VERSION] = {.name = "rpc_unsupported_version"},
    [ERR_RPC_MISSING_CAPABILITY] = {.name = "rpc_missing_capability"},
    [ERR_RPC_RESOURCE_NOT_FOUND] = {.name = "rpc_resource_not_found"},
    [ERR_RPC_INTERNAL] = {.name = "rpc_internal"},
    [ERR_RPC_QUOTA] = {.name = "quota"},
    [ERR_RPC_URL_ELICITATION] = {.name = "rpc_url_elicitation"},
};

void errors_name_metrics(void) {
    const char *names[ERR_COUNT];

    for (unsigned i = 0; i < ERR_COUNT; i++)
        names[i] = table[i].name;
    metrics_name_reasons(names);
}

static void oauth_reply(struct exchange *x, enum rc code, const char *text) {
    struct json *o = json_new_object(x->rp->arena);
    struct reply *rp = x->rp;

    json_put_str(o, "error", table[code].oauth ? table[code].oauth : table[code].name);
    json_put_str(o, "error_description", text);
    reply_json(rp, table[code].status, o);
    reply_header(rp, "Cache-Control", "no-store");
    if (code == ERR_INVALID_CLIENT && request_header(x->rq, "authorization"))
        reply_header(rp, "WWW-Authenticate", "Basic realm=\"clients\""); /* RFC 6749 §5.2 */
}

/* Without an id: what fails before the message is read answers no message. */
static void rpc_reply(struct reply *rp, enum rc code, const struct err *e) {
    struct err shown = *e;
    struct text text;

    shown.code = table[code].status < 500 ? ERR_RPC_INVALID_REQUEST : ERR_RPC_INTERNAL;
    text = rpc_error(rp->arena, NULL, PROTOCOL_STATELESS, &shown, NULL);
    rp->status = table[code].status;
    rp->body = text.p;
    rp->body_len = text.len;
    reply_header(rp, "Content-Type", "application/json");
}

static void page_reply_of(struct exchange *x, int status, const struct err *e) {
    struct err shown = *e;

    if (!shown.advice && e->code > OK && e->code < ERR_COUNT)
        shown.advice = table[e->code].advice;
    page_error(x->site->oauth->pages, x->rq, x->rp,
               &(struct page_problem){status == 401 ? 400 : status, &shown, "", ""});
}

void error_reply(struct exchange *x, enum error_style style, const struct err *e) {
    bool known = e->code > OK && e->code < ERR_COUNT && table[e->code].status;
    enum rc code = known ? e->code : ERR_INTERNAL;
    int status = table[code].status;

    if (status == 503)
        reply_header(x->rp, "Retry-After", RETRY_AFTER_S);
    switch (style) {
    case STYLE_OAUTH:
        oauth_reply(x, code, e->text);
        break;
    case STYLE_RPC:
        rpc_reply(x->rp, code, e);
        break;
    case STYLE_PAGE: /* 401 would make a browser ask for a password */
        page_reply_of(x, status, e);
        break;
    }
}
