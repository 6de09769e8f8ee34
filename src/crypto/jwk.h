/* JSON Web Keys (RFC 7517): public keys that verify signatures. */
#pragma once

#include "base/base.h"
#include "base/json.h"

#define JWK_SET_BYTES_MAX 65536
#define JWK_KEYS_MAX 16
#define JWK_KID_MAX 128 /* bytes of a key id */

struct jwk {
    const char *kid; /* NULL if it has none, or one that is longer than JWK_KID_MAX */
    const char *pem; /* SubjectPublicKeyInfo: the only form that libjwt takes in Debian 12 */
    size_t pem_len;
    bool is_ec; /* on P-256, for ES256; otherwise RSA of 2048 to 8192 bits, for RS256 */
};
/* Is it published as a public key that verifies ES256 (or else RS256)? kid: its id; NULL: any. */
bool jwk_is_for(const struct json *key, bool ec, const char *kid);
/* False for a key that is not for ES256 or RS256, or is malformed. *out lives in the arena. */
bool jwk_read(struct arena *a, const struct json *key, struct jwk *out);

/* The RSA signing keys of an identity provider. Keys that cannot be used are left out: a provider
 * may publish keys of other kinds beside them (RFC 7517 §5). ERR_UPSTREAM, with e->detail, if none
 * is left. The set has memory of its own: free with jwk_set_free. */
struct jwk_set;
enum rc jwk_set_parse(const char *text, size_t len, struct jwk_set **out, struct err *e) MUST_USE;
void jwk_set_free(struct jwk_set *s); /* NULL is accepted */
/* Borrowed from the set; NULL if there is none of that id. */
const struct jwk *jwk_set_find(const struct jwk_set *s, const char *kid);

/* Has a set of public keys a private or a symmetric one? */
bool jwk_set_has_private(const struct json *jwks);
