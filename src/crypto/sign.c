#include "crypto/sign.h"

#include <gmp.h>
#include <nettle/bignum.h>
#include <nettle/dsa.h>
#include <nettle/ecc-curve.h>
#include <nettle/ecc.h>
#include <nettle/ecdsa.h>

#include "base/encode.h"
#include "base/text.h"
#include "crypto/digest.h"

#define SCALAR_LEN 32 /* of P-256 */
#define INFO "mcp-authd es256 v1"
#define KID_INFO "mcp-authd es256 kid v1"
#define KID_BYTES 8

struct signing_key {
    struct ecc_scalar secret;
    const char *kid;
};

static void fill_random(void *ctx, size_t len, uint8_t *out) {
    (void)ctx;
    arc4random_buf(out, len);
}

/* A number below the order of the curve, without bias: one that is none, which happens once in 2^32
 * times, is replaced by the next. Free with ecc_scalar_clear. false: not kept for the purpose. */
static bool derive(struct arena *a, const struct seal_keys *keys, size_t i, const char *purpose,
                   struct signing_key *out) {
    uint8_t seed[SEAL_KEY_LEN], bytes[SCALAR_LEN], kid[KID_BYTES];
    mpz_t n;
    bool fits = false;

    if (!seal_purpose_key(keys, i, purpose, seed))
        return false;
    ecc_scalar_init(&out->secret, nettle_get_secp_256r1());
    for (unsigned count = 0; !fits; count++) {
        hkdf_sha256(seed, sizeof seed, arena_printf(a, INFO " %u", count), bytes, sizeof bytes);
        nettle_mpz_init_set_str_256_u(n, sizeof bytes, bytes);
        fits = ecc_scalar_set(&out->secret, n);
        mpz_clear(n);
    }
    hkdf_sha256(seed, sizeof seed, KID_INFO, kid, sizeof kid);
    out->kid = base64url_encode(a, kid, sizeof kid);
    explicit_bzero(seed, sizeof seed);
    explicit_bzero(bytes, sizeof bytes);
    return true;
}

/* ---- signing ---- */

/* RFC 7518 §3.4: R and S, 32 bytes each. */
static const char *sign(struct arena *a, const struct signing_key *key, struct text text) {
    uint8_t digest[SHA256_LEN], out[2 * SCALAR_LEN];
    struct dsa_signature s;

    sha256(text.p, text.len, digest);
    dsa_signature_init(&s);
    ecdsa_sign(&key->secret, NULL, fill_random, sizeof digest, digest, &s);
    nettle_mpz_get_str_256(SCALAR_LEN, out, s.r);
    nettle_mpz_get_str_256(SCALAR_LEN, out + SCALAR_LEN, s.s);
    dsa_signature_clear(&s);
    return base64url_encode(a, out, sizeof out);
}

static const char *encode(struct arena *a, const struct json *o) {
    size_t len;
    const char *text = json_text(a, o, &len);

    return base64url_encode(a, text, len);
}

const char *jwt_sign(struct arena *a, const struct seal_keys *keys, const char *purpose,
                     const struct json *claims) {
    struct json *header = json_new_object(a);
    struct signing_key key;
    const char *text, *signature;

    if (!keys || !keys->count || !derive(a, keys, 0, purpose, &key))
        return NULL;
    json_put_str(header, "alg", "ES256");
    json_put_str(header, "typ", "JWT");
    json_put_str(header, "kid", key.kid);
    text = arena_printf(a, "%s.%s", encode(a, header), encode(a, claims));
    signature = sign(a, &key, text_of(text));
    ecc_scalar_clear(&key.secret);
    return arena_printf(a, "%s.%s", text, signature);
}

/* ---- the public keys ---- */

static void put_number(struct arena *a, struct json *o, const char *name, const mpz_t n) {
    uint8_t bytes[SCALAR_LEN];

    nettle_mpz_get_str_256(sizeof bytes, bytes, n);
    json_put_str(o, name, base64url_encode(a, bytes, sizeof bytes));
}

/* RFC 7518 §6.2.1. */
static struct json *public_key(struct arena *a, const struct signing_key *key) {
    struct json *o = json_new_object(a);
    struct ecc_point p;
    mpz_t x, y;

    ecc_point_init(&p, nettle_get_secp_256r1());
    ecc_point_mul_g(&p, &key->secret);
    mpz_inits(x, y, NULL);
    ecc_point_get(&p, x, y);
    json_put_str(o, "kty", "EC");
    json_put_str(o, "crv", "P-256");
    json_put_str(o, "use", "sig");
    json_put_str(o, "alg", "ES256");
    json_put_str(o, "kid", key->kid);
    put_number(a, o, "x", x);
    put_number(a, o, "y", y);
    mpz_clears(x, y, NULL);
    ecc_point_clear(&p);
    return o;
}

struct json *jwt_key_set(struct arena *a, const struct seal_keys *keys, const char *purpose) {
    struct json *o = json_new_object(a), *list = json_new_array(a);
    struct signing_key key;

    for (size_t i = 0; keys && i < keys->count; i++) {
        if (!derive(a, keys, i, purpose, &key))
            continue;
        json_add(list, public_key(a, &key));
        ecc_scalar_clear(&key.secret);
    }
    json_put(o, "keys", list);
    return o;
}
