/* POST /token: OAuth 2.1 §3.2. Public clients: what proves them is the code's or the refresh
 * token's binding to their client_id, and PKCE. */
#include <string.h>

#include "base/json.h"
#include "cognito/cognito.h"
#include "oauth/code.h"
#include "oauth/oauth.h"
#include "store/store.h"

#define REFRESH_TOKEN_MAX 8192

static enum rc read_form(const struct request *rq, struct form *f, struct reply *rp,
                         struct err *e) {
    if (!request_has_type(rq, "application/x-www-form-urlencoded"))
        return err_set(e, ERR_INVALID_REQUEST,
                       "the body must be sent as application/x-www-form-urlencoded");
    if (form_parse(rq->arena, rq->body, rq->body_len, f, e))
        return e->code;
    if (request_header(rq, "authorization")) /* RFC 6749 §5.2: answered in its own scheme */
        reply_header(rp, "WWW-Authenticate", "Basic realm=\"public clients only\"");
    if (form_get(f, "client_secret") || request_header(rq, "authorization"))
        return err_set(e, ERR_INVALID_CLIENT,
                       "clients of this server are public: send client_id and no secret");
    if (!form_get(f, "client_id"))
        return err_set(e, ERR_INVALID_REQUEST, "client_id is missing");
    return OK;
}

/* The refresh token that goes out: Cognito's, sealed and bound to the client and the resource. */
static const char *seal_refresh(struct context *cx, struct arena *a, const char *client_id,
                                const char *scope, const char *refresh_token, int64_t login_s) {
    struct json *o = json_new_object(a);
    const char *text;
    size_t len;

    json_put_str(o, "token", refresh_token);
    json_put_str(o, "resource", cx->config->mcp_server_uri);
    json_put_str(o, "scope", scope);
    json_put_int(o, "login", login_s);
    text = json_text(a, o, &len);
    return seal(a, cx->seal, "refresh", client_id, text, len);
}

static void answer(struct context *cx, const struct request *rq, struct reply *rp,
                   const char *client_id, const struct cognito_tokens *t, int64_t login_s) {
    struct json *o = json_new_object(rq->arena);

    json_put_str(o, "access_token", t->access_token);
    json_put_str(o, "token_type", "Bearer");
    json_put_int(o, "expires_in", t->expires_in_s);
    json_put_str(o, "scope", t->scope);
    if (t->refresh_token)
        json_put_str(o, "refresh_token",
                     seal_refresh(cx, rq->arena, client_id, t->scope, t->refresh_token, login_s));
    rp->audit.outcome = "issued";
    reply_json(rp, 200, o);
    reply_header(rp, "Cache-Control", "no-store"); /* RFC 6749 §5.1 */
    reply_header(rp, "Pragma", "no-cache");
}

/* Everything that can be wrong with a code, checked before anything changes: a failed check burns
 * nothing. */
static enum rc check_code(struct context *cx, const struct request *rq, const struct form *f,
                          struct code *code, struct session *s, struct login *login,
                          struct err *e) {
    const char *text = form_get(f, "code"), *verifier = form_get(f, "code_verifier");
    const char *redirect_uri = form_get(f, "redirect_uri");

    if (!text)
        return err_set(e, ERR_INVALID_REQUEST, "code is missing");
    if (!verifier)
        return err_set(e, ERR_INVALID_REQUEST, "code_verifier is missing: PKCE is required");
    if (code_split(rq->arena, text, code, e))
        return e->code;
    if (store_session_get(cx->store, rq->arena, code->session_id, clock_now_s(&cx->clock), s, e))
        return e->code == ERR_MISSING
                   ? err_set(e, ERR_INVALID_GRANT, "the code is used, expired or unknown")
                   : e->code;
    if (s->state != SESSION_AUTHORIZED || !*s->grant ||
        login_open(cx, rq->arena, "session", s->id, s->login, login, e))
        return err_set(e, ERR_INVALID_GRANT, "the code is used, expired or unknown");
    if (strcmp(login->client_id, form_get(f, "client_id")) != 0)
        return err_set(e, ERR_INVALID_GRANT, "the code was issued to another client");
    /* OAuth 2.1 §10.2 lets a client leave it out; if it is there it must be the same. */
    if (redirect_uri && strcmp(redirect_uri, login->redirect_uri) != 0)
        return err_set(e, ERR_INVALID_GRANT,
                       "redirect_uri is not the one of the authorization request");
    if (!pkce_verifier_matches(rq->arena, verifier, login->code_challenge))
        return err_set(e, ERR_INVALID_GRANT, "code_verifier does not match the code_challenge");
    return OK;
}

