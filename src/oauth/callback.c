/* Private part of endpoints.h: GET /callback: the user comes back from the identity provider. */

#include "idp/idp.h"
#include "oauth/browser.h"
#include "oauth/endpoints.h"
#include "oauth/site.h"
#include "store/sessions.h"

#define IDP_CODE_MAX 2048

/* Errors that are nobody's fault: the user's choice, and that prompt=none, which may come from the
 * client, leaves nobody to ask (OpenID Connect Core §3.1.2.6). */
#define DENIALS                                                                                    \
    "access_denied login_required interaction_required account_selection_required "                \
    "consent_required"

/* The identity provider reports an error. The log has what it said; the client learns its class. */
static void answer_error(struct exchange *x, const struct login *login, const struct form *f) {
    const char *upstream = form_get(f, "error");
    const bool denied = list_has(DENIALS, upstream);
    const bool known = denied || !strcmp(upstream, "temporarily_unavailable");

    x->rp->audit.outcome = denied ? "denied" : "failed";
    x->rp->audit.reason = "the identity provider reported an error";
    metrics_count(METRIC_DENIALS, denied ? ERR_ACCESS_DENIED : ERR_UPSTREAM);
    log_warn("login_failed_at_idp", kv("request", x->rq->id), kv("client_id", login->client_id),
             kv("error", idp_reason(x->rq->arena, upstream)),
             kv("detail", idp_reason(x->rq->arena, form_get(f, "error_description"))));
    reply_redirect(
        x->rp, login_answer_uri(
                   x->site, x->rq->arena, login,
                   &(struct login_answer){.error = known ? upstream : "server_error",
                                          .error_description =
                                              denied ? "the user did not log in"
                                                     : "the identity provider reported an error"}));
}

/* What the provider sent the browser back with: a code or an error. */
struct answer {
    const char *session_id, *code, *error;
};

static enum rc read_answer(const struct form *f, struct answer *out, struct err *e) {
    *out = (struct answer){form_get(f, "state"), form_get(f, "code"), form_get(f, "error")};
    if (!out->session_id || strlen(out->session_id) > SESSION_ID_MAX ||
        (!out->code && !out->error) || (out->code && strlen(out->code) > IDP_CODE_MAX))
        return invalid_request(e, "this is not an answer to a login begun here");
    return OK;
}

/* The provider's answer goes into the session. Asked again with the same answer by the same
 * browser, it does the same again, until the session is redeemed: a user who got a 503, or nothing,
 * reloads. */
static enum rc authorize_session(struct exchange *x, const struct answer *answer, const char **code,
                                 struct session *out, struct err *e) {
    struct arena *a = x->rq->arena;
    const char *cookie = browser_cookie(x);
    int64_t now_s = clock_now_s(&x->site->clock);
    struct session want = {.id = answer->session_id, .grant = "", .ttl = now_s + CODE_TTL_S};
    enum rc rc;

    if (!cookie)
        return invalid_request(e, "the login was begun in another browser");
    want.browser = browser_id(x);
    want.attempt = code_attempt(a, want.id, cookie,
                                answer->code ? text_concat(a, "code ", answer->code)
                                             : text_concat(a, "error ", answer->error));
    /* With an error the grant stays empty: the session ends here, and gives its login back. */
    if (answer->code)
        *code = code_make(a, want.id, cookie, answer->code, &want.grant);
    rc = session_store_authorize(x->site->oauth->sessions, a, &want, out, e);
    if (rc != ERR_CONFLICT)
        return rc;
    return invalid_request(
        e, "the login took too long, is complete already, or was begun in another browser");
}

enum rc oauth_callback(struct exchange *x, struct err *e) {
    struct arena *a = x->rq->arena;
    const char *code = "";
    struct answer answer;
    struct session s;
    struct login login;
    struct form form;

    if (browser_navigates(x->rq, false, e) ||
        form_parse(a, x->rq->query, strlen(x->rq->query), &form, e) ||
        read_answer(&form, &answer, e) || authorize_session(x, &answer, &code, &s, e) ||
        login_open(x->site, a, &(struct sealed_login){"session", answer.session_id, s.login},
                   &login, e))
        return e->code;
    x->rp->audit.client = login.client_id;
    if (!answer.code) {
        answer_error(x, &login, &form);
        return OK;
    }
    x->rp->audit.outcome = "code_issued";
    reply_redirect(x->rp,
                   login_answer_uri(x->site, a, &login, &(struct login_answer){.code = code}));
    return OK;
}
