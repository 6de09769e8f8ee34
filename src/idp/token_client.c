/* Cognito's token endpoint (RFC 6749 §4.1.3 and §6). The app client is public, so nothing but the
 * PKCE verifier (RFC 7636) proves that the exchange is ours. What Cognito writes goes nowhere: our
 * own sentence goes to the client, and the log gets the status and the error code. */
#include "idp/idp.h"

#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/log.h"
#include "base/url.h"
#include "metrics/metrics.h"

#define TIMEOUT_MS 5000
/* A refresh token of COGNITO_REFRESH_TOKEN_MAX fits when percent-encoded. */
#define FORM_BYTES_MAX (256 * 1024)
#define REPLY_BYTES_MAX (128 * 1024) /* an access token of TOKEN_LEN_MAX, and an ID token */
#define ERROR_CODE_MAX 40
#define EXPIRES_IN_MAX_S (366 * 86400)
#define SCOPE_MAX 4096
#define DEFAULT_EXPIRES_IN_S 3600 /* RFC 6749 §5.1 leaves expires_in out at will */

/* ---- the request ---- */

static void add_field(struct buf *b, const char *name, const char *value) {
    if (b->len)
        buf_addc(b, '&');
    buf_adds(b, name);
    buf_addc(b, '=');
    url_encode(b, value);
}

/* No second try: http_fetch does not say whether the request was sent, and Cognito takes a code
 * only once. A client that gets ERR_UPSTREAM still has its own code, and may come again. */
static enum rc post(struct http_client *http, const struct config *config, struct arena *a,
                    const struct buf *form, struct http_reply *reply, struct err *e) {
    static const char *const headers[] = {"Content-Type: application/x-www-form-urlencoded",
                                          "Accept: application/json", NULL};
    const struct http_request rq = {
        .method = "POST",
        .url = config->cognito_token_url,
        .headers = headers,
        .body = form->p,
        .body_len = form->len,
        .max_reply_bytes = REPLY_BYTES_MAX,
        .timeout_ms = TIMEOUT_MS,
        .counted_as = 1 + UPSTREAM_TOKEN,
    };
    struct err why = {0};

    if (form->overflow) {
        err_set(e, ERR_REFUSED, "the grant is too long");
        return e->code;
    }
    if (http_fetch(http, a, &rq, reply, &why) == OK)
        return OK;
    err_set(e, ERR_UPSTREAM, "the identity provider did not answer; try again later");
    err_detail(e, "token endpoint: %s", *why.detail ? why.detail : why.text);
    return ERR_UPSTREAM;
}

/* ---- a refusal ---- */

/* What an answer 400 or 401 means (RFC 6749 §5.2), by its error code. The last line is for all
 * others: they may pass. */
static const struct refusal {
    const char *error;
    enum rc rc;
    const char *text;
} refusals[] = {
    {"invalid_grant", ERR_REFUSED,
     "the identity provider no longer accepts this login; log in again"},
    {"invalid_client", ERR_MISCONFIGURED, "the identity provider does not accept this server"},
    {"unauthorized_client", ERR_MISCONFIGURED, "the identity provider does not accept this server"},
    {"unsupported_grant_type", ERR_MISCONFIGURED,
     "the identity provider does not accept this server"},
    {"invalid_request", ERR_MISCONFIGURED, "the identity provider does not accept this server"},
    {"invalid_scope", ERR_MISCONFIGURED, "the identity provider does not accept this server"},
    {NULL, ERR_UPSTREAM, "the identity provider is not available; try again later"},
};

static const struct refusal *refusal_of(const char *error) {
    const struct refusal *r = refusals;

    while (r->error && strcmp(r->error, error) != 0)
        r++;
    return r;
}

/* An upstream's error code, fit for a log: short, and with nothing in it that a token would need.
 */
static const char *error_code(struct arena *a, const char *error) {
    char *out = arena_strndup(a, error, strnlen(error, ERROR_CODE_MAX));

    for (char *p = out; *p; p++)
        if ((*p < 'a' || *p > 'z') && *p != '_')
            *p = '?';
    return out;
}

static enum rc refused(struct arena *a, const struct http_reply *reply, struct err *e) {
    const char *error = cognito_refusal(a, "token", reply);
    const bool final = reply->status == 400 || reply->status == 401;
    const struct refusal *r = refusal_of(final ? error : "");
    err_set(e, r->rc, "%s", r->text);
    err_detail(e, "token endpoint: status=%ld error=%s", reply->status,
               *error ? error_code(a, error) : "-");
    return r->rc;
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
    if (strlen(token) <= COGNITO_REFRESH_TOKEN_MAX)
        return token;
    log_warn("refresh_token_too_long", kvn("bytes", (int64_t)strlen(token)),
             kvn("most", COGNITO_REFRESH_TOKEN_MAX));
    return NULL;
}

static enum rc read_tokens(struct arena *a, const struct http_reply *reply, struct idp_tokens *out,
                           struct err *e) {
    struct err ignored = {0};
    struct json *body;

    if (json_parse(a, reply->body, reply->body_len, &body, &ignored) || !json_is_object(body))
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
        .scope = granted_scope(a, body, access),
    };
    if (strlen(out->scope) > SCOPE_MAX)
        return not_the_protocol(e, "scope is too long");
    if (!json_get_int(body, "expires_in", &out->expires_in_s) || out->expires_in_s <= 0)
        out->expires_in_s = DEFAULT_EXPIRES_IN_S;
    if (out->expires_in_s > EXPIRES_IN_MAX_S)
        out->expires_in_s = EXPIRES_IN_MAX_S;
    return OK;
}

static enum rc ask(struct http_client *http, const struct config *config, struct arena *a,
                   const struct buf *form, struct idp_tokens *out, struct err *e) {
    struct http_reply reply;

    if (post(http, config, a, form, &reply, e))
        return e->code;
    return reply.status == 200 ? read_tokens(a, &reply, out, e) : refused(a, &reply, e);
}

enum rc cognito_exchange_code(struct http_client *http, const struct config *config,
                              struct arena *a, const char *code, const char *verifier,
                              struct idp_tokens *out, struct err *e) {
    struct buf form;

    buf_init(&form, a, FORM_BYTES_MAX);
    add_field(&form, "grant_type", "authorization_code");
    add_field(&form, "client_id", config->cognito_client_id);
    add_field(&form, "redirect_uri", config->callback_uri);
    add_field(&form, "code", code);
    add_field(&form, "code_verifier", verifier);
    return ask(http, config, a, &form, out, e);
}

enum rc cognito_refresh(struct http_client *http, const struct config *config, struct arena *a,
                        const char *refresh_token, struct idp_tokens *out, struct err *e) {
    struct buf form;

    buf_init(&form, a, FORM_BYTES_MAX);
    add_field(&form, "grant_type", "refresh_token");
    add_field(&form, "client_id", config->cognito_client_id);
    add_field(&form, "refresh_token", refresh_token);
    return ask(http, config, a, &form, out, e);
}
