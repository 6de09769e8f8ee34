#include "mcp/bearer_auth.h"

#include <strings.h>

#include "access/revoked.h"
#include "idp/idp.h"
#include "mcp/headers.h"
#include "metrics/metrics.h"
#include "shared/rate_limit.h"

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

/* RFC 6750 §2.1: b64token. Two Authorization headers arrive joined by a comma, and are refused. */
static enum rc check_syntax(const char *token, struct err *e) {
    size_t n =
        strspn(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/");

    if (!n || token[n + strspn(token + n, "=")])
        return err_set(e, ERR_INVALID_TOKEN, "the Authorization header is malformed");
    if (strlen(token) > TOKEN_LEN_MAX)
        return err_set(e, ERR_INVALID_TOKEN, "the token is too long");
    return OK;
}

/* The token of `Authorization: Bearer …` (RFC 6750 §2.1; MCP forbids the query); "" if there is no
 * such header. Its syntax is not checked: a token that is known has a good one. */
static const char *bearer_token(const struct request *rq) {
    const char *value = mcp_header(rq, "authorization");

    if (!value || strncasecmp(value, "Bearer", 6) != 0 ||
        (value[6] && value[6] != ' ' && value[6] != '\t'))
        return "";
    return value + 6 + strspn(value + 6, " \t");
}

/* Adds an auth-param with a quoted-string (RFC 9110 §11.2, §5.6.4); characters that could end or
 * split it are left out. */
static void add_param(struct buf *b, const char *name, const char *value) {
    buf_addf(b, "%s%s=\"", b->len > sizeof "Bearer" - 1 ? ", " : " ", name);
    for (; *value; value++)
        if (*value >= ' ' && *value <= '~' && *value != '"' && *value != '\\')
            buf_addc(b, *value);
    buf_addc(b, '"');
}

/* Adds the WWW-Authenticate header (RFC 6750 §3, RFC 9728 §5.1). `error` is NULL when no token was
 * given (RFC 6750 §3.1). */
static void add_challenge(const struct config *config, struct reply *rp, const char *scopes,
                          const char *error, const struct err *e) {
    struct buf b;

    buf_init(&b, rp->arena, CHALLENGE_MAX);
    buf_adds(&b, "Bearer");
    if (error) {
        add_param(&b, "error", error);
        add_param(&b, "error_description", e->text);
    }
    add_param(&b, "resource_metadata", config->prm_uri);
    if (*scopes)
        add_param(&b, "scope", scopes);
    reply_header(rp, "WWW-Authenticate", b.p);
}

bool bearer_is_denied(const struct deny_list *deny, const struct token_claims *claims) {
    return deny_has_client(deny, claims->client_id) || deny_has_subject(deny, claims->sub) ||
           deny_has_subject(deny, claims->username) || deny_is_issued_before(deny, claims->iat);
}

static enum rc check_revoked(const struct exchange *x, const struct idp_token *token,
                             const struct token_claims *claims, struct err *e) {
    if (revoked_has(x->site->revoked, token->digest, clock_now_s(&x->site->clock)) ||
        bearer_is_denied(x->site->deny, claims))
        return err_set(e, ERR_INVALID_TOKEN, "the token was revoked");
    return OK;
}

/* Verifying costs a hundred times what sending a token costs. So an address that has sent forged
 * ones, each another, as often as it may send requests elsewhere, waits before its next token that
 * is not known. */
static enum rc verify(struct exchange *x, struct idp_token *token,
                      const struct token_claims **claims, struct err *e) {
    const char *address = rate_limits_address_key(x->rq->arena, x->rq->remote_addr);
    const unsigned per_minute = x->site->config->rate_limit_address;
    const bool is_limited = address && per_minute && x->site->limits;
    const char *key = is_limited ? arena_printf(x->rq->arena, "forged %s", address) : "";
    int64_t wait_ms =
        is_limited ? rate_limits_wait(x->site->limits, key, per_minute, clock_realtime_ms()) : 0;

    if (wait_ms)
        return reply_rate_limited(x->rp, wait_ms, e);
    *claims = idp_verify(x->site->idp, x->rq->arena, token, e);
    if (is_limited && token->is_forged)
        (void)rate_limits_take(x->site->limits, key, per_minute, clock_realtime_ms());
    return *claims ? OK : e->code;
}

static enum rc read_token(const struct exchange *x, struct idp_token *token, struct err *e) {
    const char *text = bearer_token(x->rq);

    if (!*text)
        return err_set(e, ERR_NO_TOKEN, "a bearer token is required");
    idp_token_init(x->site->idp, token, text);
    return OK;
}

static enum rc check_token(struct exchange *x, const struct token_claims **claims, struct err *e) {
    struct idp_token token;

    if (read_token(x, &token, e))
        return e->code;
    *claims = idp_known(x->site->idp, x->rq->arena, &token);
    if (!*claims && check_syntax(token.text, e))
        return e->code;
    metrics_count(METRIC_TOKEN_CACHE, *claims ? CACHE_HIT : CACHE_MISS);
    if (!*claims && verify(x, &token, claims, e))
        return e->code;
    return check_revoked(x, &token, *claims, e); /* also for known tokens */
}

enum rc bearer_check_again(struct exchange *x, const struct token_claims *claims, struct err *e) {
    struct idp_token token;

    return read_token(x, &token, e) ? e->code : check_revoked(x, &token, claims, e);
}

enum rc bearer_check_scopes(struct exchange *x, const struct token_claims *claims,
                            const char *scopes, struct err *e) {
    const char *required = x->site->config->required_scopes, *needed = required, *more;

    if (list_covers(claims->scope, required) && list_covers(claims->scope, scopes))
        return OK;
    more = list_without(x->rp->arena, scopes, required);
    if (*more)
        needed = arena_printf(x->rp->arena, "%s%s%s", required, *required ? " " : "", more);
    (void)err_set(e, ERR_INSUFFICIENT_SCOPE, "the token lacks a scope that this call needs");
    err_detail(e, "missing: %s; the token has: %s",
               list_without(x->rp->arena, needed, claims->scope), claims->scope);
    add_challenge(x->site->config, x->rp, needed, "insufficient_scope", e);
    return e->code;
}

enum rc mcp_bearer_auth(struct exchange *x, const struct token_claims **claims, struct err *e) {
    const struct config *config = x->site->config;
    const char *origin = request_header(x->rq, "origin");
    enum rc rc;

    /* Streamable HTTP "Security": an Origin must be allowed, so that a page of another site cannot
     * reach this server through a user's browser. */
    if (origin && !mcp_origin_is_allowed(config, origin))
        return err_set(e, ERR_FORBIDDEN_ORIGIN, "requests from this origin are not allowed");
    rc = check_token(x, claims, e);
    if (rc == ERR_NO_TOKEN || rc == ERR_INVALID_TOKEN)
        add_challenge(config, x->rp, config->required_scopes,
                      rc == ERR_INVALID_TOKEN ? "invalid_token" : NULL, e);
    return rc ? rc : bearer_check_scopes(x, *claims, "", e);
}
