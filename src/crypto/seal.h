/* Authenticated encryption of what leaves the daemon and comes back, or lies in a table. A sealed
 * text is base64url. */
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
/* One key that no file has: what it seals opens in this process only. */
struct seal_keys *seal_keys_new(void);
void seal_keys_free(struct seal_keys *k); /* NULL is accepted */
/* Derives the keys of these purposes and wipes the file's, so that a process whose memory leaks
 * leaks no other keys. What was sealed before still opens. `purposes` ends with NULL, has at most
 * SEAL_PURPOSES_MAX, and is borrowed. Sealing for another purpose then ends the process, and a text
 * that was sealed for another purpose does not open. */
void seal_keys_keep(struct seal_keys *k, const char *const *purposes);

/* The i-th key for a purpose, of which others are derived. false: it is not kept for that. */
bool seal_purpose_key(const struct seal_keys *k, size_t i, const char *purpose,
                      uint8_t out[SEAL_KEY_LEN]);

#define SEAL_DATA_MAX                                                                              \
    262144 /* bytes to seal; more ends the process, as running out of memory does */

/* What a sealed text is bound to. It opens with the same purpose and associated text only. */
struct seal_binding {
    const struct seal_keys *keys; /* of the key file */
    const uint8_t *key;           /* SEAL_KEY_LEN bytes in place of `keys`, which is NULL then */
    const char *purpose;          /* a constant, such as "consent" */
    const char *associated;       /* any text, such as a session id */
};
struct json;
struct plaintext {
    char *data; /* has a NUL after its len bytes */
    size_t len;
};

char *seal(struct arena *a, const struct seal_binding *b, const void *data, size_t len);
/* ERR_REFUSED ("not sealed by this server") for whatever was not sealed with this binding. */
enum rc seal_open(struct arena *a, const struct seal_binding *b, const char *text,
                  struct plaintext *out, struct err *e) MUST_USE;
/* The same of JSON; ERR_REFUSED also if what was sealed is none. */
char *seal_json(struct arena *a, const struct seal_binding *b, const struct json *o);
enum rc seal_open_json(struct arena *a, const struct seal_binding *b, const char *text,
                       struct json **out, struct err *e) MUST_USE;
