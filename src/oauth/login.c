#include "oauth/login.h"

#include "base/json.h"
#include "base/text.h"
#include "base/url.h"
#include "config/config.h"
#include "crypto/seal.h"
#include "web/request.h"

/* Redirect URI, state and issuer, the latter two percent-encoded, and the rest. */
#define URI_OUT_MAX (URL_LEN_MAX + 3 * STATE_LEN_MAX + 3 * URL_LEN_MAX + 2048)

static const struct {
    const char *name;
    size_t offset;
} members[] = {
    {"client_id", offsetof(struct login, client_id)},
    {"client_name", offsetof(struct login, client_name)},
    {"client_host", offsetof(struct login, client_host)},
    {"redirect_uri", offsetof(struct login, redirect_uri)},
    {"state", offsetof(struct login, state)},
    {"code_challenge", offsetof(struct login, code_challenge)},
    {"scope", offsetof(struct login, scope)},
    {"resource", offsetof(struct login, resource)},
    {"verifier", offsetof(struct login, verifier)},
    {"idp_parameters", offsetof(struct login, idp_parameters)},
    {"authenticates", offsetof(struct login, authenticates)},
};
#define MEMBER_COUNT (sizeof members / sizeof *members)

const char *login_seal(struct site *site, struct arena *a, const char *purpose, const char *bound,
                       const struct login *in) {
    struct json *o = json_new_object(a);
    const char *text;
    size_t len;

    for (size_t i = 0; i < MEMBER_COUNT; i++) {
        const char *const *at =
            (const char *const *)(const void *)((const char *)in + members[i].offset);

        json_put_str(o, members[i].name, *at ? *at : "");
    }
    json_put_int(o, "expires", in->expires_s);
    text = json_text(a, o, &len);
    return seal(a,
                &(struct seal_binding){.keys = site->seal, .purpose = purpose, .associated = bound},
                text, len);
}

enum rc login_open(struct site *site, struct arena *a, const struct sealed_login *sealed,
                   struct login *out, struct err *e) {
    const struct seal_binding binding = {
        .keys = site->seal, .purpose = sealed->purpose, .associated = sealed->bound};
    struct plaintext text;
    struct json *o;

    memset(out, 0, sizeof *out);
    if (seal_open(a, &binding, sealed->text, &text, e) ||
        json_parse(a, text.data, text.len, &o, e) || !json_get_int(o, "expires", &out->expires_s))
        return err_set(e, ERR_INVALID_REQUEST, "this login was not begun here in this browser");
    if (out->expires_s <= clock_now_s(&site->clock))
        return err_set(e, ERR_INVALID_REQUEST, "this login took too long");
    for (size_t i = 0; i < MEMBER_COUNT; i++) {
        const char **at = (const char **)(void *)((char *)out + members[i].offset);

        *at = json_get_str(o, members[i].name);
        if (!*at)
            return err_set(e, ERR_INVALID_REQUEST, "this login was begun by another version");
    }
    return OK;
}

static void begin_uri(struct buf *b, struct arena *a, const struct login *in) {
    buf_init(b, a, URI_OUT_MAX);
    buf_adds(b, in->redirect_uri);
}

static const char *end_uri(struct site *site, struct buf *b, const struct login *in) {
    url_add_param(b, "state", *in->state ? in->state : NULL);
    url_add_param(b, "iss", site->config->auth_proxy_uri); /* RFC 9207 §2 */
    return b->p;
}

const char *login_error_uri(struct site *site, struct arena *a, const struct login *in,
                            const char *error, const char *description) {
    struct buf b;

    begin_uri(&b, a, in);
    url_add_param(&b, "error", error);
    url_add_param(&b, "error_description", description);
    return end_uri(site, &b, in);
}

const char *login_code_uri(struct site *site, struct arena *a, const struct login *in,
                           const char *code) {
    struct buf b;

    begin_uri(&b, a, in);
    url_add_param(&b, "code", code);
    return end_uri(site, &b, in);
}
