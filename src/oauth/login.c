#include "oauth/login.h"

#include "base/encode.h"
#include "base/json.h"
#include "base/url.h"
#include "config/config.h"
#include "crypto/digest.h"
#include "crypto/seal.h"
#include "oauth/site.h"
#include "store/sessions.h"

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
    {"authenticates", offsetof(struct login, must_authenticate)},
};
#define MEMBER_COUNT (sizeof members / sizeof *members)
#define SECRET_BYTES 32
#define SECRET_LEN 43
#define ATTEMPT_BYTES 16

const char *login_seal(struct site *site, struct arena *a, const char *purpose, const char *bound,
                       const struct login *in) {
    struct json *o = json_new_object(a);

    for (size_t i = 0; i < MEMBER_COUNT; i++) {
        const char *const *at =
            (const char *const *)(const void *)((const char *)in + members[i].offset);

        json_put_str(o, members[i].name, *at ? *at : "");
    }
    json_put_int(o, "expires", in->expires_s);
    return seal_json(
        a, &(struct seal_binding){.keys = site->seal, .purpose = purpose, .associated = bound}, o);
}

enum rc login_open(struct site *site, struct arena *a, const struct sealed_login *sealed,
                   struct login *out, struct err *e) {
    const struct seal_binding binding = {
        .keys = site->seal, .purpose = sealed->purpose, .associated = sealed->bound};
    struct json *o;

    memset(out, 0, sizeof *out);
    if (seal_open_json(a, &binding, sealed->text, &o, e) ||
        !json_get_int(o, "expires", &out->expires_s))
        return invalid_request(e, "this login was not begun here in this browser");
    if (out->expires_s <= clock_now_s(&site->clock))
        return invalid_request(e, "this login took too long");
    for (size_t i = 0; i < MEMBER_COUNT; i++) {
        const char **at = (const char **)(void *)((char *)out + members[i].offset);

        *at = json_get_str(o, members[i].name);
        if (!*at)
            return invalid_request(e, "this login was begun by another version");
    }
    return OK;
}

const char *login_answer_uri(struct site *site, struct arena *a, const struct login *in,
                             const struct login_answer *answer) {
    struct buf b;

    buf_init(&b, a, URI_OUT_MAX);
    buf_adds(&b, in->redirect_uri);
    url_add_param(&b, "code", answer->code);
    url_add_param(&b, "error", answer->error);
    url_add_param(&b, "error_description", answer->error_description);
    url_add_param(&b, "state", *in->state ? in->state : NULL);
    url_add_param(&b, "iss", site->config->auth_proxy_uri); /* RFC 9207 §2 */
    return b.p;
}

static void derive_key(const char *secret, uint8_t key[SEAL_KEY_LEN]) {
    hkdf_sha256(secret, strlen(secret), "mcp-authd code", key, SEAL_KEY_LEN);
}

/* What only this login has. The parts have no line ends but perhaps the last. */
static const char *join(struct arena *a, const char *session_id, const char *cookie,
                        const char *answer) {
    return text_concat(a, session_id, "\n", cookie, "\n", answer);
}

/* Base64url of `len` bytes that only who knows all of the parts can make. */
static const char *derive_text(struct arena *a, const char *parts, const char *purpose,
                               size_t len) {
    uint8_t out[SECRET_BYTES];
    const char *text;

    hkdf_sha256(parts, strlen(parts), purpose, out, len);
    text = base64url_encode(a, out, len);
    explicit_bzero(out, sizeof out);
    return text;
}

const char *code_make(struct arena *a, const char *session_id, const char *cookie,
                      const char *provider_code, const char **grant) {
    const char *secret = derive_text(a, join(a, session_id, cookie, provider_code),
                                     "mcp-authd code secret", SECRET_BYTES);
    uint8_t key[SEAL_KEY_LEN];

    derive_key(secret, key);
    *grant =
        seal(a, &(struct seal_binding){.key = key, .purpose = "grant", .associated = session_id},
             provider_code, strlen(provider_code));
    explicit_bzero(key, sizeof key);
    return text_concat(a, session_id, ".", secret);
}

const char *code_attempt(struct arena *a, const char *session_id, const char *cookie,
                         const char *idp_answer) {
    return derive_text(a, join(a, session_id, cookie, idp_answer), "mcp-authd attempt",
                       ATTEMPT_BYTES);
}

enum rc code_split(struct arena *a, const char *text, struct code *out, struct err *e) {
    const char *dot = strchr(text, '.');
    size_t len;

    if (!dot || dot == text || dot - text > SESSION_ID_MAX || strlen(dot + 1) != SECRET_LEN ||
        !base64url_decode(a, text, (size_t)(dot - text), &len) ||
        !base64url_decode(a, dot + 1, SECRET_LEN, &len))
        return invalid_grant(e, "the code is not one of this server's");
    out->session_id = arena_strndup(a, text, (size_t)(dot - text));
    out->secret = dot + 1;
    return OK;
}

enum rc code_open(struct arena *a, const struct code *code, const char *grant,
                  const char **provider_code, struct err *e) {
    uint8_t key[SEAL_KEY_LEN];
    struct plaintext plain;
    enum rc rc;

    derive_key(code->secret, key);
    rc = seal_open(
        a, &(struct seal_binding){.key = key, .purpose = "grant", .associated = code->session_id},
        grant, &plain, e);
    explicit_bzero(key, sizeof key);
    if (rc)
        return invalid_grant(e, "the code is not one of this server's");
    *provider_code = plain.data;
    return OK;
}
