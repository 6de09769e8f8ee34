/* Private part of endpoints.h: GET and POST of /authorize: OAuth 2.1 §4.1.1. Until client and
 * redirect URI are known to be good, an error is a page here, never a redirect (OAuth 2.1
 * §4.1.2.1). */

#include "access/deny_list.h"
#include "crypto/digest.h"
#include "idp/idp.h"
#include "oauth/browser.h"
#include "oauth/clients.h"
#include "oauth/endpoints.h"
#include "oauth/parameters.h"
#include "shared/rate_limit.h"
#include "store/sessions.h"

#define SESSION_ID_BYTES 24
#define VERIFIER_BYTES 32

/* DENY_FILE (access/deny_list.h), where logins begin. */
static enum rc check_denied(const struct site *site, const char *client_id, struct err *e) {
    return deny_has_client(site->deny, client_id)
               ? invalid_client(e, "this client is no longer allowed here")
               : OK;
}

/* Client and redirect URI: what must be right before anything is sent anywhere. */
static enum rc read_client(struct exchange *x, const struct form *f, struct login *out,
                           struct err *e) {
    const char *client_id = form_get(f, "client_id"), *uri = form_get(f, "redirect_uri");
    struct client client;

    if (form_check_repeated(f, "client_id", NULL, e) ||
        form_check_repeated(f, "redirect_uri", NULL, e))
        return e->code;
    if (!client_id)
        return invalid_request(e, "client_id is missing");
    if (!uri)
        return err_set(e, ERR_INVALID_REDIRECT_URI, "redirect_uri is missing");
    if (check_denied(x->site, client_id, e) ||
        client_find(x->site, x->rq->arena, client_id, &client, e))
        return e->code;
    if (!redirect_uri_is_registered(x->site->config, x->rq->arena, &client, uri))
        return err_set(e, ERR_INVALID_REDIRECT_URI,
                       "the redirect_uri is not one that the client's document names");
    out->client_id = client.id;
    out->client_name = client.name;
    out->client_host = client.host;
    out->redirect_uri = uri;
    out->must_authenticate = client.must_authenticate ? "yes" : "";
    return OK;
}

static enum rc check_response_type(const struct form *f, struct err *e) {
    const char *type = form_get(f, "response_type");

    if (!type)
        return invalid_request(e, "response_type is missing");
    if (strcmp(type, "code") != 0)
        return err_set(e, ERR_UNSUPPORTED_RESPONSE_TYPE, "response_type must be code");
    return OK;
}

static enum rc check_challenge(const struct form *f, struct err *e) {
    const char *challenge = form_get(f, "code_challenge");
    const char *method = form_get(f, "code_challenge_method");

    if (!challenge) /* RFC 7636 §4.4.1 */
        return invalid_request(e, "code_challenge is missing: PKCE is required");
    if (!method || strcmp(method, "S256") != 0)
        return invalid_request(e, "code_challenge_method must be S256");
    if (!pkce_challenge_is_valid(challenge))
        return invalid_request(e, "code_challenge is not the base64url of a SHA-256");
    return OK;
}

/* The rest; errors of these go back to the client. */
static enum rc read_rest(struct exchange *x, const struct form *f, struct login *out,
                         struct err *e) {
    out->state = form_get(f, "state") ? form_get(f, "state") : "";
    if (strlen(out->state) > STATE_LEN_MAX) {
        out->state = "";
        return invalid_request(e, "state is longer than %d bytes", STATE_LEN_MAX);
    }
    if (form_check_repeated(f, NULL, "resource", e) || /* RFC 6749 §3.1 */
        check_response_type(f, e) || check_challenge(f, e))
        return e->code;
    out->code_challenge = form_get(f, "code_challenge");
    if (!resources_are_ours(x->site->config, f))
        return err_set(e, ERR_INVALID_TARGET, "resource is not this server's");
    out->resource = x->site->config->mcp_server_uri;
    out->scope = scopes_of_login(x->site->config, x->rq->arena, form_get(f, "scope"));
    if (!*out->scope)
        return err_set(e, ERR_INVALID_SCOPE, "none of the scopes asked for is supported");
    if (idp_login_parameters(idp_provider_of(x->site->config), x->rq->arena,
                             &(struct login_request){f, out->scope}, &out->idp_parameters, e))
        return e->code;
    out->verifier = "";
    out->expires_s = clock_now_s(&x->site->clock) + LOGIN_TTL_S;
    return OK;
}

