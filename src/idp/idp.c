#include "idp/idp.h"

#include <strings.h>

#include "base/encode.h"
#include "config/loading.h"
#include "idp/key_set.h"
#include "metrics/metrics.h"
#include "shared/concurrency_limit.h"
#include "web/request.h"

#define LOGIN_PARAMETER_MAX 256     /* bytes */
#define AUTHORIZATION_URL_MAX 32768 /* scopes and parameters are percent-encoded */
#define TIMEOUT_MS 5000
/* A refresh token of IDP_REFRESH_TOKEN_MAX fits when percent-encoded. */
#define FORM_BYTES_MAX (256 * 1024)
#define REPLY_BYTES_MAX (128 * 1024) /* an access token of TOKEN_LEN_MAX, and an ID token */
#define ERROR_CODE_MAX 40
#define EXPIRES_IN_MAX_S (366 * 86400)
#define SCOPE_MAX 4096
#define DEFAULT_EXPIRES_IN_S 3600
#define WORD_MAX 32 /* codes and tokens are longer */

/* The Makefile lists the files provider_NAME.c: IDP_PROVIDERS is PROVIDER(NAME) for each. */
#define PROVIDER(name) extern const struct idp_provider idp_##name;
IDP_PROVIDERS
#undef PROVIDER
#define PROVIDER(name) &idp_##name,
static const struct idp_provider *const providers[] = {IDP_PROVIDERS};

const struct idp_provider *idp_provider_of(const struct config *config) {
    const struct idp_provider *found = NULL;

    for (size_t i = 0; i < sizeof providers / sizeof *providers; i++)
        if (providers[i]->is_configured ? providers[i]->is_configured(config) : !found)
            found = providers[i];
    return found;
}

void idp_check_config(struct loading *l) {
    idp_provider_of(l->c)->configure(l);
}

void idp_open(struct idp *idp, struct cache *cache) {
    const struct config *c = idp->config;

    idp->provider = idp_provider_of(c);
    if (idp->http && *c->idp.issuer) /* a service that only gives tokens out may not know it */
        idp->keys = keyset_new(c->idp.jwks_url, idp->http, cache, idp->clock);
}

void idp_close(struct idp *idp) {
    keyset_free(idp->keys);
    idp->keys = NULL;
}

/* ---- logging in ---- */

enum rc login_parameter(const struct login_request *w, const char *name, const char **out,
                        struct err *e) {
    const char *value = form_get(w->form, name);

    *out = value ? value : "";
    if (strlen(*out) > LOGIN_PARAMETER_MAX)
        return err_set(e, ERR_INVALID_REQUEST, "%s is longer than %d bytes", name,
                       LOGIN_PARAMETER_MAX);
    for (const char *p = *out; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 127)
            return err_set(e, ERR_INVALID_REQUEST, "%s has a control character", name);
    return OK;
}

enum rc login_prompt(const struct login_request *w, struct arena *a, const char *supported,
                     const char **out, struct err *e) {
    const char *asked;

    if (login_parameter(w, "prompt", &asked, e))
        return e->code;
    *out = list_among(a, supported, asked);
    if (list_has(w->scope, "offline_access") && !list_has(asked, "none"))
        *out = arena_printf(a, "%s%sconsent", *out, **out ? " " : "");
    if (list_has(asked, "none") && strchr(*out, ' ')) /* OpenID Connect Core §3.1.2.1 */
        return err_set(e, ERR_INVALID_REQUEST, "prompt=none stands alone");
    return OK;
}

void login_add(struct buf *b, const char *name, const char *value) {
    if (*value)
        url_add_field(b, name, value);
}

enum rc idp_login_parameters(const struct idp_provider *provider, struct arena *a,
                             const struct login_request *request, const char **out, struct err *e) {
    struct buf b;

    buf_init(&b, a, IDP_PARAMETERS_MAX);
    if (provider->login_parameters(request, &b, e))
        return e->code;
    *out = b.p;
    return OK;
}

