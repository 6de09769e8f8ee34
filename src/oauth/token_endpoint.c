#include "oauth/token_endpoint.h"

#include "base/base.h"
#include "base/json.h"
#include "base/text.h"
#include "config/config.h"
#include "idp/idp.h"
#include "oauth/client_assertion.h"
#include "oauth/client_find.h"
#include "oauth/code.h"
#include "oauth/codes.h"
#include "oauth/deny_check.h"
#include "oauth/endpoints.h"
#include "oauth/login.h"
#include "oauth/pkce.h"
#include "oauth/refresh.h"
#include "oauth/refresh_family.h"
#include "oauth/resource_indicator.h"
#include "oauth/scopes.h"
#include "oauth/site.h"
#include "oauth/token_response.h"
#include "shared/lease.h"
#include "store/store.h"

#define CODE_LEASE_S 10 /* longer than a call of the provider can take */

/* RFC 7521 §4.2: beside an assertion client_id may be left out. What the assertion says is checked
 * later against what is then the client_id. */
static void take_client_id(struct arena *a, struct form *f) {
    const char *assertion = form_get(f, "client_assertion"), *sub;
    struct err ignored;
    struct assertion sent;

    if (form_get(f, "client_id") || !assertion || f->count == FORM_FIELDS_MAX ||
        assertion_read(a, assertion, &sent, &ignored) || !(sub = json_get_str(sent.claims, "sub")))
        return;
    for (size_t i = 0; i < f->count; i++)
        if (!strcmp(f->fields[i].name, "client_id"))
            f->fields[i].name = ""; /* empty */
    f->fields[f->count++] = (struct form_field){"client_id", sub, false};
}

enum rc token_form_read(struct exchange *x, struct form *f, struct err *e) {
    if (!request_has_type(x->rq, "application/x-www-form-urlencoded"))
        return err_set(e, ERR_INVALID_REQUEST,
                       "the body must be sent as application/x-www-form-urlencoded");
    if (form_read(x->rq->arena, x->rq->body, x->rq->body_len, f, e) ||
        form_check_repeated(f, NULL, "resource", e)) /* RFC 6749 §3.2, RFC 8707 §2 */
        return e->code;
    if (request_header(x->rq, "authorization")) /* RFC 6749 §5.2: answered in its own scheme */
        reply_header(x->rp, "WWW-Authenticate", "Basic realm=\"clients have no secret\"");
    if (form_get(f, "client_secret") || request_header(x->rq, "authorization"))
        return err_set(e, ERR_INVALID_CLIENT,
                       "clients of this server have no secret: send client_id, and a "
                       "client_assertion if the client's document asks for private_key_jwt");
    take_client_id(x->rq->arena, f);
    if (!form_get(f, "client_id"))
        return err_set(e, ERR_INVALID_REQUEST, "client_id is missing");
    return client_admit(x->site, x->rq->arena, form_get(f, "client_id"), e);
}

static enum rc used(struct err *e) {
    return err_set(e, ERR_INVALID_GRANT, "the code is used, expired or unknown");
}

/* A code on its way to tokens. */
struct redemption {
    const struct form *form;
    struct code code;
    struct session session;
    struct login login;
};

/* The session and the login that the code belongs to. */
static enum rc read_code(struct exchange *x, struct redemption *r, struct err *e) {
    struct arena *a = x->rq->arena;

    if (code_split(a, form_get(r->form, "code"), &r->code, e))
        return e->code;
    if (store_session_get(x->site->oauth->store, a, r->code.session_id, &r->session, e))
        return e->code == ERR_MISSING ? used(e) : e->code;
    if (r->session.state != SESSION_AUTHORIZED || !*r->session.grant ||
        login_open(x->site, a, &(struct sealed_login){"session", r->session.id, r->session.login},
                   &r->login, e))
        return used(e);
    return OK;
}

/* Everything that can be wrong with a code, checked before anything changes: after a failed check
 * the code is still good. */