/* RFC 6749 §4.1.2.1: the error codes that a redirect can carry. */
static const char *redirect_error(enum rc code) {
    switch ((int)code) {
    case ERR_UNSUPPORTED_RESPONSE_TYPE:
        return "unsupported_response_type";
    case ERR_INVALID_SCOPE:
        return "invalid_scope";
    case ERR_INVALID_TARGET:
        return "invalid_target";
    default:
        return "invalid_request";
    }
}

/* May the browser be redirected with an error without asking the user? Anybody can publish a client
 * document, so a redirect to an address that only the document names would make this server an open
 * redirector (RFC 9700 §4.11.2). A program on the user's own computer is no such risk. */
static bool may_be_sent_unasked(struct site *site, struct arena *a, const struct login *login) {
    struct url u;

    return client_is_trusted(site, a, login->client_id) ||
           (!url_parse(a, login->redirect_uri, &u, ERR_IGNORED) && url_is_loopback(&u));
}

static enum rc answer_error(struct exchange *x, const struct login *login, const char *error,
                            struct err *e) {
    const struct login_answer answer = {.error = error, .error_description = e->text};
    const char *uri = login_answer_uri(x->site, x->rq->arena, login, &answer);

    x->rp->audit.outcome = "refused";
    x->rp->audit.reason = arena_strdup(x->rq->arena, e->text);
    metrics_count(METRIC_DENIALS, e->code);
    if (may_be_sent_unasked(x->site, x->rq->arena, login))
        reply_redirect(x->rp, uri);
    else
        page_refused(x, e, uri);
    return OK;
}

/* With whom the user logs in at the provider. */
enum account { ACCOUNT_ANY, ACCOUNT_OTHER };
static enum rc approve(struct exchange *x, const char *browser, struct login *login,
                       enum account account, struct err *e);

/* OpenID Connect Core §3.1.2.1 */
static bool prompt_has(const struct form *f, const char *value) {
    const char *prompt = form_get(f, "prompt");

    return prompt && list_has(prompt, value);
}

enum rc oauth_authorize_get(struct exchange *x, struct err *e) {
    struct login login = {.state = ""};
    struct form form;
    const char *browser;

    if (browser_navigates(x->rq, false, e))
        return e->code;
    if (form_read(x->rq->arena, x->rq->query, strlen(x->rq->query), &form, e))
        return e->code;
    x->rp->audit.client = form_get(&form, "client_id");
    if (read_client(x, &form, &login, e))
        return e->code;
    if (read_rest(x, &form, &login, e))
        return answer_error(x, &login, redirect_error(e->code), e);
    x->rp->audit.outcome = "asked";
    browser = browser_id_or_new(x);
    if (!prompt_has(&form, "consent") && consent_cookie_has(x, browser, &login))
        return approve(x, browser, &login, ACCOUNT_ANY, e);
    if (prompt_has(&form, "none")) { /* OpenID Connect Core §3.1.2.6 */
        (void)err_set(e, ERR_ACCESS_DENIED, "the user must be asked, and prompt=none forbids it");
        return answer_error(x, &login, "consent_required", e);
    }
    login.verifier = random_text(x->rq->arena, VERIFIER_BYTES);
    page_consent(x, &login, login_seal(x->site, x->rq->arena, "consent", browser, &login));
    return OK;
}

/* The session's id comes with the form, in the verifier: a form that is sent again, by a double
 * click or by somebody who would fill the store, is the same login and makes no second session. */
