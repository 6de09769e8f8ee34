/* JSON Web Key Sets (RFC 7517), of which RSA signing keys (RFC 7518 §6.3) are kept, imported by
 * GnuTLS and held as PEM for libjwt. A key that we cannot use is left out rather than refused: a
 * provider may publish keys of other kinds next to the one that we need (RFC 7517 §5). */
#include "crypto/crypto.h"

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "crypto/jwk.h"

#define RSA_BITS_MIN 2048 /* RFC 7518 §3.3 */
#define RSA_BITS_MAX 8192 /* a longer one only costs us time */
#define RSA_EXPONENT_BYTES_MAX 4

struct jwk_set {
    size_t count;
    struct jwk keys[JWK_KEYS_MAX];
};

/* An unsigned big-endian number. RFC 7518 §6.3.1.1 forbids leading zeros, and names
 * libraries that write one nevertheless. */
struct number {
    uint8_t *bytes;
    size_t len;
};

static bool number_get(struct arena *a, const struct json *key, const char *name,
                       struct number *out) {
    const char *text = json_get_str(key, name);

    if (!text)
        return false;
    out->bytes = base64url_decode(a, text, strlen(text), &out->len);
    if (!out->bytes)
        return false;
    while (out->len > 0 && out->bytes[0] == 0) {
        out->bytes++;
        out->len--;
    }
    return out->len > 0;
}

static bool is_odd(const struct number *n) {
    return n->bytes[n->len - 1] & 1;
}

static size_t bits_of(const struct number *n) {
    return (n->len - 1) * 8 + (size_t)(32 - __builtin_clz(n->bytes[0]));
}

/* Absent, or this. */
static bool absent_or(const struct json *key, const char *name, const char *value) {
    const char *s = json_get_str(key, name);

    return !json_get(key, name) || (s && strcmp(s, value) == 0);
}

/* RFC 7518 §6.2.2, §6.3.2, §6.4: what only its owner may know. */
static bool is_private(const struct json *key) {
    static const char *const members[] = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"};

    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        if (json_get(key, members[i]))
            return true;
    return false;
}

bool jwk_set_has_private(const struct json *jwks) {
    const struct json *keys = json_get(jwks, "keys");

    for (size_t i = 0; i < json_len(keys); i++)
        if (is_private(json_at(keys, i)))
            return true;
    return false;
}

/* With a private key that is published anybody can sign, and if key_ops is there, it must offer
 * what we want to do. */
bool jwk_may_verify(const struct json *key) {
    const struct json *ops = json_get(key, "key_ops");

    if (is_private(key) || !absent_or(key, "use", "sig"))
        return false;
    if (!json_get(key, "key_ops"))
        return true;
    for (size_t i = 0; i < json_len(ops); i++) {
        const char *op = json_str(json_at(ops, i));
        if (op && strcmp(op, "verify") == 0)
            return true;
    }
    return false;
}

/* The key id of an RSA key for RS256 signatures, or NULL. */
static const char *usable_kid(const struct json *key) {
    const char *kty = json_get_str(key, "kty"), *kid = json_get_str(key, "kid");

    if (!kty || strcmp(kty, "RSA") != 0 || !absent_or(key, "alg", "RS256") || !jwk_may_verify(key))
        return NULL;
    return kid && *kid && strlen(kid) <= JWK_KID_MAX ? kid : NULL;
}

static bool usable_numbers(const struct number *n, const struct number *e) {
    size_t bits = bits_of(n);

    return bits >= RSA_BITS_MIN && bits <= RSA_BITS_MAX && is_odd(n) &&
           e->len <= RSA_EXPONENT_BYTES_MAX && is_odd(e) && !(e->len == 1 && e->bytes[0] == 1);
}

/* The key as PEM on the heap, or NULL if GnuTLS will not have it. */
static char *pem_of(const struct number *n, const struct number *e, size_t *len) {
    gnutls_datum_t modulus = {n->bytes, (unsigned)n->len};
    gnutls_datum_t exponent = {e->bytes, (unsigned)e->len};
    gnutls_datum_t pem = {NULL, 0};
    gnutls_pubkey_t key;
    char *out = NULL;

    if (gnutls_pubkey_init(&key) != GNUTLS_E_SUCCESS)
        return NULL;
    if (gnutls_pubkey_import_rsa_raw(key, &modulus, &exponent) == GNUTLS_E_SUCCESS &&
        gnutls_pubkey_export2(key, GNUTLS_X509_FMT_PEM, &pem) == GNUTLS_E_SUCCESS) {
        out = xcalloc(1, (size_t)pem.size + 1);
        memcpy(out, pem.data, pem.size);
        *len = pem.size;
    }
    gnutls_free(pem.data);
    gnutls_pubkey_deinit(key);
    return out;
}