static enum rc check_code(struct exchange *x, struct redemption *r, struct err *e) {
    const char *verifier = form_get(r->form, "code_verifier");
    const char *redirect_uri = form_get(r->form, "redirect_uri");
    const struct login *login = &r->login;

    if (!form_get(r->form, "code"))
        return err_set(e, ERR_INVALID_REQUEST, "code is missing");
    if (!verifier)
        return err_set(e, ERR_INVALID_REQUEST, "code_verifier is missing: PKCE is required");
    if (read_code(x, r, e))
        return e->code;
    if (strcmp(login->client_id, form_get(r->form, "client_id")) != 0)
        return err_set(e, ERR_INVALID_GRANT, "the code was issued to another client");
    /* OAuth 2.1 §10.2 lets a client leave it out; if it is there it must be the same. */
    if (redirect_uri && strcmp(redirect_uri, login->redirect_uri) != 0)
        return err_set(e, ERR_INVALID_GRANT,
                       "redirect_uri is not the one of the authorization request");
    if (!pkce_verifier_matches(x->rq->arena, verifier, login->code_challenge))
        return err_set(e, ERR_INVALID_GRANT, "code_verifier does not match the code_challenge");
    return client_authenticate(x->site, x->rq->arena, r->form, *login->authenticates, e);
}

/* The provider has given the tokens, which it does once for a code (RFC 6749 §4.1.2). If the store
 * says that another request deleted the session first, this one is refused. If the store does not
 * answer, the tokens are given out all the same: the provider's code is used up, so the login could
 * not be tried again. A session that is left behind is of no use, and ends with its ttl. */
static enum rc end_session(struct exchange *x, const char *id, struct err *e) {
    struct session gone;
    struct err why = {.code = OK};

    switch (store_session_delete(x->site->oauth->store, x->rq->arena, id, &gone, &why)) {
    case OK:
        return OK;
    case ERR_CONFLICT:
        return used(e);
    default:
        log_warn("session_not_deleted", kv("request", x->rq->id), kv("reason", why.text),
                 kv("detail", why.detail));
        return OK;
    }
}

/* The session is deleted after the provider has answered: a failure there that may pass leaves the
 * code usable. The caller holds the lease, so that no other worker asks meanwhile: a provider takes
 * a code that comes twice for theft, and revokes the tokens that it gave for it. */
static enum rc redeem(struct exchange *x, const struct redemption *r, const char *provider_code,
                      struct idp_tokens *tokens, struct err *e) {
    const struct idp_code grant = {
        .code = provider_code,
        .verifier = r->login.verifier,
        .redirect_uri = x->site->config->callback_uri,
    };
    enum rc rc = idp_wait_begin(x->site->idp, e);

    if (rc)
        return rc;
    rc = idp_exchange_code(x->site->idp, x->rp->arena, &grant, tokens, e);
    idp_wait_end(x->site->idp);
    if (rc == ERR_REFUSED)
        e->code = rc = ERR_INVALID_GRANT;
    if (rc || (rc = deny_check_user(x, tokens->access_token, e)))
        return rc;
    return end_session(x, r->code.session_id, e);
}

/* The first of a login, with which its family begins. */
static const char *first_refresh_token(struct exchange *x, const struct login *login,
                                       const struct idp_tokens *tokens) {
    const struct refresh_grant grant = {.token = tokens->refresh_token,
                                        .scope = tokens->scope,
                                        .resource = x->site->config->mcp_server_uri,
                                        .asked =
                                            list_without(x->rq->arena, login->scope, tokens->scope),
                                        .authenticates = login->authenticates,
                                        .login_s = clock_now_s(&x->site->clock),
                                        .family = family_new(x->rq->arena)};

    return refresh_seal(x->site, x->rq->arena, login->client_id, &grant);
}

static enum rc grant_code(struct exchange *x, const struct form *f, struct err *e) {
    struct idp_tokens tokens;
    struct lease lease;
    struct redemption r = {.form = f};
    const char *provider_code;
    bool leased;
    enum rc rc;