static enum rc approve(struct exchange *x, const char *browser, struct login *login,
                       enum account account, struct err *e) {
    struct session s = {.state = SESSION_PENDING, .browser = browser, .grant = "", .attempt = ""};

    if (!*login->verifier)
        login->verifier = random_text(x->rq->arena, VERIFIER_BYTES);
    s.ttl = clock_now_s(&x->site->clock) + LOGIN_TTL_S;
    login->expires_s = s.ttl + CODE_TTL_S; /* it is opened once more at /token */
    /* The verifier, which only the identity provider may learn, cannot be derived from it. */
    s.id = sha256_base64url(x->rq->arena, text_concat(x->rq->arena, "session ", login->verifier),
                            SESSION_ID_BYTES);
    s.login = login_seal(x->site, x->rq->arena, "session", s.id, login);
    if (session_store_put(x->site->oauth->sessions, &s, e) && e->code != ERR_EXISTS)
        return e->code;
    x->rp->audit.outcome = "approved";
    page_continue(
        x, idp_authorization_url(
               x->site->config, x->rq->arena,
               &(struct idp_login){.redirect_uri = x->site->config->callback_uri,
                                   .scope = login->scope,
                                   .state = s.id,
                                   .code_challenge = pkce_challenge(x->rq->arena, login->verifier),
                                   .parameters = login->idp_parameters,
                                   .other_account = account == ACCOUNT_OTHER,
                                   .resource = x->site->idp->needs_audience
                                                   ? x->site->config->mcp_server_uri
                                                   : NULL}));
    return OK;
}

/* RATE_LIMIT_CLIENT: the dispatcher cannot see who is in a form. */
static enum rc check_limit(struct exchange *x, const char *client_id, struct err *e) {
    unsigned per_minute = x->site->config->rate_limit_client;
    int64_t wait_ms = 0;

    if (per_minute && x->site->limits)
        wait_ms = rate_limits_take_client(x->site->limits, x->rq->arena, x->rq->remote_addr,
                                          client_id, per_minute);
    return wait_ms ? reply_rate_limited(x->rp, wait_ms, e) : OK;
}

/* Opens the login that the consent page's form is about. */
static enum rc read_consent(struct exchange *x, struct form *f, const char *browser,
                            struct login *out, struct err *e) {
    const char *sealed;

    if (!request_has_type(x->rq, "application/x-www-form-urlencoded"))
        return err_set(e, ERR_UNSUPPORTED_MEDIA_TYPE,
                       "the form must be sent as "
                       "application/x-www-form-urlencoded");
    if (form_parse(x->rq->arena, x->rq->body, x->rq->body_len, f, e))
        return e->code;
    sealed = form_get(f, "request");
    if (!sealed || !form_get(f, "decision"))
        return invalid_request(e, "request or decision is missing");
    if (!browser)
        return invalid_request(e,
                               "the browser sent no cookie; cookies of this site must be allowed");
    return login_open(x->site, x->rq->arena, &(struct sealed_login){"consent", browser, sealed},
                      out, e);
}

static bool is_confirmed(struct exchange *x, const struct form *f, const struct login *login) {
    const char *confirm = form_get(f, "confirm");

    return (confirm && !strcmp(confirm, "yes")) ||
           client_is_trusted(x->site, x->rq->arena, login->client_id);
}

static void deny(struct exchange *x, const char *browser, const struct login *login) {
    const struct login_answer answer = {.error = "access_denied",
                                        .error_description = "the user said no"};

    consent_cookie_set(x, browser, login, false);
    x->rp->audit.outcome = "denied";
    metrics_count(METRIC_DENIALS, ERR_ACCESS_DENIED);
    page_continue(x, login_answer_uri(x->site, x->rq->arena, login, &answer));
}

enum rc oauth_authorize_post(struct exchange *x, struct err *e) {
    const char *browser = browser_id(x), *decision;
    struct login login;
    struct form form;
    bool other;

    if (browser_navigates(x->rq, true, e) || read_consent(x, &form, browser, &login, e))
        return e->code;
    x->rp->audit.client = login.client_id;
    if (check_limit(x, login.client_id, e) || check_denied(x->site, login.client_id, e))
        return e->code;
    decision = form_get(&form, "decision");
    other = !strcmp(decision, "approve-other-account") && x->site->config->use_other_account;
    if (other || !strcmp(decision, "approve")) {
        if (!is_confirmed(x, &form, &login))
            return invalid_request(
                e, "the box that says that you have started this login is not ticked");
        if (form_get(&form, "remember"))
            consent_cookie_set(x, browser, &login, true);
        return approve(x, browser, &login, other ? ACCOUNT_OTHER : ACCOUNT_ANY, e);
    }
    if (strcmp(decision, "deny") != 0)
        return invalid_request(e, "decision must be approve or deny");
    deny(x, browser, &login);
    return OK;
}
