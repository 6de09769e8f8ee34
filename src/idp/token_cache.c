/* A set-associative table keyed by the SHA-256 of the token. The token itself is not kept, so that
 * a core file or a bug here reveals none. A look-up costs one hash and no allocation. An attacker
 * cannot fill one set on purpose, as only tokens that verify are put in. */
#include "idp/token_cache.h"

#include "base/base.h"
#include "crypto/digest.h"

#define WAYS 4 /* entries in a set */
#define ENTRIES_MAX (1u << 20)

struct entry {
    uint8_t digest[SHA256_LEN];
    struct token_claims claims;
    char *strings; /* what claims points into; NULL: the entry is free */
    size_t strings_len;
    uint64_t last_use;
};

struct token_cache {
    size_t sets; /* a power of two */
    uint64_t uses;
    int64_t now_s; /* of the last get; put is given no time */
    struct entry entries[];
};

struct token_cache *token_cache_new(unsigned entries) {
    size_t sets = 1;

    while (sets * WAYS < entries && sets * WAYS < ENTRIES_MAX)
        sets *= 2;
    struct token_cache *c = xcalloc(1, sizeof *c + sets * WAYS * sizeof *c->entries);
    c->sets = sets;
    return c;
}

static void drop(struct entry *n) {
    if (n->strings)
        explicit_bzero(n->strings, n->strings_len);
    free(n->strings);
    explicit_bzero(n, sizeof *n);
}

void token_cache_free(struct token_cache *c) {
    if (!c)
        return;
    for (size_t i = 0; i < c->sets * WAYS; i++)
        drop(&c->entries[i]);
    free(c);
}

static struct entry *set_of(struct token_cache *c, const uint8_t digest[SHA256_LEN]) {
    uint64_t head;

    memcpy(&head, digest, sizeof head);
    return &c->entries[(size_t)(head & (c->sets - 1)) * WAYS];
}

static struct entry *find(struct entry *set, const uint8_t digest[SHA256_LEN]) {
    for (size_t i = 0; i < WAYS; i++)
        if (set[i].strings && equal_in_constant_time(set[i].digest, digest, SHA256_LEN))
            return &set[i];
    return NULL;
}

/* False for a text that is too long to be a token: it is not hashed. */
static bool digest_of(const char *token, uint8_t out[SHA256_LEN]) {
    size_t len = token ? strnlen(token, TOKEN_LEN_MAX + 1) : 0;

    if (len == 0 || len > TOKEN_LEN_MAX)
        return false;
    sha256(token, len, out);
    return true;
}

const struct token_claims *token_cache_get(struct token_cache *c, const char *token,
                                           int64_t now_s) {
    uint8_t digest[SHA256_LEN];

    c->now_s = now_s;
    if (!digest_of(token, digest))
        return NULL;
    struct entry *n = find(set_of(c, digest), digest);
    /* TOKEN_LEEWAY_S is not granted here: a token within it is verified each time. An expired entry
     * stays until the next put, because its strings may be borrowed. */
    if (!n || n->claims.exp <= now_s)
        return NULL;
    n->last_use = ++c->uses;
    return &n->claims;
}

/* The entry to replace: that of the same token, else a free or an expired one, else the least
 * recently used one. */
static struct entry *entry_to_replace(struct token_cache *c, struct entry *set,
                                      const uint8_t digest[SHA256_LEN]) {
    struct entry *oldest = &set[0], *same = find(set, digest);

    if (same)
        return same;
    for (size_t i = 0; i < WAYS; i++) {
        if (!set[i].strings || set[i].claims.exp <= c->now_s)
            return &set[i];
        if (set[i].last_use < oldest->last_use)
            oldest = &set[i];
    }
    return oldest;
}

/* Copies *s to *p, points *s to the copy, and moves *p behind it. */
static void copy_string(const char **s, char **p) {
    size_t len = strlen(*s) + 1;

    memcpy(*p, *s, len);
    *s = *p;
    *p += len;
}

void token_cache_put(struct token_cache *c, const char *token, const struct token_claims *claims) {
    struct entry fresh = {.claims = *claims, .last_use = ++c->uses};
    struct token_claims *f = &fresh.claims;
    const char **strings[] = {&f->sub, &f->username, &f->client_id, &f->scope, &f->jti};
    const size_t count = sizeof strings / sizeof *strings;

    if (!digest_of(token, fresh.digest))
        return;
    for (size_t i = 0; i < count; i++)
        fresh.strings_len += strlen(*strings[i]) + 1;
    char *p = fresh.strings = xmalloc(fresh.strings_len);
    for (size_t i = 0; i < count; i++)
        copy_string(strings[i], &p);

    /* Not before the copy: `claims` may be borrowed from the entry that is replaced. */
    struct entry *n = entry_to_replace(c, set_of(c, fresh.digest), fresh.digest);
    drop(n);
    *n = fresh;
}
