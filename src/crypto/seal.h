/* Authenticated encryption of what leaves the daemon and comes back, or lies in a table. A sealed
 * text is base64url. */
#pragma once

#include "base/base.h"
#include "crypto/seal_keys.h"

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