const char *idp_authorization_url(const struct config *config, struct arena *a,
                                  const struct idp_login *login) {
    struct buf b;

    buf_init(&b, a, AUTHORIZATION_URL_MAX);
    const bool logs_out = login->other_account && *config->idp.logout_url;

    buf_adds(&b, logs_out ? config->idp.logout_url : config->idp.authorize_url);
    url_add_param(&b, "response_type", "code");
    url_add_param(&b, "client_id", config->idp.client_id);
    url_add_param(&b, "redirect_uri", login->redirect_uri);
    url_add_param(&b, "scope", login->scope);
    url_add_param(&b, "state", login->state);
    url_add_param(&b, "code_challenge", login->code_challenge);
    url_add_param(&b, "code_challenge_method", "S256");
    if (login->resource)
        url_add_param(&b, "resource", login->resource);
    /* OpenID Connect Core §3.1.2.1. The client's parameters are about the account that it knows. */
    if (login->other_account && !logs_out)
        url_add_param(&b, "prompt", "select_account");
    else if (*login->parameters && !login->other_account)
        buf_addf(&b, "&%s", login->parameters);
    return b.p;
}

enum rc idp_wait_begin(struct idp *idp, struct err *e) {
    return concurrency_limit_enter(idp->limit)
               ? err_set(e, ERR_UPSTREAM, "the identity provider does not answer; try again later")
               : OK;
}

void idp_wait_end(struct idp *idp) {
    concurrency_limit_leave(idp->limit, true);
}

/* ---- the token and revocation endpoints: nothing that the provider writes is passed on; the
 * client is given a sentence of ours, and the log the status and the error code ---- */

struct call {
    struct idp *idp;
    struct arena *arena;
    const char *endpoint;      /* as the log calls it */
    const char *authorization; /* a header; NULL: none */
    struct buf form;
    struct http_reply reply;
};

static void call_init(struct call *c, struct idp *idp, struct arena *a, const char *endpoint) {
    *c = (struct call){.idp = idp, .arena = a, .endpoint = endpoint};
    buf_init(&c->form, a, FORM_BYTES_MAX);
}

/* No second try: http_fetch does not say whether the request was sent, and a code is good for one
 * exchange. A client that gets ERR_UPSTREAM still has its own code, and may come again. */
static enum rc call_send(struct call *c, const char *url, enum metric_upstream counted_as,
                         struct err *e) {
    const char *const headers[] = {"Content-Type: application/x-www-form-urlencoded",
                                   "Accept: application/json", c->authorization, NULL};
    const struct http_request rq = {
        .method = "POST",
        .url = url,
        .headers = memcpy(arena_alloc(c->arena, sizeof headers), headers, sizeof headers),
        .body = c->form.p,
        .body_len = c->form.len,
        .max_reply_bytes = REPLY_BYTES_MAX,
        .timeout_ms = TIMEOUT_MS,
        .counted_as = 1 + counted_as,
    };
    struct err why = {0};

    if (c->form.overflow)
        return err_set(e, ERR_REFUSED, "the grant is too long");
    if (!http_fetch(c->idp->http, c->arena, &rq, &c->reply, &why))
        return OK;
    (void)err_set(e, ERR_UPSTREAM, "the identity provider did not answer; try again later");
    return err_detail(e, "%s endpoint: %s", c->endpoint, *why.detail ? why.detail : why.text);
}

const char *idp_reason(struct arena *a, const char *text) {
    struct buf b;

    if (!text)
        return "";
    buf_init(&b, a, IDP_REASON_MAX + 1);
    while (*text && b.len < IDP_REASON_MAX) {
        size_t word = strcspn(text, " ");

        if (word > WORD_MAX)
            buf_adds(&b, "...");
        for (size_t i = 0; word <= WORD_MAX && i < word; i++)
            buf_addc(&b, text[i] > ' ' && text[i] <= '~' ? text[i] : '?');
        text += word;
        if (*text) {
            buf_addc(&b, ' ');
            text++;
        }
    }
    return b.p;
}

