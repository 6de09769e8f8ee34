#include "oauth/token_response.h"

#include "base/base.h"
#include "base/json.h"
#include "base/text.h"
#include "oauth/scopes.h"

/* Web servers take header fields of 8 KB (Apache's LimitRequestFieldSize, lighttpd's
 * server.max-request-field-size) unless told otherwise; a few bytes of it are not the token's. */
#define TOKEN_LARGE 8000

/* Is it not the token's fault, since the provider's keys cannot be had, or are newer than ours? */
static bool cannot_tell(struct site *site, struct arena *a, const char *token, enum rc rc) {
    return rc == ERR_UPSTREAM || idp_may_lack_key(site->idp, a, token);
}

static void warn_if_large(const struct request *rq, const char *token) {
    if (strlen(token) > TOKEN_LARGE)
        log_warn("access_token_large", kv("request", rq->id), kvn("bytes", (int64_t)strlen(token)),
                 kv("what_to_do",
                    "raise the web server's limit for header fields, or put less into "
                    "the token"));
}

enum rc token_response_check(struct exchange *x, const char *access_token, struct err *e) {
    const char *required = scopes_needed(x->site->config, x->rq->arena);
    const struct token_claims *claims;
    struct err why = {.code = OK};

    if (!x->site->idp->keys) /* the issuer is not known */
        return OK;
    warn_if_large(x->rq, access_token);
    claims =
        idp_verify(x->site->idp, x->rq->arena, access_token, x->site->config->mcp_server_uri, &why);
    if (!claims && cannot_tell(x->site, x->rq->arena, access_token, why.code)) {
        log_warn("token_not_checked", kv("request", x->rq->id), kv("reason", why.text));
        return OK;
    }
    if (!claims) {
        log_error("token_unusable", kv("request", x->rq->id), kv("reason", why.text));
        return err_set(e, ERR_MISCONFIGURED,
                       "the identity provider gave a token that this server cannot take; its admin "
                       "must act");
    }
    if (list_covers(claims->scope, required))
        return OK;
    log_error("token_unusable", kv("request", x->rq->id), kv("reason", "it lacks a scope"),
              kv("missing", list_without(x->rq->arena, required, claims->scope)),
              kv("scope", claims->scope));
    return err_set(e, ERR_INSUFFICIENT_SCOPE,
                   "the identity provider did not grant a scope that this server needs");
}

void token_response_send(struct exchange *x, const struct idp_tokens *t) {
    struct json *o = json_new_object(x->rq->arena);

    json_put_str(o, "access_token", t->access_token);
    json_put_str(o, "token_type", "Bearer");
    json_put_int(o, "expires_in", t->expires_in_s);
    /* The provider's ID token names its own client, so it stays here, and without one nothing that
     * openid stands for is granted (OpenID Connect Core §3.1.3.3). */
    json_put_str(o, "scope", list_without(x->rq->arena, t->scope, "openid"));
    json_put_str(o, "refresh_token", t->refresh_token);
    x->rp->audit.outcome = "issued";
    reply_json(x->rp, 200, o);
    reply_header(x->rp, "Cache-Control", "no-store"); /* RFC 6749 §5.1 */
    reply_header(x->rp, "Pragma", "no-cache");
}
