#include "mcp/bearer_auth.h"

#include <strings.h>

#include "access/revoked.h"
#include "base/base.h"
#include "base/text.h"
#include "base/url.h"
#include "config/config.h"
#include "idp/access_token.h"
#include "idp/idp.h"
#include "mcp/call.h"
#include "metrics/metrics.h"

#define CHALLENGE_MAX 4096 /* bytes of a WWW-Authenticate value */

/* RFC 6454 §6.2: visible ASCII. Web servers accept more, such as a tab, which must not be repeated
 * in a response header. */
static bool is_serialized_origin(const char *origin) {
    for (const char *p = origin; *p; p++)
        if (*p <= ' ' || *p > '~')
            return false;
    return *origin != 0;
}

bool mcp_origin_is_allowed(const struct config *config, const char *origin) {
    return is_serialized_origin(origin) &&
           (!strcmp(origin, config->mcp_origin) || list_has(config->allowed_origins, "*") ||
            list_has(config->allowed_origins, origin));
}

/* Streamable HTTP "Security": an Origin must be allowed, so that a page of another site cannot
 * reach this server through a user's browser. */
static enum rc check_origin(const struct config *config, const struct request *rq, struct err *e) {
    const char *origin = request_header(rq, "origin");

    if (!origin || mcp_origin_is_allowed(config, origin))
        return OK;
    return err_set(e, ERR_FORBIDDEN_ORIGIN, "requests from this origin are not allowed");
}

/* RFC 6750 §2.1: b64token. */
static size_t b64token_len(const char *s) {
    size_t n = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/");

    return n ? n + strspn(s + n, "=") : 0;
}

/* The text after `Bearer` in the Authorization header; "" if there is no such header. */
static const char *bearer_credentials(const struct request *rq) {
    const char *value = request_header(rq, "authorization");

    value = value ? value + strspn(value, " \t") : "";
    if (strncasecmp(value, "Bearer", 6) != 0 || (value[6] && value[6] != ' ' && value[6] != '\t'))
        return "";
    return value + 6 + strspn(value + 6, " \t");
}

/* The token of `Authorization: Bearer …` (RFC 6750 §2.1; MCP forbids the query). Two such headers
 * arrive joined by a comma, and are refused. */
static enum rc bearer_token(const struct request *rq, const char **token, struct err *e) {
    const char *value = bearer_credentials(rq);
    size_t len = b64token_len(value);

    if (!*value)
        return err_set(e, ERR_NO_TOKEN, "a bearer token is required");
    if (!len || value[len + strspn(value + len, " \t")])
        return err_set(e, ERR_INVALID_TOKEN, "the Authorization header is malformed");
    if (len > TOKEN_LEN_MAX)
        return err_set(e, ERR_INVALID_TOKEN, "the token is too long");
    *token = value[len] ? arena_strndup(rq->arena, value, len) : value;
    return OK;
}

/* RFC 7235 §2.2 quoted-string; characters that could end or split it are left out. */
static void add_param(struct buf *b, const char *name, const char *value) {
    buf_addf(b, "%s%s=\"", b->len > sizeof "Bearer" - 1 ? ", " : " ", name);
    for (; *value; value++)
        if (*value >= ' ' && *value <= '~' && *value != '"' && *value != '\\')
            buf_addc(b, *value);
    buf_addc(b, '"');
}

/* RFC 6750 §3, RFC 9728 §5.1. `error` is NULL when no token was given (RFC 6750 §3.1). */
static void challenge(const struct config *config, struct reply *rp, const char *scopes,
                      const char *error, const struct err *e) {
    struct buf b;

    buf_init(&b, rp->arena, CHALLENGE_MAX);
    buf_adds(&b, "Bearer");
    if (error)
        add_param(&b, "error", error);
    if (error)
        add_param(&b, "error_description", e->text);
    add_param(&b, "resource_metadata", config->prm_uri);
    if (*scopes)
        add_param(&b, "scope", scopes);
    reply_header(rp, "WWW-Authenticate", b.p);
}

/* Checks signature and claims of a token that is not in this worker's cache. */
static enum rc verify(struct site *site, struct arena *a, const char *token,
                      const struct token_claims **claims, struct err *e) {
    const struct token_claims *fresh =
        idp_verify(site->idp, a, token, site->config->mcp_server_uri, e);

    if (!fresh)
        return e->code;
    token_cache_put(site->mcp->tokens, token, fresh);
    *claims = fresh;
    return OK;
}

bool bearer_is_denied(const struct deny_list *deny, const struct token_claims *claims) {
    return deny_has_subject(deny, claims->sub) || deny_has_subject(deny, claims->username) ||
           deny_has_issued(deny, claims->iat);
}

static enum rc check_token(struct exchange *x, const struct token_claims **claims, struct err *e) {
    const char *token = NULL;
    enum rc rc = bearer_token(x->rq, &token, e);

    if (rc)
        return rc;
    /* *claims is valid until the next token_cache_put; a request calls that at most once, in
     * verify(). */
    *claims = token_cache_get(x->site->mcp->tokens, token, clock_now_s(&x->site->clock));
    metrics_count(METRIC_TOKEN_CACHE, *claims ? CACHE_HIT : CACHE_MISS);
    rc = *claims ? OK : verify(x->site, x->rq->arena, token, claims, e);
    if (!rc && (revoked_has(x->site->revoked, token, clock_now_s(&x->site->clock)) ||
                bearer_is_denied(x->site->deny, *claims))) /* also for cached tokens */
        return err_set(e, ERR_INVALID_TOKEN, "the token was revoked");
    return rc;
}

/* Both lists as one, without repeating an item. */
static const char *scope_union(struct arena *a, const char *first, const char *second) {
    const char *more = list_without(a, second, first);

    return *more ? arena_printf(a, "%s%s%s", first, *first ? " " : "", more) : first;
}

enum rc bearer_check_scopes(struct exchange *x, const struct token_claims *claims,
                            const char *scopes, struct err *e) {
    const char *required = x->site->config->required_scopes, *needed;

    if (list_covers(claims->scope, required) && list_covers(claims->scope, scopes))
        return OK;
    needed = scope_union(x->rp->arena, required, scopes);
    (void)err_set(e, ERR_INSUFFICIENT_SCOPE, "the token lacks a scope that this call needs");
    err_detail(e, "missing: %s; the token has: %s",
               list_without(x->rp->arena, needed, claims->scope), claims->scope);
    challenge(x->site->config, x->rp, needed, "insufficient_scope", e);
    return e->code;
}

enum rc mcp_bearer_auth(struct exchange *x, const struct token_claims **claims, struct err *e) {
    enum rc rc = check_origin(x->site->config, x->rq, e);

    if (rc)
        return rc;
    rc = check_token(x, claims, e);
    if (rc == ERR_NO_TOKEN)
        challenge(x->site->config, x->rp, x->site->config->required_scopes, NULL, e);
    if (rc == ERR_INVALID_TOKEN)
        challenge(x->site->config, x->rp, x->site->config->required_scopes, "invalid_token", e);
    if (rc)
        return rc;
    return bearer_check_scopes(x, *claims, "", e);
}