/* Logs what a refusal says. Returns its error code, "" if it has none. */
static const char *read_refusal(struct call *c) {
    const char *error, *why;
    struct json *body;

    if (json_parse(c->arena, c->reply.body, c->reply.body_len, &body, ERR_IGNORED))
        return "";
    error = json_get_str(body, "error");
    why = json_get_str(body, "error_description");
    log_info("refused_by_idp", kv("endpoint", c->endpoint), kvn("status", c->reply.status),
             kv("error", idp_reason(c->arena, error)),
             kv("detail", idp_reason(c->arena, why ? why : json_get_str(body, "message"))));
    return error ? error : "";
}

/* An error code, fit for a log: short, and without digits, which a token would have. */
static const char *error_code(struct arena *a, const char *error) {
    char *out = arena_strndup(a, error, strnlen(error, ERROR_CODE_MAX));

    for (char *p = out; *p; p++)
        if ((*p < 'a' || *p > 'z') && *p != '_')
            *p = '?';
    return *out ? out : "-";
}

/* Error codes that no other code or token would change (RFC 6749 §5.2). */
#define REFUSES_US                                                                                 \
    "invalid_client unauthorized_client unsupported_grant_type invalid_request invalid_scope"

/* What the error codes of the token endpoint mean for the caller. */
static const struct refusal {
    const char *errors, *text;
    enum rc code;
} of_login[] = {
    {"invalid_grant", "the identity provider no longer accepts this login; log in again",
     ERR_REFUSED},
    {REFUSES_US, "the identity provider does not accept this server", ERR_MISCONFIGURED},
    {0}};
/* For the client to correct, and not for us. Cognito refuses scopes with invalid_grant too. */
static const struct refusal of_machine[] = {
    {"invalid_scope invalid_grant", "the identity provider does not give this client the scope",
     ERR_INSUFFICIENT_SCOPE},
    {"invalid_client unauthorized_client",
     "the identity provider does not accept this client or its secret", ERR_REFUSED},
    {0}};

/* RFC 9110 §15.5: asking again changes nothing, but after a timeout or too many requests. */
static bool is_for_good(long status) {
    return status >= 400 && status < 500 && status != 408 && status != 425 && status != 429;
}

/* Any other error may pass. RFC 6749 §5.2 has 400 and 401; some providers write 403. */
static enum rc token_refused(struct call *c, const struct refusal *known, struct err *e) {
    const char *error = read_refusal(c);
    const bool final = is_for_good(c->reply.status);

    while (known->errors && !(final && list_has(known->errors, error)))
        known++;
    (void)err_set(e, known->errors ? known->code : ERR_UPSTREAM, "%s",
                  known->errors ? known->text
                                : "the identity provider is not available; try again later");
    return err_detail(e, "token endpoint: status=%ld error=%s", c->reply.status,
                      error_code(c->arena, error));
}

static enum rc revocation_refused(struct call *c, struct err *e) {
    const char *error = read_refusal(c);

    if (c->reply.status == 400 && !strcmp(error, "invalid_grant"))
        return OK; /* it has ended already: RFC 7009 §2.2 */
    if (is_for_good(c->reply.status))
        (void)err_set(e, ERR_MISCONFIGURED,
                      "the identity provider does not let this server revoke tokens");
    else
        (void)err_set(e, ERR_UPSTREAM, "the identity provider is not available; try again later");
    return err_detail(e, "revocation endpoint: status=%ld", c->reply.status);
}

static enum rc not_the_protocol(struct err *e, const char *what) {
    err_set(e, ERR_UPSTREAM, "the identity provider did not answer as it should; try again later");
    return err_detail(e, "token endpoint: status=200 %s", what);
}

/* RFC 6749 §5.1: scope may be left out of the answer when it is what was asked for; what the access
 * token says is then the better source. */
static const char *granted_scope(const struct json *body, const struct json *claims) {
    const char *given = json_get_str(body, "scope"), *claimed = json_get_str(claims, "scope");

    return given ? given : claimed ? claimed : "";
}

