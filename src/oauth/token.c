/* Private part of endpoints.h: POST /token (OAuth 2.1 §3.2). What proves a public client is the
 * code's or the refresh token's binding to its client_id, and PKCE; others sign
 * (client_authentication.c). */

#include "access/deny_list.h"
#include "oauth/clients.h"
#include "oauth/endpoints.h"
#include "oauth/login.h"
#include "oauth/parameters.h"
#include "oauth/refresh.h"
#include "shared/marks.h"
#include "store/sessions.h"

/* Web servers take header fields of 8 KB (Apache's LimitRequestFieldSize, lighttpd's
 * server.max-request-field-size) unless told otherwise; a few bytes of it are not the token's. */
#define TOKEN_LARGE 8000
#define CODE_LEASE_S 10 /* longer than a call of the provider can take */

/* DENY_FILE (access/deny_list.h), where tokens are given out. login_s: when the user logged in. */
static enum rc check_denied(const struct site *site, const char *client_id, int64_t login_s,
                            struct err *e) {
    if (deny_has_client(site->deny, client_id))
        return invalid_grant(e, "this client is no longer allowed here");
    if (deny_is_issued_before(site->deny, login_s))
        return invalid_grant(e, "this login was ended; log in again");
    return OK;
}

/* The same of the user of an access token that comes straight from the identity provider. Notes the
 * user for the audit log. */
static enum rc check_denied_user(struct exchange *x, const struct idp_tokens *t, struct err *e) {
    x->rp->audit.subject = json_get_str(t->claims, "sub");
    if (deny_has_subject(x->site->deny, x->rp->audit.subject) ||
        deny_has_subject(x->site->deny, json_get_str(t->claims, "username")))
        return invalid_grant(e, "this user is no longer allowed here");
    return OK;
}

static void warn_if_large(const struct request *rq, const char *token) {
    if (strlen(token) > TOKEN_LARGE)
        log_warn("access_token_large", kv("request", rq->id), kvn("bytes", (int64_t)strlen(token)),
                 kv("hint", "raise the web server's limit for header fields, or put less into "
                            "the token"));
}

/* Would the MCP endpoint take this access token of the identity provider's? If not, a client would
 * log in again and again. ERR_MISCONFIGURED if not, ERR_INSUFFICIENT_SCOPE if it lacks one of
 * REQUIRED_SCOPES; both are logged. OK also if it cannot be said now. */
static enum rc check_token(struct exchange *x, const char *access_token, struct err *e) {
    const char *required = scopes_needed(x->site->config, x->rq->arena);
    const struct token_claims *claims;
    struct err why = {.code = OK};
    struct idp_token token;

