/* Access tokens of the identity provider: signed JWTs (RFC 7515, RFC 7519, RFC 9068). */
#pragma once

#include "base/base.h"
#include "crypto/jws.h"
#include "idp/provider.h"

#define TOKEN_LEN_MAX 32768 /* bytes */
#define TOKEN_LEEWAY_S                                                                             \
    30 /* tolerated difference between the identity provider's clock and ours                      \
        */

struct token_claims {
    const char *sub, *username, *client_id, *scope, *jti; /* "" if absent, but sub is required */
    int64_t exp, iat;                                     /* seconds since 1970 */
};

/* Reads the header alone, which names the signing key (out->kid). ERR_INVALID_TOKEN with the reason
 * for a token that is refused whatever its signature; e->text may go to the client. */
enum rc access_token_read(struct arena *a, const char *text, struct jws *out,
                          struct err *e) MUST_USE;
/* Checks the signature and every claim. The claims live in the arena; NULL: ERR_INVALID_TOKEN with
 * the reason, which may go to the client. */
const struct token_claims *access_token_verify(struct arena *a, const struct jws *token,
                                               const struct jwk *key,
                                               const struct token_expect *expect, struct err *e);
/* Is this claim that text? */
bool claim_is(const struct json *claims, const char *name, const char *text);
/* Is the audience (RFC 7519 §4.1.3) the resource or the client, or do these have a part in it? */
bool claims_are_for(const struct json *claims, const struct token_expect *expect);

/* A claim of a token that came straight from the identity provider over TLS, without checking it;
 * NULL if it is not there or not a string. Never for a token that a client sent. */
const char *access_token_unverified(struct arena *a, const char *token, const char *name);

/* Access tokens that this worker has verified. An entry is never used past its exp. */
struct token_cache;
struct token_cache *token_cache_new(unsigned entries);
void token_cache_free(struct token_cache *c); /* NULL is accepted */
/* Borrowed until the next put; NULL if unknown or expired. */
const struct token_claims *token_cache_get(struct token_cache *c, const char *token, int64_t now_s);
void token_cache_put(struct token_cache *c, const char *token, const struct token_claims *claims);
