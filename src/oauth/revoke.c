/* Private part of endpoints.h: POST /revoke (RFC 7009): ends one of our refresh tokens, here and at
 * the provider, or an access token, here. */

#include "access/revoked.h"
#include "oauth/clients.h"
#include "oauth/endpoints.h"
#include "oauth/refresh.h"

/* A failure that may pass is an error, so that the client tries again. If the provider will never
 * do it, the token is ended here all the same, and it can be used nowhere else. */
static enum rc revoke_refresh(struct exchange *x, const struct refresh_grant *grant,
                              struct err *e) {
    enum rc rc = idp_wait_begin(x->site->idp, e);

    if (rc)
        return rc;
    rc = idp_revoke(x->site->idp, x->rq->arena, grant->token, e);
    idp_wait_end(x->site->idp);
    if (rc && rc != ERR_MISCONFIGURED)
        return rc;
    if (rc)
        log_error("revocation_refused", kv("request", x->rq->id), kv("detail", e->detail));
    refresh_end(x->site, x->rq->arena, grant);
    return OK;
}

/* Any client that has the token may end it: the token does not name the client it was given to. */
static enum rc revoke_access(struct site *site, const struct idp_token *token,
                             const struct token_claims *claims, struct err *e) {
    if (!site->revoked)
        return err_set(e, ERR_UNSUPPORTED_TOKEN_TYPE,
                       "only refresh tokens can be revoked; access tokens end by themselves");
    return revoked_add(site->revoked, token->digest, claims->exp + TOKEN_LEEWAY_S,
                       clock_now_s(&site->clock), e);
}

/* Ends a token of this server; any other is ignored (RFC 7009 §2.2). */
static enum rc revoke(struct exchange *x, const struct form *f, bool *found, struct err *e) {
    const char *token = form_get(f, "token");
    const struct token_claims *claims = NULL;
    struct refresh_token t = {.client_id = form_get(f, "client_id"), .sealed = token};
    struct idp_token access;
    bool refresh = !refresh_open(x->site, x->rq->arena, &t, ERR_IGNORED);

    *found = refresh;
    if (client_authenticate(x->site, x->rq->arena, f, refresh && *t.grant.must_authenticate, e))
        return e->code;
    if (refresh)
        return revoke_refresh(x, &t.grant, e);
    if (!x->site->idp->keys) /* the issuer is not known */
        return OK;
    idp_token_init(x->site->idp, &access, token);
    claims = idp_verify(x->site->idp, x->rq->arena, &access, e);
    if (!claims)
        return e->code == ERR_INVALID_TOKEN ? OK : e->code;
    *found = true;
    return revoke_access(x->site, &access, claims, e);
}

enum rc oauth_revoke(struct exchange *x, struct err *e) {
    struct form f;
    bool found;

    if (!*x->site->config->idp.revoke_url)
        return err_set(e, ERR_NOT_FOUND, "tokens cannot be revoked here");
    if (client_form_read(x, &f, e))
        return e->code;
    x->rp->audit.client = form_get(&f, "client_id");
    if (!form_get(&f, "token"))
        return invalid_request(e, "token is missing");
    if (revoke(x, &f, &found, e))
        return e->code;
    x->rp->audit.outcome = found ? "revoked" : "unknown_token";
    /* RFC 7009 §2.2 has no body, but libraries parse one as JSON. */
    reply_json(x->rp, 200, json_new_object(x->rq->arena));
    reply_header(x->rp, "Cache-Control", "no-store");
    return OK;
}