    if (!x->site->idp->keys) /* the issuer is not known */
        return OK;
    warn_if_large(x->rq, access_token);
    idp_token_init(x->site->idp, &token, access_token);
    claims = idp_verify(x->site->idp, x->rq->arena, &token, &why);
    /* Not the token's fault, if the provider's keys cannot be had, or are newer than ours. */
    if (!claims &&
        (why.code == ERR_UPSTREAM || idp_may_lack_key(x->site->idp, x->rq->arena, access_token))) {
        log_warn("token_not_checked", kv("request", x->rq->id), kv("reason", why.text));
        return OK;
    }
    if (!claims) {
        log_error("token_unusable", kv("request", x->rq->id), kv("reason", why.text));
        return misconfigured(
            e, "the identity provider gave a token that this server cannot take; its admin "
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

/* t->refresh_token is ours here: sealed. */
static void send_tokens(struct exchange *x, const struct idp_tokens *t) {
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

static enum rc used(struct err *e) {
    return invalid_grant(e, "the code is used, expired or unknown");
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
    if (session_store_get(x->site->oauth->sessions, a, r->code.session_id, &r->session, e))
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
        return invalid_request(e, "code is missing");
    if (!verifier)
        return invalid_request(e, "code_verifier is missing: PKCE is required");
    if (read_code(x, r, e))
        return e->code;
    if (strcmp(login->client_id, form_get(r->form, "client_id")) != 0)
        return invalid_grant(e, "the code was issued to another client");
    /* OAuth 2.1 §10.2 lets a client leave it out; if it is there it must be the same. */
    if (redirect_uri && strcmp(redirect_uri, login->redirect_uri) != 0)
        return invalid_grant(e, "redirect_uri is not the one of the authorization request");
    if (!pkce_verifier_matches(x->rq->arena, verifier, login->code_challenge))
        return invalid_grant(e, "code_verifier does not match the code_challenge");
    return client_authenticate(x->site, x->rq->arena, r->form, *login->must_authenticate, e);
}

/* The provider has given the tokens, which it does once for a code (RFC 6749 §4.1.2). If the store
 * says that another request deleted the session first, this one is refused. If the store does not
 * answer, the tokens are given out all the same: the provider's code is used up, so the login could
 * not be tried again. A session that is left behind is of no use, and ends with its ttl. */
static enum rc end_session(struct exchange *x, const char *id, struct err *e) {
    struct err why = {.code = OK};

    switch (session_store_delete(x->site->oauth->sessions, x->rq->arena, id, &why)) {
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
    enum rc rc;

    if (idp_wait_begin(x->site->idp, e))
        return e->code;
    rc = idp_exchange_code(x->site->idp, x->rp->arena, &grant, tokens, e);
    idp_wait_end(x->site->idp);
    if (rc == ERR_REFUSED)
        e->code = rc = ERR_INVALID_GRANT;
    if (rc || (rc = check_denied_user(x, tokens, e)))
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
                                        .must_authenticate = login->must_authenticate,
                                        .login_s = clock_now_s(&x->site->clock),
                                        .family = family_new(x->rq->arena)};

    return refresh_seal(x->site, x->rq->arena, login->client_id, &grant);
}

static enum rc grant_code(struct exchange *x, const struct form *f, struct err *e) {
    const int64_t now_s = clock_now_s(&x->site->clock);
    struct idp_tokens tokens;
    struct redemption r = {.form = f};
    const char *provider_code, *lease;
    enum rc rc;

    if (check_denied(x->site, form_get(f, "client_id"), now_s, e) || check_code(x, &r, e) ||
        code_open(x->rq->arena, &r.code, r.session.grant, &provider_code, e))
        return e->code;
    /* A login that was begun again from the same form has the same session: another attempt. */
    lease = text_concat(x->rq->arena, r.code.session_id, ".", r.session.attempt);
    rc = marks_add(x->site->oauth->codes, lease, now_s + CODE_LEASE_S, now_s, e);
    if (rc == ERR_EXISTS)
        return invalid_grant(e, "the code is being used by another request");
    if (rc) /* the provider alone decides */
        log_warn("code_lease_failed", kv("request", x->rq->id), kv("detail", e->text));
    rc = redeem(x, &r, provider_code, &tokens, e);
    if (rc) {
        marks_remove(x->site->oauth->codes, lease, now_s + CODE_LEASE_S);
        return rc;
    }
    /* The lease is left to end by itself: another request may have passed its check before the
     * session was deleted, and must not take one now. */
    if (check_token(x, tokens.access_token, e)) {
        e->code = ERR_MISCONFIGURED; /* a scope too: it was asked for */
        return e->code;
    }
    if (tokens.refresh_token)
        tokens.refresh_token = first_refresh_token(x, &r.login, &tokens);
    send_tokens(x, &tokens);
    return OK;
}

static enum rc check_refresh(struct exchange *x, const struct form *f, struct refresh_token *t,
                             struct err *e) {
    const struct refresh_grant *grant = &t->grant;

    if (!t->sealed)
        return invalid_request(e, "refresh_token is missing");
    if (refresh_open(x->site, x->rq->arena, t, e) ||
        check_denied(x->site, t->client_id, grant->login_s, e))
        return e->code;
    if (strcmp(grant->resource, x->site->config->mcp_server_uri) != 0)
        return invalid_grant(e, "the refresh token was issued for another resource");
    /* The provider cannot give less, so less is not refused. */
    if (form_get(f, "scope") &&
        !scopes_were_granted(x->site->config, x->rq->arena, form_get(f, "scope"), grant))
        return err_set(e, ERR_INVALID_SCOPE, "scope has more than was granted");
    return client_authenticate(x->site, x->rq->arena, f, *grant->must_authenticate, e);
}

static enum rc grant_refresh(struct exchange *x, const struct form *f, struct err *e) {
    struct refresh_token t = {.client_id = form_get(f, "client_id"),
                              .sealed = form_get(f, "refresh_token")};
    struct idp_tokens tokens;

    x->rp->audit.event = "refresh";
    if (check_refresh(x, f, &t, e) || refresh_ask(x->site, x->rq->arena, &t, &tokens, e) ||
        check_denied_user(x, &tokens, e))
        return e->code;
    if (check_token(x, tokens.access_token, e)) {
        refresh_take_back(x->site, x->rq->arena, &t.grant);
        if (e->code == ERR_INSUFFICIENT_SCOPE) /* a new login asks for it */
            e->code = ERR_INVALID_GRANT;
        return e->code;
    }
    send_tokens(x, &tokens);
    return OK;
}

/* Scopes of a user, which a client without one is not given. */
#define USER_SCOPES "openid email profile phone address offline_access"

/* The MCP extension io.modelcontextprotocol/oauth-client-credentials: the client's secret is the
 * provider's to check, so the request is passed on. */
static enum rc grant_machine(struct exchange *x, const struct form *f, struct err *e) {
    struct site *site = x->site;
    struct arena *a = x->rq->arena;
    struct idp_machine machine;
    struct idp_tokens tokens;
    enum rc rc;

    x->rp->audit.event = "client_credentials";
    if (machine_read(x, f, &machine, e) ||
        check_denied(site, machine.client_id, clock_now_s(&site->clock), e))
        return e->code;
    if (!resources_are_ours(site->config, f))
        return err_set(e, ERR_INVALID_TARGET, "resource is not this server's");
    machine.scope =
        list_without(a, scopes_of_login(site->config, a, form_get(f, "scope")), USER_SCOPES);
    if (idp_wait_begin(site->idp, e))
        return e->code;
    rc = idp_client_credentials(site->idp, x->rp->arena, &machine, &tokens, e);
    idp_wait_end(site->idp);
    if (rc == ERR_REFUSED)
        e->code = ERR_INVALID_CLIENT;
    if (!rc && !check_denied_user(x, &tokens, e))
        rc = check_token(x, tokens.access_token, e);
    if (rc == ERR_INSUFFICIENT_SCOPE)
        e->code = ERR_INVALID_SCOPE;
    if (e->code)
        return e->code;
    tokens.refresh_token = NULL; /* RFC 6749 §4.4.3 */
    send_tokens(x, &tokens);
    return OK;
}

enum rc oauth_token(struct exchange *x, struct err *e) {
    const char *grant_type;
    struct form form;

    if (machine_form_read(x, &form))
        return grant_machine(x, &form, e);
    if (client_form_read(x, &form, e))
        return e->code;
    x->rp->audit.client = form_get(&form, "client_id");
    grant_type = form_get(&form, "grant_type");
    if (!grant_type)
        return invalid_request(e, "grant_type is missing");
    if (!resources_are_ours(x->site->config, &form)) /* RFC 8707 §2.2 */
        return err_set(e, ERR_INVALID_TARGET, "resource is not this server's");
    if (!strcmp(grant_type, "authorization_code"))
        return grant_code(x, &form, e);
    if (!strcmp(grant_type, "refresh_token"))
        return grant_refresh(x, &form, e);
    return err_set(e, ERR_UNSUPPORTED_GRANT_TYPE,
                   "grant_type must be authorization_code or refresh_token");
}
