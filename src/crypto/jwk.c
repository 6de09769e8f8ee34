/* Keys are imported by GnuTLS and kept as PEM. */
#include "crypto/jwk.h"

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>

#include "base/encode.h"

#define RSA_BITS_MIN 2048 /* RFC 7518 §3.3 */
#define RSA_BITS_MAX 8192 /* verifying with a longer key takes too long */
#define RSA_EXPONENT_BYTES_MAX 4
#define P256_BYTES 32                      /* RFC 7518 §6.2.1.2 */
#define SET_ARENA_MAX ((size_t)256 * 1024) /* JWK_KEYS_MAX keys as PEM */

struct jwk_set {
    struct arena *arena;
    size_t count;
    struct jwk keys[JWK_KEYS_MAX];
};

/* ---- one key ---- */

/* A string of bytes in base64url. */
static bool bytes_get(struct arena *a, const struct json *key, const char *name,
                      gnutls_datum_t *out) {
    const char *text = json_get_str(key, name);
    size_t len = 0;

    out->data = text ? base64url_decode(a, text, strlen(text), &len) : NULL;
    out->size = (unsigned)len;
    return out->data && len;
}

/* An unsigned number in big-endian order. RFC 7518 §6.3.1.1 forbids leading zeros, and names
 * libraries that write one nevertheless. */
static bool number_get(struct arena *a, const struct json *key, const char *name,
                       gnutls_datum_t *out) {
    if (!bytes_get(a, key, name, out))
        return false;
    while (out->size && !*out->data) {
        out->data++;
        out->size--;
    }
    return out->size;
}

static bool is_odd(const gnutls_datum_t *n) {
    return n->data[n->size - 1] & 1;
}

static size_t bits_of(const gnutls_datum_t *n) {
    return ((size_t)n->size - 1) * 8 + (size_t)(32 - __builtin_clz(*n->data));
}

static bool is(const struct json *key, const char *name, const char *value) {
    const char *s = json_get_str(key, name);

    return s && !strcmp(s, value);
}

