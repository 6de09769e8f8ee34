/* Access tokens of the identity provider: signed JWTs (RFC 7515, RFC 7519, RFC 9068). */
#pragma once

#include "crypto/jose.h"
#include "idp/provider.h"

#define TOKEN_LEN_MAX 32768 /* bytes */
#define TOKEN_LEEWAY_S 30   /* between the identity provider's clock and ours */

struct token_claims {
    const char *sub, *username, *client_id, *scope, *jti; /* "" if absent, but sub is required */
    /* As JSON: an array of the names of the user's groups, and the object of all claims. No longer
     * than the token. */
    const char *groups, *all;
    int64_t exp, iat; /* seconds since 1970 */
};
/* Its strings one by one; i is less than TOKEN_CLAIM_STRINGS. */
#define TOKEN_CLAIM_STRINGS 7
const char **token_claim_string(struct token_claims *c, size_t i);

/* Reads the header alone, which names the signing key (out->kid). ERR_INVALID_TOKEN with the reason
 * for a token that is refused whatever its signature; e->text may go to the client. */
enum rc access_token_read(struct arena *a, const char *text, struct jws *out,
                          struct err *e) MUST_USE;
#define TOKEN_IS_FORGED "the token's signature does not verify" /* the reason */
/* Is the token signed with the key that it names? ERR_INVALID_TOKEN if not. */
enum rc access_token_check_signature(const struct jws *token, const struct jwk *key,
                                     struct err *e) MUST_USE;
/* Checks every claim of a token whose signature was checked. The claims live in the arena; NULL:
 * ERR_INVALID_TOKEN with the reason, which may go to the client. */
const struct token_claims *access_token_claims(struct arena *a, const struct jws *token,
                                               const struct token_expect *expect, struct err *e);
/* The claims of a token that was verified, for another process of ours. */
struct json *token_claims_save(struct arena *a, const struct token_claims *claims);
/* NULL: they are not what token_claims_save makes. */
const struct token_claims *token_claims_restore(struct arena *a, const struct json *saved);
/* Is the audience (RFC 7519 §4.1.3) the resource or the client, or do these have a part in it? The
 * client does not count if the resource must be in it. */
bool claims_are_for(const struct json *claims, const struct token_expect *expect);

/* The claims of a token that came straight from the identity provider over TLS, without checking
 * it; NULL if it has none. Never for a token that a client sent. */
const struct json *access_token_unverified(struct arena *a, const char *token);
