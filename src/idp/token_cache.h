/* Access tokens that this worker has verified. An entry is never used past its exp. */
#pragma once

#include "idp/access_token.h"

struct token_cache;
struct token_cache *token_cache_new(unsigned entries);
void token_cache_free(struct token_cache *c); /* NULL is accepted */
/* Borrowed until the next put; NULL if unknown or expired. */
const struct token_claims *token_cache_get(struct token_cache *c, const char *token, int64_t now_s);
void token_cache_put(struct token_cache *c, const char *token, const struct token_claims *claims);
