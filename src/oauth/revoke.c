/* POST /revoke (RFC 7009): ends one of our refresh tokens at Cognito, and with it, there, the
 * access tokens that it brought. */
#include <string.h>

#include "crypto/crypto.h"
#include "oauth/tokens.h"

enum rc oauth_revoke(struct context *cx, const struct request *rq, struct reply *rp,
                     struct err *e) {
    const char *token, *kid;
    struct refresh_grant grant;
    struct form f;
    struct err why;
    bool ours;

    if (!*cx->config->cognito_revoke_url)
        return err_set(e, ERR_NOT_FOUND, "tokens cannot be revoked here");
    if (token_form_read(cx, rq, &f, rp, e))
        return e->code;
    rp->audit.client = form_get(&f, "client_id");
    token = form_get(&f, "token");
    if (!token)
        return err_set(e, ERR_INVALID_REQUEST, "token is missing");
    ours = !refresh_open(cx, rq->arena, form_get(&f, "client_id"), token, &grant, &why);
    if (client_authenticate(cx, rq->arena, &f, ours && *grant.authenticates, e))
        return e->code;
    /* An access token is good until it ends: no check of one asks anybody. */
    if (!ours && !token_kid(rq->arena, token, &kid, &why))
        return err_set(e, ERR_UNSUPPORTED_TOKEN_TYPE,
                       "only refresh tokens can be revoked; access tokens end by themselves");
    if (ours) {
        enum rc rc = cognito_wait_begin(cx, e);

        if (rc)
            return rc;
        rc = cognito_revoke(cx->http, cx->config, rq->arena, grant.token, e);
        cognito_wait_end(cx);
        if (rc)
            return rc;
        refresh_forget(cx, rq->arena, grant.token);
    }
    rp->audit.outcome = ours ? "revoked" : "unknown_token";
    reply_empty(rp, 200); /* RFC 7009 §2.2: also for a token that is none of ours */
    reply_header(rp, "Cache-Control", "no-store");
    return OK;
}
