/* Between seal.c and seal_keys.c. */
#ifndef CRYPTO_SEAL_H
#define CRYPTO_SEAL_H

#include "crypto/crypto.h"

#define SEAL_KEY_ID_LEN 4

/* With `purposes` the file's keys are gone, and those of the purposes are in their place. */
struct seal_keys {
    size_t count;
    const char *const *purposes; /* NULL: any */
    struct seal_key {
        uint8_t id[SEAL_KEY_ID_LEN];
        union {
            uint8_t key[SEAL_KEY_LEN];
            uint8_t of_purpose[SEAL_PURPOSES_MAX][SEAL_KEY_LEN];
        };
    } keys[SEAL_KEYS_MAX];
};

/* seal.c */
void seal_purpose_key(const uint8_t key[SEAL_KEY_LEN], const char *purpose,
                      uint8_t out[SEAL_KEY_LEN]);

#endif
