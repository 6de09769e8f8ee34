/* Between seal.c and seal_keys.c. */
#ifndef CRYPTO_SEAL_H
#define CRYPTO_SEAL_H

#include "crypto/crypto.h"

#define SEAL_KEY_ID_LEN 4

struct seal_keys {
    size_t count;
    struct seal_key {
        uint8_t key[SEAL_KEY_LEN];
        uint8_t id[SEAL_KEY_ID_LEN];
    } keys[SEAL_KEYS_MAX];
};

#endif
