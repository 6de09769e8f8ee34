/* What is known of access tokens: the claims of those that were verified, and those that nobody's
 * key has signed. All workers of this host share it (shared/memory_cache.h). Tokens are not kept,
 * so that a core file or a bug here reveals none. */
#pragma once

#include "crypto/digest.h"
#include "idp/access_token.h"
#include "shared/memory_cache.h"

#define TOKENS_KEPT 100000
#define TOKENS_KEPT_BYTES ((size_t)128 << 20) /* so many, if their claims have up to 1 KB */
#define FORGED_TOKENS_KEPT 16384
#define FORGED_TOKENS_KEPT_BYTES ((size_t)1 << 20)
#define FORGED_TOKEN_KEPT_S 300

/* To be made before the workers are forked. */
struct token_memory;
struct token_memory *token_memory_new(void);
void token_memory_free(struct token_memory *m); /* NULL is accepted */

/* The part of one site: its tokens are not those of another site, or of the same one with other
 * settings. All that decides whether a token is good, but the time. */
struct token_cache {
    struct token_memory *memory; /* NULL: nothing is kept */
    uint8_t site[SHA256_LEN];
};
void token_cache_open(struct token_cache *c, struct token_memory *memory,
                      const struct token_expect *expect, const char *jwks_url);

/* What the functions below know a token by: of this site, and not to be foreseen by clients. To be
 * made once for each token, of its SHA-256. */
struct token_key {
    uint8_t bytes[MEMORY_CACHE_KEY_LEN];
};
void token_cache_key(const struct token_cache *c, const uint8_t digest[SHA256_LEN],
                     struct token_key *out);

/* A token that was verified. Its claims live in the arena; NULL if it is unknown or has expired.
 * *key_print: the key that had signed it (struct jwk); whether that key is still one of the
 * provider's is for the caller to check. */
const struct token_claims *token_cache_get(const struct token_cache *c, struct arena *a,
                                           const struct token_key *key, int64_t now_s,
                                           uint64_t *key_print);
void token_cache_put(const struct token_cache *c, const struct token_key *key,
                     const struct token_claims *claims, uint64_t key_print, int64_t now_s);

/* Is it known, for FORGED_TOKEN_KEPT_S, that the key which the token names has not signed it? That
 * key is *key_print, as above. */
bool token_cache_get_forged(const struct token_cache *c, struct arena *a,
                            const struct token_key *key, int64_t now_s, uint64_t *key_print);
void token_cache_put_forged(const struct token_cache *c, const struct token_key *key,
                            uint64_t key_print, int64_t now_s);