/* One that is too long to be sealed and sent back is as good as none: the login works without. */
static const char *usable_refresh_token(const char *token) {
    if (!token || !*token)
        return NULL;
    if (strlen(token) <= IDP_REFRESH_TOKEN_MAX)
        return token;
    log_warn("refresh_token_too_long", kvn("bytes", (int64_t)strlen(token)),
             kvn("most", IDP_REFRESH_TOKEN_MAX));
    return NULL;
}

/* RFC 6749 §5.1 leaves expires_in out at will. */
static int64_t lifetime_of(const struct json *body) {
    int64_t s;

    if (!json_get_int(body, "expires_in", &s) || s <= 0)
        return DEFAULT_EXPIRES_IN_S;
    return s > EXPIRES_IN_MAX_S ? EXPIRES_IN_MAX_S : s;
}

static enum rc read_tokens(struct call *c, struct idp_tokens *out, struct err *e) {
    struct json *body;

    if (json_parse(c->arena, c->reply.body, c->reply.body_len, &body, ERR_IGNORED) ||
        !json_is_object(body))
        return not_the_protocol(e, "not a JSON object");
    const char *access = json_get_str(body, "access_token");
    const char *type = json_get_str(body, "token_type");
    const char *refresh = json_get_str(body, "refresh_token");
    if (!access || !*access)
        return not_the_protocol(e, "no access_token");
    if (!type || strcasecmp(type, "Bearer") != 0) /* RFC 6749 §7.1: we can use no other */
        return not_the_protocol(e, "token_type is not Bearer");
    *out = (struct idp_tokens){
        .access_token = access,
        .refresh_token = usable_refresh_token(refresh),
        .claims = access_token_unverified(c->arena, access),
        .expires_in_s = lifetime_of(body),
    };
    out->scope = granted_scope(body, out->claims);
    if (strlen(out->scope) > SCOPE_MAX)
        return not_the_protocol(e, "scope is too long");
    return OK;
}

static enum rc ask(struct call *c, const struct refusal *known, struct idp_tokens *out,
                   struct err *e) {
    if (call_send(c, c->idp->config->idp.token_url, UPSTREAM_TOKEN, e))
        return e->code;
    return c->reply.status == 200 ? read_tokens(c, out, e) : token_refused(c, known, e);
}

enum rc idp_exchange_code(struct idp *idp, struct arena *a, const struct idp_code *code,
                          struct idp_tokens *out, struct err *e) {
    struct call c;

    call_init(&c, idp, a, "token");
    url_add_field(&c.form, "grant_type", "authorization_code");
    url_add_field(&c.form, "client_id", idp->config->idp.client_id);
    url_add_field(&c.form, "redirect_uri", code->redirect_uri);
    url_add_field(&c.form, "code", code->code);
    url_add_field(&c.form, "code_verifier", code->verifier);
    return ask(&c, of_login, out, e);
}

enum rc idp_refresh(struct idp *idp, struct arena *a, const char *refresh_token,
                    struct idp_tokens *out, struct err *e) {
    struct call c;

    call_init(&c, idp, a, "token");
    url_add_field(&c.form, "grant_type", "refresh_token");
    url_add_field(&c.form, "client_id", idp->config->idp.client_id);
    url_add_field(&c.form, "refresh_token", refresh_token);
    return ask(&c, of_login, out, e);
}

/* RFC 6749 §2.3.1: both are encoded as in a form, and then joined. */
enum rc idp_client_credentials(struct idp *idp, struct arena *a, const struct idp_machine *machine,
                               struct idp_tokens *out, struct err *e) {
    struct call c;
    struct buf both;

    call_init(&c, idp, a, "token");
    buf_init(&both, a, FORM_BYTES_MAX);
    url_encode(&both, machine->client_id);
    buf_addc(&both, ':');
    url_encode(&both, machine->secret);
    c.authorization =
        arena_printf(a, "Authorization: Basic %s", base64_encode(a, both.p, both.len));
    url_add_field(&c.form, "grant_type", "client_credentials");
    if (*machine->scope)
        url_add_field(&c.form, "scope", machine->scope);
    return ask(&c, of_machine, out, e);
}