    if (deny_check_grant(x->site, form_get(f, "client_id"), clock_now_s(&x->site->clock), e) ||
        check_code(x, &r, e) ||
        code_open(x->rq->arena, &r.code, r.session.grant, &provider_code, e))
        return e->code;
    /* A login that was begun again from the same form has the same session, but is another attempt.
     */
    rc = lease_take(x->site->cache,
                    arena_printf(x->rq->arena, "code:%s.%s", r.code.session_id, r.session.attempt),
                    CODE_LEASE_S, &lease, e);
    leased = rc == OK;
    if (rc == ERR_EXISTS)
        return err_set(e, ERR_INVALID_GRANT, "the code is being used by another request");
    if (rc) /* the disk is full: the provider alone decides */
        log_warn("code_lease_failed", kv("request", x->rq->id), kv("detail", e->detail));
    rc = redeem(x, &r, provider_code, &tokens, e);
    if (rc) {
        if (leased)
            lease_release(x->site->cache, &lease);
        return rc;
    }
    /* The lease is left to end by itself: another request may have passed its check before the
     * session was deleted, and must not take one now. */
    if (token_response_check(x, tokens.access_token, e)) {
        e->code = ERR_MISCONFIGURED; /* a scope too: it was asked for */
        return e->code;
    }
    if (tokens.refresh_token)
        tokens.refresh_token = first_refresh_token(x, &r.login, &tokens);
    token_response_send(x, &tokens);
    return OK;
}

static enum rc check_refresh(struct exchange *x, const struct form *f, struct refresh_token *t,
                             struct err *e) {
    const struct refresh_grant *grant = &t->grant;

    if (!t->sealed)
        return err_set(e, ERR_INVALID_REQUEST, "refresh_token is missing");
    if (refresh_open(x->site, x->rq->arena, t, e))
        return e->code;
    if (deny_check_grant(x->site, t->client_id, grant->login_s, e))
        return e->code;
    if (strcmp(grant->resource, x->site->config->mcp_server_uri) != 0)
        return err_set(e, ERR_INVALID_GRANT, "the refresh token was issued for another resource");
    /* The provider cannot give less, so less is not refused. */
    if (form_get(f, "scope") &&
        !scopes_were_granted(x->site->config, x->rq->arena, form_get(f, "scope"), grant))
        return err_set(e, ERR_INVALID_SCOPE, "scope has more than was granted");
    return client_authenticate(x->site, x->rq->arena, f, *grant->authenticates, e);
}

static enum rc grant_refresh(struct exchange *x, const struct form *f, struct err *e) {
    struct refresh_token t = {.client_id = form_get(f, "client_id"),
                              .sealed = form_get(f, "refresh_token")};
    struct idp_tokens tokens;

    x->rp->audit.event = "refresh";
    if (check_refresh(x, f, &t, e) || refresh_ask(x->site, x->rq->arena, &t, &tokens, e) ||
        deny_check_user(x, tokens.access_token, e))
        return e->code;
    if (token_response_check(x, tokens.access_token, e)) {
        if (e->code == ERR_INSUFFICIENT_SCOPE) /* a new login asks for it */
            e->code = ERR_INVALID_GRANT;
        return e->code;
    }
    token_response_send(x, &tokens);
    return OK;
}

enum rc oauth_token(struct exchange *x, struct err *e) {
    const char *grant_type;
    struct form form;

    if (token_form_read(x, &form, e))
        return e->code;
    x->rp->audit.client = form_get(&form, "client_id");
    grant_type = form_get(&form, "grant_type");
    if (!grant_type)
        return err_set(e, ERR_INVALID_REQUEST, "grant_type is missing");
    if (!resources_are_ours(x->site->config, &form)) /* RFC 8707 §2.2 */
        return err_set(e, ERR_INVALID_TARGET, "resource is not this server's");
    if (!strcmp(grant_type, "authorization_code"))
        return grant_code(x, &form, e);
    if (!strcmp(grant_type, "refresh_token"))
        return grant_refresh(x, &form, e);
    return err_set(e, ERR_UNSUPPORTED_GRANT_TYPE,
                   "grant_type must be authorization_code or refresh_token");
}
