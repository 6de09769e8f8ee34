/* Nothing that the provider writes is passed on: the client is given a sentence of ours, and the
 * log the status and the error code. */
#include "idp/token_client.h"

#include <strings.h>

#include "base/json.h"
#include "base/text.h"
#include "base/url.h"
#include "metrics/metrics.h"
#include "net/http.h"

#define TIMEOUT_MS 5000
/* A refresh token of IDP_REFRESH_TOKEN_MAX fits when percent-encoded. */
#define FORM_BYTES_MAX (256 * 1024)
#define REPLY_BYTES_MAX (128 * 1024) /* an access token of TOKEN_LEN_MAX, and an ID token */
#define ERROR_CODE_MAX 40
#define EXPIRES_IN_MAX_S (366 * 86400)
#define SCOPE_MAX 4096
#define DEFAULT_EXPIRES_IN_S 3600
#define WORD_MAX 32 /* codes and tokens are longer */

/* ---- the request ---- */

struct call {
    struct idp *idp;
    struct arena *arena;
    const char *endpoint; /* as the log calls it */
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
    static const char *const headers[] = {"Content-Type: application/x-www-form-urlencoded",
                                          "Accept: application/json", NULL};
    const struct http_request rq = {
        .method = "POST",
        .url = url,
        .headers = headers,
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
    err_detail(e, "%s endpoint: %s", c->endpoint, *why.detail ? why.detail : why.text);
    return e->code;
}

/* ---- a refusal ---- */

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
    struct err ignored = {0};
    struct json *body;

    if (json_parse(c->arena, c->reply.body, c->reply.body_len, &body, &ignored))
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

/* Any other error, and any other status than 400 and 401, may pass. */
static enum rc token_refused(struct call *c, struct err *e) {
    const char *error = read_refusal(c);
    const bool final = c->reply.status == 400 || c->reply.status == 401;

    if (final && !strcmp(error, "invalid_grant"))
        (void)err_set(e, ERR_REFUSED,
                      "the identity provider no longer accepts this login; log in again");
    else if (final && list_has(REFUSES_US, error))
        (void)err_set(e, ERR_MISCONFIGURED, "the identity provider does not accept this server");
    else
        (void)err_set(e, ERR_UPSTREAM, "the identity provider is not available; try again later");
    err_detail(e, "token endpoint: status=%ld error=%s", c->reply.status,
               error_code(c->arena, error));
    return e->code;
}

/* RFC 9110 §15.5: asking again changes nothing, but after a timeout or too many requests. */
static bool is_for_good(long status) {
    return status >= 400 && status < 500 && status != 408 && status != 425 && status != 429;
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
    err_detail(e, "revocation endpoint: status=%ld", c->reply.status);
    return e->code;
}

/* ---- tokens ---- */

static enum rc not_the_protocol(struct err *e, const char *what) {
    err_set(e, ERR_UPSTREAM, "the identity provider did not answer as it should; try again later");
    err_detail(e, "token endpoint: status=200 %s", what);
    return ERR_UPSTREAM;
}

/* RFC 6749 §5.1: scope may be left out of the answer when it is what was asked for; what the access
 * token says is then the better source. */
static const char *granted_scope(struct arena *a, const struct json *body,
                                 const char *access_token) {
    const char *scope = json_get_str(body, "scope");

    if (!scope)
        scope = access_token_unverified(a, access_token, "scope");
    return scope ? scope : "";
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
    struct err ignored = {0};
    struct json *body;

    if (json_parse(c->arena, c->reply.body, c->reply.body_len, &body, &ignored) ||
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
        .scope = granted_scope(c->arena, body, access),
        .expires_in_s = lifetime_of(body),
    };
    if (strlen(out->scope) > SCOPE_MAX)
        return not_the_protocol(e, "scope is too long");
    return OK;
}

static enum rc ask(struct call *c, struct idp_tokens *out, struct err *e) {
    if (call_send(c, c->idp->config->idp.token_url, UPSTREAM_TOKEN, e))
        return e->code;
    return c->reply.status == 200 ? read_tokens(c, out, e) : token_refused(c, e);
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
    return ask(&c, out, e);
}

enum rc idp_refresh(struct idp *idp, struct arena *a, const char *refresh_token,
                    struct idp_tokens *out, struct err *e) {
    struct call c;

    call_init(&c, idp, a, "token");
    url_add_field(&c.form, "grant_type", "refresh_token");
    url_add_field(&c.form, "client_id", idp->config->idp.client_id);
    url_add_field(&c.form, "refresh_token", refresh_token);
    return ask(&c, out, e);
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
