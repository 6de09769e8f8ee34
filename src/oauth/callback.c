/* Private part of endpoints.h: GET /callback: the user comes back from the identity provider. */
#include <string.h>

#include "base/log.h"
#include "idp/token_client.h"
#include "metrics/metrics.h"
#include "oauth/browser.h"
#include "oauth/code.h"
#include "oauth/endpoints.h"
#include "oauth/login.h"
#include "oauth/site.h"
#include "store/store.h"
#include "web/form.h"

#define IDP_CODE_MAX 2048

/* The identity provider reports an error. The log has what it said; the client learns its class. */
static void answer_error(struct exchange *x, const struct login *login, const struct form *f) {
    const char *upstream = form_get(f, "error");
    bool denied = !strcmp(upstream, "access_denied");
    bool passing = !strcmp(upstream, "temporarily_unavailable");

    x->rp->audit.outcome = denied ? "denied" : "failed";
    x->rp->audit.reason = "the identity provider reported an error";
    metrics_count(METRIC_DENIALS, denied ? ERR_ACCESS_DENIED : ERR_UPSTREAM);
    log_warn("login_failed_at_idp", kv("request", x->rq->id), kv("client_id", login->client_id),
             kv("error", idp_reason(x->rq->arena, upstream)),
             kv("detail", idp_reason(x->rq->arena, form_get(f, "error_description"))));
    reply_redirect(x->rp, login_error_uri(x->site, x->rq->arena, login,
                                          denied    ? "access_denied"
                                          : passing ? "temporarily_unavailable"
                                                    : "server_error",
                                          denied ? "the user did not log in"
                                                 : "the identity provider reported an error"));
}

/* The provider's answer goes into the session. Asked again with the same answer by the same
 * browser, it does the same again, until the session is redeemed: a user who got a 503, or nothing,
 * reloads. */
static enum rc authorize_session(struct exchange *x, const char *id, const char *upstream,
                                 const char *error, const char **code, struct session *out,
                                 struct err *e) {
    struct arena *a = x->rq->arena;
    const char *cookie = browser_cookie(x);
    int64_t now_s = clock_now_s(&x->site->clock);
    struct session want = {.id = id, .grant = "", .ttl = now_s + CODE_TTL_S};
    enum rc rc;

    if (!cookie)
        return err_set(e, ERR_INVALID_REQUEST, "the login was begun in another browser");
    want.browser = browser_id(x);
    want.attempt = code_attempt(
        a, id, cookie,
        arena_printf(a, "%s %s", upstream ? "code" : "error", upstream ? upstream : error));
    /* With an error the grant stays empty: the session ends here, and gives its login back. */
    if (upstream)
        *code = code_make(a, id, cookie, upstream, &want.grant);
    rc = store_session_authorize(x->site->oauth->store, a, &want, now_s, out, e);
    if (rc != ERR_CONFLICT)
        return rc;
    return err_set(e, ERR_INVALID_REQUEST,
                   "the login took too long, is complete already, or was begun in another browser");
}

enum rc oauth_callback(struct exchange *x, struct err *e) {
    const char *id, *upstream, *error, *code = "";
    struct session s;
    struct login login;
    struct form form;

    if (browser_navigates(x->rq, false, e))
        return e->code;
    if (form_parse(x->rq->arena, x->rq->query, strlen(x->rq->query), &form, e))
        return e->code;
    id = form_get(&form, "state");
    upstream = form_get(&form, "code");
    error = form_get(&form, "error");
    if (!id || strlen(id) > SESSION_ID_MAX || (!upstream && !error) ||
        (upstream && strlen(upstream) > IDP_CODE_MAX))
        return err_set(e, ERR_INVALID_REQUEST, "this is not an answer to a login begun here");
    if (authorize_session(x, id, upstream, error, &code, &s, e) ||
        login_open(x->site, x->rq->arena, "session", id, s.login, &login, e))
        return e->code;
    x->rp->audit.client = login.client_id;
    if (!upstream) {
        answer_error(x, &login, &form);
        return OK;
    }
    x->rp->audit.outcome = "code_issued";
    reply_redirect(x->rp, login_code_uri(x->site, x->rq->arena, &login, code));
    return OK;
}
