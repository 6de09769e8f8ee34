/* Signs with ES256 as token_maker.h does with RS256. */
#ifndef UNIT_JWS_MAKER_H
#define UNIT_JWS_MAKER_H

#include <gnutls/crypto.h>

#include "token_maker.h"

#define P256_BYTES 32

struct ec_signer {
    gnutls_privkey_t private_key;
    char x[64], y[64]; /* base64url */
};

/* A number of GnuTLS in as many bytes as the curve has (RFC 7518 §3.4, §6.2.1.2). */
static inline void p256_number(uint8_t out[P256_BYTES], const gnutls_datum_t *n) {
    size_t skip = n->size > P256_BYTES ? n->size - P256_BYTES : 0;

    memset(out, 0, P256_BYTES);
    memcpy(out + P256_BYTES - (n->size - skip), n->data + skip, n->size - skip);
}

static inline void ec_signer_init(struct ec_signer *s) {
    gnutls_datum_t x, y;
    uint8_t number[P256_BYTES];
    struct arena *a = arena_new(1 << 16);

    must(gnutls_privkey_init(&s->private_key));
    must(gnutls_privkey_generate(s->private_key, GNUTLS_PK_ECDSA,
                                 GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0));
    must(gnutls_privkey_export_ecc_raw2(s->private_key, NULL, &x, &y, NULL, 0));
    p256_number(number, &x);
    strcpy(s->x, base64url_encode(a, number, sizeof number));
    p256_number(number, &y);
    strcpy(s->y, base64url_encode(a, number, sizeof number));
    gnutls_free(x.data);
    gnutls_free(y.data);
    arena_free(a);
}

static inline void ec_signer_free(struct ec_signer *s) {
    gnutls_privkey_deinit(s->private_key);
}

/* ES256 over `input`: r and s of 32 bytes each, as base64url. */
static inline char *es256(struct arena *a, const struct ec_signer *signer, const char *input) {
    gnutls_datum_t data = {(unsigned char *)(uintptr_t)input, (unsigned)strlen(input)}, der, r, s;
    uint8_t both[2 * P256_BYTES];

    must(gnutls_privkey_sign_data2(signer->private_key, GNUTLS_SIGN_ECDSA_SHA256, 0, &data, &der));
    must(gnutls_decode_rs_value(&der, &r, &s));
    p256_number(both, &r);
    p256_number(both + P256_BYTES, &s);
    gnutls_free(der.data);
    gnutls_free(r.data);
    gnutls_free(s.data);
    return base64url_encode(a, both, sizeof both);
}

static inline char *sign_es256(struct arena *a, const struct ec_signer *s, const char *header,
                               const char *claims) {
    char *input = signing_input(a, header, claims);

    return arena_printf(a, "%s.%s", input, es256(a, s, input));
}

static inline char *ec_jwk_json(struct arena *a, const struct ec_signer *s, const char *kid) {
    return arena_printf(a,
                        "{\"kty\":\"EC\",\"crv\":\"P-256\",\"use\":\"sig\",\"alg\":\"ES256\","
                        "\"kid\":\"%s\",\"x\":\"%s\",\"y\":\"%s\"}",
                        kid, s->x, s->y);
}

#endif
