/* What is known of access tokens: of one site, for all workers, and never past exp. */
#include "unit.h"

#include <sys/wait.h>

#include "idp/token_cache.h"

#define NOW 1000

#define JWKS_URL "https://issuer/keys"
static const struct idp_provider provider = {.name = "Cognito"};
static const struct token_expect site = {.provider = &provider,
                                         .issuer = "https://issuer",
                                         .resource = "https://mcp.example.com/mcp",
                                         .client_id = "client-1",
                                         .client_ids = "a b",
                                         .machine_client_ids = "c"};
static struct token_memory *memory;
static struct token_cache cache;

static int start(void **state) {
    *state = arena_new(256 << 20);
    memory = token_memory_new();
    token_cache_open(&cache, memory, &site, JWKS_URL);
    return !memory;
}

static int stop(void **state) {
    token_memory_free(memory);
    arena_free(*state);
    return 0;
}

static struct token_claims claims_of(const char *sub, int64_t exp) {
    return (struct token_claims){.sub = sub,
                                 .username = "u",
                                 .client_id = "c",
                                 .scope = "s",
                                 .jti = "",
                                 .groups = "[\"staff\"]",
                                 .all = "{\"sub\":\"x\"}",
                                 .exp = exp,
                                 .iat = 5};
}

static struct token_key key_of(const struct token_cache *c, const void *token, size_t len) {
    uint8_t digest[SHA256_LEN];
    struct token_key key;

    sha256(token, len, digest);
    token_cache_key(c, digest, &key);
    return key;
}

static void put(const char *token, const char *sub, int64_t exp) {
    const struct token_claims claims = claims_of(sub, exp);
    const struct token_key key = key_of(&cache, token, strlen(token));

    token_cache_put(&cache, &key, &claims, 77, NOW);
}

static const struct token_claims *get_of(const struct token_cache *c, struct arena *a,
                                         const char *token, int64_t now_s) {
    const struct token_key key = key_of(c, token, strlen(token));
    const struct token_claims *found;
    uint64_t print = 0;

    found = token_cache_get(c, a, &key, now_s, &print);
    if (found)
        assert_int_equal(print, 77);
    return found;
}

static const struct token_claims *get(struct arena *a, const char *token, int64_t now_s) {
    return get_of(&cache, a, token, now_s);
}

static void what_was_put_is_found(void **state) {
    const struct token_claims *got;

    assert_null(get(*state, "token-1", NOW));
    put("token-1", "alice", NOW + 10);
    got = get(*state, "token-1", NOW);
    assert_non_null(got);
    assert_string_equal(got->sub, "alice");
    assert_string_equal(got->username, "u");
    assert_string_equal(got->client_id, "c");
    assert_string_equal(got->scope, "s");
    assert_string_equal(got->jti, "");
    assert_string_equal(got->groups, "[\"staff\"]");
    assert_string_equal(got->all, "{\"sub\":\"x\"}");
    assert_int_equal(got->exp, NOW + 10);
    assert_int_equal(got->iat, 5);
    assert_null(get(*state, "token-2", NOW));
    assert_null(get(*state, "token-", NOW));
    assert_null(get(*state, "", NOW));
}

static void a_token_is_not_used_past_its_exp(void **state) {
    put("t", "alice", NOW + 10);
    assert_non_null(get(*state, "t", NOW + 9));
    assert_null(get(*state, "t", NOW + 10));
    put("t", "bob", NOW + 20);
    assert_string_equal(get(*state, "t", NOW + 15)->sub, "bob");
}

static void other_processes_know_it(void **state) {
    int status;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (!pid) {
        put("t", "alice", NOW + 10);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_string_equal(get(*state, "t", NOW)->sub, "alice");
}

static void is_unknown_at(const struct token_expect *other_site, const char *jwks_url,
                          struct arena *a) {
    struct token_cache other;

    token_cache_open(&other, memory, other_site, jwks_url);
    assert_null(get_of(&other, a, "t", NOW));
}

/* A token that is good for one site, or was before a reload, may not be for another. */
static void it_is_of_one_site(void **state) {
    struct token_expect other = site;
    const struct idp_provider other_provider = {.name = "other"}, unnamed = {.name = ""};
    const char **const texts[] = {&other.issuer, &other.resource, &other.client_id,
                                  &other.client_ids, &other.machine_client_ids};
    struct token_cache same;

    put("t", "alice", NOW + 10);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        *texts[i] = "other";
        is_unknown_at(&other, JWKS_URL, *state);
        *texts[i] = "";
        is_unknown_at(&other, JWKS_URL, *state);
        other = site;
    }
    other.provider = &other_provider;
    is_unknown_at(&other, JWKS_URL, *state);
    other.provider = &unnamed;
    is_unknown_at(&other, JWKS_URL, *state);
    is_unknown_at(&site, "other", *state);
    is_unknown_at(&site, "", *state);
    other = site;
    other.needs_audience = true;
    is_unknown_at(&other, JWKS_URL, *state);
    other = site;
    other.issuer = "https://issuerh"; /* the same letters, at other places */
    is_unknown_at(&other, "ttps://issuer/keys", *state);
    other = site;
    other.client_ids = "c";
    other.machine_client_ids = "a b";
    is_unknown_at(&other, JWKS_URL, *state);
    token_cache_open(&same, memory, &site, JWKS_URL);
    assert_non_null(get_of(&same, *state, "t", NOW));
}

