/* Between jwk.c and token.c. */
#ifndef CRYPTO_JWK_H
#define CRYPTO_JWK_H

#include <stddef.h>

struct jwk {
    char *kid;
    char *pem; /* SubjectPublicKeyInfo: the only form that libjwt takes in Debian 12 */
    size_t pem_len;
};

#endif
