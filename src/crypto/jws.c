/* Signed assertions of clients (RFC 7515, RFC 7523), verified by GnuTLS with a key of the client's
 * own JSON Web Key Set. Only RS256 and ES256: nothing that a public key could stand in for. */
#include "crypto/crypto.h"

#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <string.h>

#include "base/encode.h"
#include "crypto/jwk.h"

#define RSA_BITS_MIN 2048 /* RFC 7518 §3.3 */
#define RSA_BITS_MAX 8192
#define RSA_EXPONENT_BYTES_MAX 4
#define P256_BYTES 32 /* RFC 7518 §3.4 */

static enum rc refuse(struct err *e, const char *why) {
    return err_set(e, ERR_REFUSED, "%s", why);
}

static struct json *object_of(struct arena *a, const char *text, size_t text_len) {
    struct err ignored;
    struct json *v;
    size_t len;
    uint8_t *data = base64url_decode(a, text, text_len, &len);

    return data && !json_parse(a, (const char *)data, len, &v, &ignored) && json_is_object(v)
               ? v
               : NULL;
}

enum rc jws_read(struct arena *a, const char *text, struct jws *out, struct err *e) {
    const char *first, *second, *alg, *kid;
    struct json *header;

    memset(out, 0, sizeof *out);
    if (strlen(text) > JWS_LEN_MAX || !(first = strchr(text, '.')) ||
        !(second = strchr(first + 1, '.')) || strchr(second + 1, '.'))
        return refuse(e, "client_assertion is not a JWT of three parts");
    header = object_of(a, text, (size_t)(first - text));
    out->claims = object_of(a, first + 1, (size_t)(second - first - 1));
    out->signature = base64url_decode(a, second + 1, strlen(second + 1), &out->signature_len);
    if (!header || !out->claims || !out->signature || !out->signature_len)
        return refuse(e, "client_assertion is not JSON in base64url");
    alg = json_get_str(header, "alg");
    kid = json_get_str(header, "kid");
    if (!alg || (strcmp(alg, "RS256") != 0 && strcmp(alg, "ES256") != 0))
        return refuse(e, "client_assertion must be signed with RS256 or ES256");
    if (json_has(header, "crit")) /* RFC 7515 §4.1.11 */
        return refuse(e, "client_assertion has a critical extension");
    if (json_has(header, "kid") && (!kid || strlen(kid) > JWK_KID_MAX))
        return refuse(e, "kid in client_assertion is not a short text");
    out->is_ecdsa = *alg == 'E';
    out->kid = kid;
    out->signed_text = text;
    out->signed_len = (size_t)(second - text);
    return OK;
}

static bool number(struct arena *a, const struct json *key, const char *name, gnutls_datum_t *out) {
    const char *text = json_get_str(key, name);
    size_t len;

    out->data = text ? base64url_decode(a, text, strlen(text), &len) : NULL;
    out->size = out->data ? (unsigned)len : 0;
    return out->size > 0;
}

static bool is(const struct json *key, const char *name, const char *value) {
    const char *s = json_get_str(key, name);

    return s && !strcmp(s, value);
}

/* An odd number above 1 (RFC 8017 §3.1). With 1 a signature would be the text that is signed, and
 * anybody could write it. */
static bool is_rsa_exponent(const gnutls_datum_t *e) {
    unsigned value = 0;

    for (unsigned i = 0; i < e->size && e->size <= RSA_EXPONENT_BYTES_MAX; i++)
        value = value << 8 | e->data[i];
    return value > 1 && value & 1;
}

static bool import_rsa(struct arena *a, const struct json *key, gnutls_pubkey_t into) {
    gnutls_datum_t n, exponent;
    unsigned bits = 0;

    return number(a, key, "n", &n) && number(a, key, "e", &exponent) &&
           n.size <= RSA_BITS_MAX / 8 + 1 && n.data[n.size - 1] & 1 && is_rsa_exponent(&exponent) &&
           !gnutls_pubkey_import_rsa_raw(into, &n, &exponent) &&
           gnutls_pubkey_get_pk_algorithm(into, &bits) == GNUTLS_PK_RSA && bits >= RSA_BITS_MIN &&
           bits <= RSA_BITS_MAX;
}

static bool import_ec(struct arena *a, const struct json *key, gnutls_pubkey_t into) {
    gnutls_datum_t x, y;

    return is(key, "crv", "P-256") && number(a, key, "x", &x) && number(a, key, "y", &y) &&
           x.size == P256_BYTES && y.size == P256_BYTES &&
           !gnutls_pubkey_import_ecc_raw(into, GNUTLS_ECC_CURVE_SECP256R1, &x, &y);
}

static bool verifies(struct arena *a, const struct jws *jws, const struct json *key) {
    gnutls_datum_t data = {(unsigned char *)(uintptr_t)jws->signed_text, (unsigned)jws->signed_len};
    gnutls_datum_t sig = {jws->signature, (unsigned)jws->signature_len}, der = {NULL, 0};
    gnutls_datum_t r = {jws->signature, P256_BYTES}, s = {jws->signature + P256_BYTES, P256_BYTES};
    gnutls_pubkey_t pub;
    bool ok = false;

    if (gnutls_pubkey_init(&pub) != GNUTLS_E_SUCCESS)
        return false;
    if (!jws->is_ecdsa)
        ok = import_rsa(a, key, pub) &&
             gnutls_pubkey_verify_data2(pub, GNUTLS_SIGN_RSA_SHA256, 0, &data, &sig) >= 0;
    else if (jws->signature_len == 2 * P256_BYTES && !gnutls_encode_rs_value(&der, &r, &s))
        ok = import_ec(a, key, pub) &&
             gnutls_pubkey_verify_data2(pub, GNUTLS_SIGN_ECDSA_SHA256, 0, &data, &der) >= 0;
    gnutls_free(der.data);
    gnutls_pubkey_deinit(pub);
    return ok;
}

/* RFC 7517 §4: of the right kind, and not for something else. */
static bool is_usable(const struct jws *jws, const struct json *key) {
    return is(key, "kty", jws->is_ecdsa ? "EC" : "RSA") && jwk_may_verify(key) &&
           (!json_get(key, "alg") || is(key, "alg", jws->is_ecdsa ? "ES256" : "RS256")) &&
           (!jws->kid || is(key, "kid", jws->kid));
}

enum rc jws_verify(struct arena *a, const struct jws *jws, const struct json *jwks, struct err *e) {
    const struct json *keys = json_get(jwks, "keys");
    size_t tried = 0;

    for (size_t i = 0; i < json_len(keys) && tried < JWK_KEYS_MAX; i++) {
        const struct json *key = json_at(keys, i);

        if (!is_usable(jws, key))
            continue;
        tried++;
        if (verifies(a, jws, key))
            return OK;
    }
    if (!tried)
        return err_set(e, ERR_MISSING, "the client has no key for this client_assertion");
    return refuse(e, "the signature of client_assertion does not verify");
}