/* Asks Cognito before the session is deleted: a passing failure there leaves the code usable. Of
 * any number that get this far at once, Cognito answers one, and one delete succeeds. */
static enum rc grant_code(struct context *cx, const struct request *rq, const struct form *f,
                          struct reply *rp, struct err *e) {
    struct cognito_tokens tokens;
    struct code code;
    struct session s;
    struct login login;
    const char *cognito_code;

    if (stop_grant(cx, form_get(f, "client_id"), clock_now_s(&cx->clock), e) ||
        check_code(cx, rq, f, &code, &s, &login, e) ||
        code_open(rq->arena, &code, s.grant, &cognito_code, e) ||
        cognito_exchange_code(cx->http, cx->config, rq->arena, cognito_code, login.verifier,
                              &tokens, e) ||
        stop_subject(cx, rp, tokens.access_token, e))
        return e->code;
    if (store_session_delete(cx->store, rq->arena, code.session_id, clock_now_s(&cx->clock), &s, e))
        return e->code == ERR_CONFLICT ? err_set(e, ERR_INVALID_GRANT, "the code is used")
                                       : e->code;
    answer(cx, rq, rp, login.client_id, &tokens, clock_now_s(&cx->clock));
    return OK;
}

static enum rc open_refresh(struct context *cx, const struct request *rq, const struct form *f,
                            const char **token, const char **scope, int64_t *login_s,
                            struct err *e) {
    const char *sealed = form_get(f, "refresh_token"), *resource;
    struct json *o;
    char *text;
    size_t len;

    if (!sealed)
        return err_set(e, ERR_INVALID_REQUEST, "refresh_token is missing");
    if (strlen(sealed) > REFRESH_TOKEN_MAX ||
        seal_open(rq->arena, cx->seal, "refresh", form_get(f, "client_id"), sealed, &text, &len,
                  e) ||
        json_parse(rq->arena, text, len, &o, e) || !(*token = json_get_str(o, "token")) ||
        !(*scope = json_get_str(o, "scope")) || !(resource = json_get_str(o, "resource")))
        return err_set(e, ERR_INVALID_GRANT,
                       "the refresh token is not one of this server's, or another client's");
    *login_s = 0;
    (void)json_get_int(o, "login", login_s); /* not in those of earlier versions */
    if (stop_grant(cx, form_get(f, "client_id"), *login_s, e))
        return e->code;
    if (strcmp(resource, cx->config->mcp_server_uri) != 0)
        return err_set(e, ERR_INVALID_GRANT, "the refresh token was issued for another resource");
    /* RFC 6749 §6: not more than was granted. Cognito cannot give less, so less is not refused. */
    if (form_get(f, "scope") && !list_covers(*scope, form_get(f, "scope")))
        return err_set(e, ERR_INVALID_SCOPE, "scope has more than was granted");
    return OK;
}

static enum rc grant_refresh(struct context *cx, const struct request *rq, const struct form *f,
                             struct reply *rp, struct err *e) {
    const char *client_id = form_get(f, "client_id"), *token = NULL, *scope = NULL;
    struct cognito_tokens tokens;
    int64_t login_s = 0;

    rp->audit.event = "refresh";
    if (open_refresh(cx, rq, f, &token, &scope, &login_s, e) ||
        cognito_refresh(cx->http, cx->config, rq->arena, token, &tokens, e) ||
        stop_subject(cx, rp, tokens.access_token, e))
        return e->code;
    if (!tokens.refresh_token) /* Cognito did not rotate it */
        tokens.refresh_token = token;
    if (!*tokens.scope)
        tokens.scope = scope;
    answer(cx, rq, rp, client_id, &tokens, login_s);
    return OK;
}

enum rc oauth_token(struct context *cx, const struct request *rq, struct reply *rp, struct err *e) {
    const char *grant_type;
    struct form form;

    if (read_form(rq, &form, rp, e))
        return e->code;
    rp->audit.client = form_get(&form, "client_id");
    grant_type = form_get(&form, "grant_type");
    if (!grant_type)
        return err_set(e, ERR_INVALID_REQUEST, "grant_type is missing");
    if (!resource_is_ours(cx->config, form_get(&form, "resource"))) /* RFC 8707 §2.2 */
        return err_set(e, ERR_INVALID_TARGET, "resource is not this server's");
    if (!strcmp(grant_type, "authorization_code"))
        return grant_code(cx, rq, &form, rp, e);
    if (!strcmp(grant_type, "refresh_token"))
        return grant_refresh(cx, rq, &form, rp, e);
    return err_set(e, ERR_UNSUPPORTED_GRANT_TYPE,
                   "grant_type must be authorization_code or refresh_token");
}
