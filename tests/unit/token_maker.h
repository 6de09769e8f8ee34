/* Makes RSA keys, key sets and signed tokens for tests, the way an identity provider would and the
 * way an attacker would. */
#ifndef UNIT_TOKEN_MAKER_H
#define UNIT_TOKEN_MAKER_H

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "crypto/digest.h"
#include "crypto/jose.h"

/* A public key as libjwt takes it, and as who signs with it as if it were a secret does. */
static inline struct text pem_of(struct arena *a, const struct jwk *key) {
    gnutls_datum_t pem;
    struct text out;

    if (gnutls_pubkey_export2(key->imported, GNUTLS_X509_FMT_PEM, &pem))
        abort();
    out = (struct text){arena_strndup(a, (const char *)pem.data, pem.size), pem.size};
    gnutls_free(pem.data);
    return out;
}

struct signer {
    gnutls_privkey_t private_key;
    char n[1500], e[16]; /* base64url */
};

static inline void must(int rc) {
    if (rc < 0)
        abort();
}

static inline void signer_init(struct signer *s, unsigned bits) {
    gnutls_datum_t m, e;
    struct arena *a = arena_new(1 << 20);

    must(gnutls_privkey_init(&s->private_key));
    must(gnutls_privkey_generate(s->private_key, GNUTLS_PK_RSA, bits, 0));
    must(gnutls_privkey_export_rsa_raw2(s->private_key, &m, &e, NULL, NULL, NULL, NULL, NULL, NULL,
                                        GNUTLS_EXPORT_FLAG_NO_LZ));
    strcpy(s->n, base64url_encode(a, m.data, m.size));
    strcpy(s->e, base64url_encode(a, e.data, e.size));
    gnutls_free(m.data);
    gnutls_free(e.data);
    arena_free(a);
}

static inline void signer_free(struct signer *s) {
    gnutls_privkey_deinit(s->private_key);
}

static inline char *b64(struct arena *a, const char *text) {
    return base64url_encode(a, text, strlen(text));
}

/* base64url(header) "." base64url(claims): what a signature covers. */
static inline char *signing_input(struct arena *a, const char *header, const char *claims) {
    return arena_printf(a, "%s.%s", b64(a, header), b64(a, claims));
}

/* RS256 over `input`, as base64url. */
static inline char *rs256(struct arena *a, const struct signer *s, const char *input) {
    gnutls_datum_t data = {(unsigned char *)(uintptr_t)input, (unsigned)strlen(input)}, signature;

    must(gnutls_privkey_sign_data(s->private_key, GNUTLS_DIG_SHA256, 0, &data, &signature));
    char *out = base64url_encode(a, signature.data, signature.size);
    gnutls_free(signature.data);
    return out;
}

static inline char *sign_rs256(struct arena *a, const struct signer *s, const char *header,
                               const char *claims) {
    char *input = signing_input(a, header, claims);

    return arena_printf(a, "%s.%s", input, rs256(a, s, input));
}

static inline char *sign_hs256(struct arena *a, const char *key, size_t key_len, const char *header,
                               const char *claims) {
    char *input = signing_input(a, header, claims);
    uint8_t mac[SHA256_LEN];

    hmac_sha256(key, key_len, input, strlen(input), mac);
    return arena_printf(a, "%s.%s", input, base64url_encode(a, mac, sizeof mac));
}

static inline char *jwk_json(struct arena *a, const struct signer *s, const char *kid) {
    return arena_printf(a,
                        "{\"kty\":\"RSA\",\"use\":\"sig\",\"alg\":\"RS256\",\"kid\":\"%s\","
                        "\"n\":\"%s\",\"e\":\"%s\"}",
                        kid, s->n, s->e);
}

static inline char *jwks_json(struct arena *a, const struct signer *s, const char *kid) {
    return arena_printf(a, "{\"keys\":[%s]}", jwk_json(a, s, kid));
}

static inline struct jwk_set *jwks_of(struct arena *a, const struct signer *s, const char *kid) {
    struct err e = {0};
    struct jwk_set *set;
    const char *text = jwks_json(a, s, kid);

    if (jwk_set_parse(text, strlen(text), &set, &e))
        abort();
    return set;
}

#endif