bool jwk_verifies(const struct jwk *key, const char *text, size_t len, const uint8_t *signature,
                  size_t signature_len) {
    gnutls_datum_t pem = {(unsigned char *)key->pem, (unsigned)key->pem_len};
    gnutls_datum_t data = {(unsigned char *)(uintptr_t)text, (unsigned)len};
    gnutls_datum_t sig = {(unsigned char *)(uintptr_t)signature, (unsigned)signature_len};
    gnutls_pubkey_t pub;
    bool ok;

    if (gnutls_pubkey_init(&pub) != GNUTLS_E_SUCCESS)
        return false;
    ok = gnutls_pubkey_import(pub, &pem, GNUTLS_X509_FMT_PEM) == GNUTLS_E_SUCCESS &&
         gnutls_pubkey_verify_data2(pub, GNUTLS_SIGN_RSA_SHA256, 0, &data, &sig) >= 0;
    gnutls_pubkey_deinit(pub);
    return ok;
}

/* Adds the key to the set if it can be used and there is room. False only if there is none. */
static bool add_if_usable(struct jwk_set *s, struct arena *a, const struct json *key) {
    const char *kid = usable_kid(key);
    struct number n, e;
    struct jwk jwk;

    if (!kid || !number_get(a, key, "n", &n) || !number_get(a, key, "e", &e) ||
        !usable_numbers(&n, &e) || jwk_set_find(s, kid)) /* of two with one id the first counts */
        return true;
    if (s->count == JWK_KEYS_MAX)
        return false;
    jwk.pem = pem_of(&n, &e, &jwk.pem_len);
    if (!jwk.pem)
        return true;
    jwk.kid = xstrdup(kid);
    s->keys[s->count++] = jwk;
    return true;
}

static enum rc unusable(struct err *e, const char *why) {
    err_set(e, ERR_UPSTREAM, "the identity provider's key set cannot be used");
    err_detail(e, "key set: %s", why);
    return ERR_UPSTREAM;
}

static enum rc add_keys(struct jwk_set *s, struct arena *a, const char *text, size_t len,
                        struct err *e) {
    struct err parse = {0};
    struct json *root;

    if (json_parse(a, text, len, &root, &parse))
        return unusable(e, parse.text);
    const struct json *keys = json_get(root, "keys");
    if (!json_is_array(keys))
        return unusable(e, "it has no array \"keys\"");
    for (size_t i = 0; i < json_len(keys); i++)
        if (!add_if_usable(s, a, json_at(keys, i)))
            return unusable(e, "it has too many keys");
    return s->count ? OK : unusable(e, "it has no RSA key for RS256 signatures");
}

enum rc jwk_set_parse(const char *text, size_t len, struct jwk_set **out, struct err *e) {
    if (len > JWK_SET_BYTES_MAX)
        return unusable(e, "it is too long");
    struct jwk_set *s = xcalloc(1, sizeof *s);
    struct arena *a = arena_new(8 * (size_t)JWK_SET_BYTES_MAX);
    enum rc rc = add_keys(s, a, text, len, e);
    arena_free(a);
    if (rc) {
        jwk_set_free(s);
        return rc;
    }
    *out = s;
    return OK;
}

void jwk_set_free(struct jwk_set *s) {
    if (!s)
        return;
    for (size_t i = 0; i < s->count; i++) {
        free(s->keys[i].kid);
        free(s->keys[i].pem);
    }
    free(s);
}

const struct jwk *jwk_set_find(const struct jwk_set *s, const char *kid) {
    if (!s || !kid)
        return NULL;
    for (size_t i = 0; i < s->count; i++)
        if (strcmp(s->keys[i].kid, kid) == 0)
            return &s->keys[i];
    return NULL;
}
