/* The key file: the secret keys that seal what leaves the daemon and comes back (crypto/seal.h). */
#pragma once

#include "base/base.h"

#define SEAL_KEY_LEN 32
#define SEAL_KEY_ID_LEN 4
#define SEAL_KEYS_MAX 8 /* in a key file; the first seals, all open */
#define SEAL_PURPOSES_MAX 16

/* For seal.c; other files only pass it on. */
struct seal_keys {
    size_t count;
    const char *const *purposes; /* set: only the keys derived for these are left; NULL: any */
    struct seal_key {
        uint8_t id[SEAL_KEY_ID_LEN]; /* the first bytes of the key's SHA-256 */
        union {
            uint8_t key[SEAL_KEY_LEN];
            uint8_t of_purpose[SEAL_PURPOSES_MAX][SEAL_KEY_LEN];
        };
    } keys[SEAL_KEYS_MAX];
};

/* Reads a key file: a key in each line, as base64url of 32 bytes; # begins a comment. If there is
 * no such file and `create` is set, makes it with one new key and mode 0600; two processes that
 * start at once end with the same file. ERR_MISCONFIGURED with the reason in e->detail, as a path
 * is nothing for a client. Free with seal_keys_free, which wipes. */
enum rc seal_keys_load(const char *path, bool create, struct seal_keys **out,
                       struct err *e) MUST_USE;
void seal_keys_free(struct seal_keys *k); /* NULL is accepted */
/* Derives the keys of these purposes and wipes the file's, so that a process whose memory leaks
 * leaks no other keys. What was sealed before still opens. `purposes` ends with NULL, has at most
 * SEAL_PURPOSES_MAX, and is borrowed. Sealing for another purpose then ends the process, and a text
 * that was sealed for another purpose does not open. */
void seal_keys_keep(struct seal_keys *k, const char *const *purposes);

/* The key that is derived from `key` for a purpose. */
void seal_purpose_key(const uint8_t key[SEAL_KEY_LEN], const char *purpose,
                      uint8_t out[SEAL_KEY_LEN]);
/* The same of k->keys[i]. False if these keys are not kept for that purpose. */
bool seal_keys_get(const struct seal_keys *k, size_t i, const char *purpose,
                   uint8_t out[SEAL_KEY_LEN]);