static bool is_or_absent(const struct json *key, const char *name, const char *value) {
    return !json_get(key, name) || is(key, name, value);
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

/* RFC 7517 §4.2, §4.3. With a private key that is published anybody can sign. */
static bool may_verify(const struct json *key) {
    const struct json *ops = json_get(key, "key_ops");

    if (is_private(key) || !is_or_absent(key, "use", "sig"))
        return false;
    if (!ops)
        return true;
    for (size_t i = 0; i < json_len(ops); i++) {
        const char *op = json_str(json_at(ops, i));

        if (op && !strcmp(op, "verify"))
            return true;
    }
    return false;
}

/* The exponent is odd and above 1 (RFC 8017 §3.1). With 1 a signature would be the text that is
 * signed, and anybody could write it. */
static bool import_rsa(struct arena *a, const struct json *key, gnutls_pubkey_t into) {
    gnutls_datum_t n, e;

    return number_get(a, key, "n", &n) && number_get(a, key, "e", &e) &&
           bits_of(&n) >= RSA_BITS_MIN && bits_of(&n) <= RSA_BITS_MAX && is_odd(&n) &&
           e.size <= RSA_EXPONENT_BYTES_MAX && is_odd(&e) && bits_of(&e) > 1 &&
           !gnutls_pubkey_import_rsa_raw(into, &n, &e);
}

static bool import_ec(struct arena *a, const struct json *key, gnutls_pubkey_t into) {
    gnutls_datum_t x, y;

    return is(key, "crv", "P-256") && bytes_get(a, key, "x", &x) && bytes_get(a, key, "y", &y) &&
           x.size == P256_BYTES && y.size == P256_BYTES &&
           !gnutls_pubkey_import_ecc_raw(into, GNUTLS_ECC_CURVE_SECP256R1, &x, &y);
}

/* False if GnuTLS does not take the key. */
static bool to_pem(struct arena *a, const struct json *key, struct jwk *out) {
    gnutls_datum_t pem = {NULL, 0};
    gnutls_pubkey_t pub;
    bool ok;

    if (gnutls_pubkey_init(&pub) != GNUTLS_E_SUCCESS)
        return false;
    ok = (out->is_ec ? import_ec(a, key, pub) : import_rsa(a, key, pub)) &&
         !gnutls_pubkey_export2(pub, GNUTLS_X509_FMT_PEM, &pem);
    if (ok) {
        out->pem = arena_strndup(a, (const char *)pem.data, pem.size);
        out->pem_len = pem.size;
    }
    gnutls_free(pem.data);
    gnutls_pubkey_deinit(pub);
    return ok;
}

bool jwk_is_for(const struct json *key, bool ec, const char *kid) {
    return is(key, "kty", ec ? "EC" : "RSA") && may_verify(key) &&
           is_or_absent(key, "alg", ec ? "ES256" : "RS256") && (!kid || is(key, "kid", kid));
}

bool jwk_read(struct arena *a, const struct json *key, struct jwk *out) {
    const char *kid = json_get_str(key, "kid");

    *out = (struct jwk){.kid = kid && strlen(kid) <= JWK_KID_MAX ? kid : NULL,
                        .is_ec = is(key, "kty", "EC")};
    return jwk_is_for(key, out->is_ec, NULL) && to_pem(a, key, out);
}

/* ---- a set ---- */

static enum rc unusable(struct err *e, const char *why) {
    err_set(e, ERR_UPSTREAM, "the identity provider's key set cannot be used");
    err_detail(e, "key set: %s", why);
    return ERR_UPSTREAM;
}

/* Adds the key if it can be used; of two with one id the first counts. False if the set is full. */
static bool add_if_usable(struct jwk_set *s, struct arena *scratch, const struct json *key) {
    struct jwk read;

    if (!jwk_read(scratch, key, &read) || read.is_ec || !read.kid || !*read.kid ||
        jwk_set_find(s, read.kid))
        return true;
    if (s->count == JWK_KEYS_MAX)
        return false;
    s->keys[s->count++] = (struct jwk){.kid = arena_strdup(s->arena, read.kid),
                                       .pem = arena_strdup(s->arena, read.pem),
                                       .pem_len = read.pem_len};
    return true;
}

static enum rc add_keys(struct jwk_set *s, struct arena *scratch, const char *text, size_t len,
                        struct err *e) {
    struct err parse = {0};
    struct json *root;

    if (json_parse(scratch, text, len, &root, &parse))
        return unusable(e, parse.text);
    const struct json *keys = json_get(root, "keys");
    if (!json_is_array(keys))
        return unusable(e, "it has no array \"keys\"");
    for (size_t i = 0; i < json_len(keys); i++)
        if (!add_if_usable(s, scratch, json_at(keys, i)))
            return unusable(e, "it has too many keys");
    return s->count ? OK : unusable(e, "it has no RSA key for RS256 signatures");
}

enum rc jwk_set_parse(const char *text, size_t len, struct jwk_set **out, struct err *e) {
    struct arena *own, *scratch;
    struct jwk_set *s;
    enum rc rc;

    if (len > JWK_SET_BYTES_MAX)
        return unusable(e, "it is too long");
    own = arena_new(SET_ARENA_MAX);
    s = arena_alloc(own, sizeof *s);
    s->arena = own;
    scratch = arena_new(16 * (size_t)JWK_SET_BYTES_MAX);
    rc = add_keys(s, scratch, text, len, e);
    arena_free(scratch);
    if (rc)
        jwk_set_free(s);
    else
        *out = s;
    return rc;
}

void jwk_set_free(struct jwk_set *s) {
    if (s)
        arena_free(s->arena);
}

const struct jwk *jwk_set_find(const struct jwk_set *s, const char *kid) {
    for (size_t i = 0; s && kid && i < s->count; i++)
        if (!strcmp(s->keys[i].kid, kid))
            return &s->keys[i];
    return NULL;
}