enum rc idp_revoke(struct idp *idp, struct arena *a, const char *refresh_token, struct err *e) {
    struct call c;

    call_init(&c, idp, a, "revocation");
    url_add_field(&c.form, "token", refresh_token);
    url_add_field(&c.form, "client_id", idp->config->idp.client_id);
    if (call_send(&c, idp->config->idp.revoke_url, UPSTREAM_REVOKE, e))
        return e->code;
    return c.reply.status == 200 ? OK : revocation_refused(&c, e);
}

/* ---- access tokens ---- */

static struct token_expect expect_of(const struct idp *idp) {
    const struct config *c = idp->config;

    return (struct token_expect){.provider = idp_provider_of(c),
                                 .issuer = c->idp.issuer,
                                 .client_id = c->idp.client_id,
                                 .client_ids = c->idp.client_ids,
                                 .machine_client_ids = c->idp.machine_client_ids,
                                 .resource = c->mcp_server_uri,
                                 .needs_audience = idp->needs_audience,
                                 .now_s = clock_now_s(idp->clock)};
}

void idp_share(struct idp *idp, struct token_memory *memory) {
    const struct token_expect expect = expect_of(idp);

    token_cache_open(&idp->tokens, memory, &expect, idp->config->idp.jwks_url);
}

void idp_token_init(const struct idp *idp, struct idp_token *token, const char *text) {
    *token = (struct idp_token){.text = text};
    sha256(text, strlen(text), token->digest);
    token_cache_key(&idp->tokens, token->digest, &token->key);
}

/* The provider may have dropped the key since. */
static bool is_key_there(const struct idp *idp, uint64_t print) {
    return !idp->keys || keyset_has(idp->keys, print);
}

const struct token_claims *idp_known(const struct idp *idp, struct arena *a,
                                     const struct idp_token *token) {
    const struct token_claims *claims;
    uint64_t print;

    claims = token_cache_get(&idp->tokens, a, &token->key, clock_now_s(idp->clock), &print);
    return claims && is_key_there(idp, print) ? claims : NULL;
}

/* ERR_INVALID_TOKEN if its key has not signed it. */
static enum rc check_signature(const struct idp *idp, struct arena *a, struct idp_token *token,
                               struct jws *read, struct err *e) {
    const int64_t now_s = clock_now_s(idp->clock);
    const struct jwk *key;
    uint64_t print;

    if (token_cache_get_forged(&idp->tokens, a, &token->key, now_s, &print) &&
        is_key_there(idp, print))
        return err_set(e, ERR_INVALID_TOKEN, TOKEN_IS_FORGED);
    if (access_token_read(a, token->text, read, e) || keyset_find(idp->keys, read->kid, &key, e))
        return e->code;
    token->key_print = key->print;
    if (!access_token_check_signature(read, key, e))
        return OK;
    token->is_forged = true;
    token_cache_put_forged(&idp->tokens, &token->key, key->print, now_s);
    return e->code;
}

const struct token_claims *idp_verify(const struct idp *idp, struct arena *a,
                                      struct idp_token *token, struct err *e) {
    const struct token_expect expect = expect_of(idp);
    const struct token_claims *claims;
    struct jws read;

    if (check_signature(idp, a, token, &read, e))
        return NULL;
    claims = access_token_claims(a, &read, &expect, e);
    if (claims)
        token_cache_put(&idp->tokens, &token->key, claims, token->key_print, expect.now_s);
    return claims;
}

bool idp_may_lack_key(const struct idp *idp, struct arena *a, const char *token) {
    struct jws read;

    return !access_token_read(a, token, &read, ERR_IGNORED) && keyset_may_lack(idp->keys, read.kid);
}
