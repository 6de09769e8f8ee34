/* Tokens that nobody has signed have a memory of their own, since anybody can send any number of
 * them. */
#include "idp/token_cache.h"

struct token_memory {
    struct memory_cache *verified, *forged;
    uint8_t secret[SHA256_LEN]; /* so that clients cannot choose tokens that fall into one set */
};

struct token_memory *token_memory_new(void) {
    struct token_memory *m = xcalloc(1, sizeof *m);

    m->verified = memory_cache_new(TOKENS_KEPT_BYTES, TOKENS_KEPT);
    m->forged = memory_cache_new(FORGED_TOKENS_KEPT_BYTES, FORGED_TOKENS_KEPT);
    arc4random_buf(m->secret, sizeof m->secret);
    if (m->verified && m->forged)
        return m;
    token_memory_free(m);
    return NULL;
}

void token_memory_free(struct token_memory *m) {
    if (!m)
        return;
    memory_cache_free(m->verified);
    memory_cache_free(m->forged);
    explicit_bzero(m, sizeof *m);
    free(m);
}

/* Each text with the zero at its end, so that no two lists of them are the same bytes. */
void token_cache_open(struct token_cache *c, struct token_memory *memory,
                      const struct token_expect *expect, const char *jwks_url) {
    const char *const texts[] = {expect->provider->name,
                                 expect->issuer,
                                 jwks_url,
                                 expect->client_id,
                                 expect->client_ids,
                                 expect->machine_client_ids,
                                 expect->resource,
                                 expect->needs_audience ? "aud" : ""};

    *c = (struct token_cache){.memory = memory};
    if (!memory)
        return;
    memcpy(c->site, memory->secret, sizeof c->site);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        hmac_sha256(c->site, sizeof c->site, texts[i], strlen(texts[i]) + 1, c->site);
}

void token_cache_key(const struct token_cache *c, const uint8_t digest[SHA256_LEN],
                     struct token_key *out) {
    uint8_t both[2 * SHA256_LEN];

    _Static_assert(MEMORY_CACHE_KEY_LEN == SHA256_LEN, "a key is a digest");
    memcpy(both, c->site, SHA256_LEN);
    memcpy(both + SHA256_LEN, digest, SHA256_LEN);
    sha256(both, sizeof both, out->bytes);
}

/* ---- claims as bytes: numbers, then the strings with their zeros ---- */

struct numbers {
    int64_t exp, iat;
    uint64_t key_print;
};

const struct token_claims *token_cache_get(const struct token_cache *c, struct arena *a,
                                           const struct token_key *key, int64_t now_s,
                                           uint64_t *key_print) {
    struct numbers numbers;
    struct token_claims *out;
    struct text saved;
    const char *p, *end;

    if (!c->memory || !memory_cache_get(c->memory->verified, a, key->bytes, now_s, &saved) ||
        saved.len < sizeof numbers)
        return NULL;
    memcpy(&numbers, saved.p, sizeof numbers);
    out = arena_alloc(a, sizeof *out);
    out->exp = numbers.exp;
    out->iat = numbers.iat;
    *key_print = numbers.key_print;
    p = saved.p + sizeof numbers;
    end = saved.p + saved.len;
    for (size_t i = 0; i < TOKEN_CLAIM_STRINGS; i++) {
        size_t len = strnlen(p, (size_t)(end - p));

        if (p + len == end) /* there is no zero: it is none of ours */
            return NULL;
        *token_claim_string(out, i) = p;
        p += len + 1;
    }
    return out;
}

void token_cache_put(const struct token_cache *c, const struct token_key *key,
                     const struct token_claims *claims, uint64_t key_print, int64_t now_s) {
    const struct numbers numbers = {claims->exp, claims->iat, key_print};
    struct memory_cache_entry entry = {.len = sizeof numbers, .expires_s = claims->exp};
    struct token_claims copy = *claims;
    char *text, *p;

    if (!c->memory)
        return;
    for (size_t i = 0; i < TOKEN_CLAIM_STRINGS; i++)
        entry.len += strlen(*token_claim_string(&copy, i)) + 1;
    entry.value = text = xmalloc(entry.len);
    memcpy(text, &numbers, sizeof numbers);
    p = text + sizeof numbers;
    for (size_t i = 0; i < TOKEN_CLAIM_STRINGS; i++)
        p = stpcpy(p, *token_claim_string(&copy, i)) + 1;
    memory_cache_put(c->memory->verified, key->bytes, &entry, now_s);
    explicit_bzero(text, entry.len);
    free(text);
}

bool token_cache_get_forged(const struct token_cache *c, struct arena *a,
                            const struct token_key *key, int64_t now_s, uint64_t *key_print) {
    struct text print;

    if (!c->memory || !memory_cache_get(c->memory->forged, a, key->bytes, now_s, &print) ||
        print.len != sizeof *key_print)
        return false;
    memcpy(key_print, print.p, sizeof *key_print);
    return true;
}

void token_cache_put_forged(const struct token_cache *c, const struct token_key *key,
                            uint64_t key_print, int64_t now_s) {
    const struct memory_cache_entry entry = {
        .value = &key_print, .len = sizeof key_print, .expires_s = now_s + FORGED_TOKEN_KEPT_S};

    if (c->memory)
        memory_cache_put(c->memory->forged, key->bytes, &entry, now_s);
}