static void without_memory_nothing_is_known(void **state) {
    struct token_cache none;
    const struct token_claims claims = claims_of("alice", NOW + 10);
    struct token_key key;
    uint64_t print;

    token_cache_open(&none, NULL, &site, JWKS_URL);
    key = key_of(&none, "t", 1);
    token_cache_put(&none, &key, &claims, 1, NOW);
    token_cache_put_forged(&none, &key, 1, NOW);
    assert_null(token_cache_get(&none, *state, &key, NOW, &print));
    assert_false(token_cache_get_forged(&none, *state, &key, NOW, &print));
}

/* As long as Cognito's: about 900 bytes of claims, of which some are kept twice. */
static void as_many_are_known_as_is_said(void **state) {
    struct token_claims claims = claims_of("5e1f2a3b-0000-4000-8000-000000000000", NOW + 3600);
    struct arena *a = arena_new(1 << 20);
    struct token_key key;
    unsigned found = 0;
    uint64_t print;

    (void)state;
    claims.all = arena_printf(a, "{\"sub\":\"%0700d\"}", 0);
    claims.scope = "openid email profile mcp-server/tools";
    claims.jti = claims.username = claims.sub;
    claims.client_id = "1example23456789";
    for (unsigned i = 0; i < TOKENS_KEPT; i++) {
        key = key_of(&cache, &i, sizeof i);
        token_cache_put(&cache, &key, &claims, i, NOW);
    }
    arena_reset(a);
    for (unsigned i = 0; i < TOKENS_KEPT; i++) {
        key = key_of(&cache, &i, sizeof i);
        found += token_cache_get(&cache, a, &key, NOW, &print) && print == i;
        arena_reset(a);
    }
    arena_free(a);
    assert_in_range(found, TOKENS_KEPT * 99 / 100, TOKENS_KEPT);
}

static void a_forged_token_is_known_for_a_while(void **state) {
    const struct token_key key = key_of(&cache, "forged", 6), other = key_of(&cache, "other", 5);
    uint64_t print = 0;

    assert_false(token_cache_get_forged(&cache, *state, &key, NOW, &print));
    token_cache_put_forged(&cache, &key, 7, NOW);
    assert_true(token_cache_get_forged(&cache, *state, &key, NOW, &print));
    assert_int_equal(print, 7);
    assert_false(token_cache_get_forged(&cache, *state, &other, NOW, &print));
    assert_null(token_cache_get(&cache, *state, &key, NOW, &print));
    assert_true(
        token_cache_get_forged(&cache, *state, &key, NOW + FORGED_TOKEN_KEPT_S - 1, &print));
    assert_false(token_cache_get_forged(&cache, *state, &key, NOW + FORGED_TOKEN_KEPT_S, &print));
}

static void forged_tokens_displace_no_good_one(void **state) {
    struct token_key key;

    put("t", "alice", NOW + 10);
    for (unsigned i = 0; i < 100000; i++) {
        key = key_of(&cache, &i, sizeof i);
        token_cache_put_forged(&cache, &key, 7, NOW);
    }
    assert_non_null(get(*state, "t", NOW));
}

#define EACH(fn) cmocka_unit_test_setup_teardown(fn, start, stop)

int main(void) {
    const struct CMUnitTest tests[] = {
        EACH(what_was_put_is_found),
        EACH(a_token_is_not_used_past_its_exp),
        EACH(other_processes_know_it),
        EACH(it_is_of_one_site),
        EACH(without_memory_nothing_is_known),
        EACH(as_many_are_known_as_is_said),
        EACH(a_forged_token_is_known_for_a_while),
        EACH(forged_tokens_displace_no_good_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
