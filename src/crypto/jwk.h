/* Between jwk.c, jws.c and token.c. */
#ifndef CRYPTO_JWK_H
#define CRYPTO_JWK_H

#include "base/json.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct jwk {
    char *kid;
    char *pem; /* SubjectPublicKeyInfo: the only form that libjwt takes in Debian 12 */
    size_t pem_len;
};

/* Is it a public key that may verify signatures: RFC 7517 §4.2, §4.3? Its kind is not looked at. */
bool jwk_may_verify(const struct json *key);
/* RS256 (RFC 7518 §3.3), by GnuTLS. */
bool jwk_verifies(const struct jwk *key, const char *text, size_t len, const uint8_t *signature,
                  size_t signature_len);

#endif
