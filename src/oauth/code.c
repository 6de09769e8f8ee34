#include "oauth/code.h"

#include "base/encode.h"
#include "crypto/digest.h"
#include "crypto/seal.h"
#include "oauth/codes.h"
#include "store/store.h"

#define SECRET_BYTES 32
#define SECRET_LEN 43
#define ATTEMPT_BYTES 16

static void derive_key(const char *secret, uint8_t key[SEAL_KEY_LEN]) {
    hkdf_sha256(secret, strlen(secret), "mcp-authd code", key, SEAL_KEY_LEN);
}

/* What only this login has. The parts have no line ends but perhaps the last. */
static const char *join(struct arena *a, const char *session_id, const char *cookie,
                        const char *answer) {
    return arena_printf(a, "%s\n%s\n%s", session_id, cookie, answer);
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
    return arena_printf(a, "%s.%s", session_id, secret);
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
        return err_set(e, ERR_INVALID_GRANT, "the code is not one of this server's");
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
        return err_set(e, ERR_INVALID_GRANT, "the code is not one of this server's");
    *provider_code = plain.data;
    return OK;
}
