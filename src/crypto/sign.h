/* JSON Web Signatures that we make (RFC 7515), with ES256 (RFC 7518 §3.4). The keys are derived
 * from those of the key file, so that all hosts which share it have the same, and none is stored;
 * the first of the file signs. */
#pragma once

#include "base/json.h"
#include "crypto/seal.h"

/* A JWT (RFC 7519) in compact form, in the arena. NULL: these keys are not kept for the purpose. */
const char *jwt_sign(struct arena *a, const struct seal_keys *keys, const char *purpose,
                     const struct json *claims);
/* The public keys, of every key of the file: an object with "keys" (RFC 7517 §5). */
struct json *jwt_key_set(struct arena *a, const struct seal_keys *keys, const char *purpose);
