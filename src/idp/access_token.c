#include "idp/access_token.h"

#include <strings.h>

#include "crypto/digest.h"

static const struct jws_kind access_token = {
    .name = "the token", .len_max = TOKEN_LEN_MAX, .needs_kid = true};

static enum rc refuse(struct err *e, const char *why) {
    return err_set(e, ERR_INVALID_TOKEN, "%s", why);
}

static bool is(const char *text, const char *expected) {
    return text && expected && !strcmp(text, expected);
}

bool claim_is(const struct json *claims, const char *name, const char *text) {
    return is(json_get_str(claims, name), text);
}

static bool is_ours(const char *audience, const struct token_expect *expect) {
    return is(audience, expect->resource) || is(audience, expect->client_id);
}

/* RFC 7515 §4.1.9: typ is a media type, compared without case. */
static bool has_type(const struct json *header, const char *type) {
    const char *typ = json_get_str(header, "typ");

    return typ && strcasecmp(typ, type) == 0;
}

/* RFC 9068 §4: the type says that it is an access token. */
static bool is_at_jwt(const struct json *header) {
    return has_type(header, "at+jwt") || has_type(header, "application/at+jwt");
}

enum rc access_token_read(struct arena *a, const char *text, struct jws *out, struct err *e) {
    if (jws_read(a, &access_token, text, out, e))
        return e->code = ERR_INVALID_TOKEN;
    if (json_has(out->header, "typ") && !has_type(out->header, "JWT") && !is_at_jwt(out->header))
        return refuse(e, "the token's type (typ) is neither JWT nor at+jwt");
    return OK;
}

/* Absent, or an integer that lies no further in the future than clocks may differ. */
static bool not_in_the_future(const struct json *claims, const char *name, int64_t now_s) {
    int64_t at;

    return !json_has(claims, name) ||
           (json_get_int(claims, name, &at) && at <= now_s + TOKEN_LEEWAY_S);
}

static enum rc check_times(const struct json *claims, int64_t now_s, struct err *e) {
    int64_t exp;

    if (!json_get_int(claims, "exp", &exp))
        return refuse(e, "the token has no time of expiry");
    if (exp <= now_s - TOKEN_LEEWAY_S) /* RFC 7519 §4.1.4 */
        return refuse(e, "the token has expired");
    if (!not_in_the_future(claims, "nbf", now_s))
        return refuse(e, "the token is not valid yet");
    if (!not_in_the_future(claims, "iat", now_s))
        return refuse(e, "the token was issued in the future");
    return OK;
}

bool claims_are_for(const struct json *claims, const struct token_expect *expect) {
    const struct json *aud = json_get(claims, "aud");

    if (json_is_string(aud))
        return is_ours(json_str(aud), expect);
    for (size_t i = 0; json_is_array(aud) && i < json_len(aud); i++)
        if (is_ours(json_str(json_at(aud, i)), expect))
            return true;
    return false;
}

static enum rc check_claims(const struct json *claims, bool at_jwt,
                            const struct token_expect *expect, struct err *e) {
    const char *sub = json_get_str(claims, "sub"), *why;

    if (!claim_is(claims, "iss", expect->issuer))
        return refuse(e, "the token's issuer is not accepted");
    why = expect->provider->refuse_claims(claims, at_jwt, expect);
    if (why)
        return refuse(e, why);
    if (!sub || !*sub)
        return refuse(e, "the token has no subject");
    return check_times(claims, expect->now_s, e);
}

static const char *text_or_empty(const struct json *claims, const char *name) {
    const char *s = json_get_str(claims, name);

    return s ? s : "";
}

const struct token_claims *access_token_verify(struct arena *a, const struct jws *token,
                                               const struct jwk *key,
                                               const struct token_expect *expect, struct err *e) {
    const struct json *claims = NULL;
    const char *why = NULL;
    struct token_claims *out;

    if (!key || !key->kid || strcmp(key->kid, token->kid) != 0)
        why = "no such signing key";
    else if (!jws_verifies(token, key))
        why = "the token's signature does not verify";
    else if (!(claims = jws_claims(a, token)))
        why = "the token's claims are not JSON in base64url";
    if (why ? refuse(e, why) : check_claims(claims, is_at_jwt(token->header), expect, e))
        return NULL;
    out = arena_alloc(a, sizeof *out);
    *out = (struct token_claims){
        .sub = text_or_empty(claims, "sub"),
        .username = text_or_empty(claims, expect->provider->username_claim),
        .client_id = text_or_empty(claims, expect->provider->client_claim),
        .scope = text_or_empty(claims, "scope"),
        .jti = text_or_empty(claims, "jti"),
    };
    (void)json_get_int(claims, "exp", &out->exp);
    (void)json_get_int(claims, "iat", &out->iat);
    return out;
}

const char *access_token_unverified(struct arena *a, const char *token, const char *name) {
    const struct json *claims = token && strnlen(token, TOKEN_LEN_MAX + 1) <= TOKEN_LEN_MAX
                                    ? jws_unverified_claims(a, token)
                                    : NULL;

    return claims ? json_get_str(claims, name) : NULL;
}

/* ---- cache: A set-associative table keyed by the SHA-256 of the token. The token itself is not
 * kept, so that a core file or a bug here reveals none. A look-up costs one hash and no allocation.
 * An attacker cannot fill one set on purpose, as only tokens that verify are put in. ---- */

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
