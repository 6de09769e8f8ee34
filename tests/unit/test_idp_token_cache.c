/* The worker's cache of verified tokens: limited, with its own copies, never past exp. */
#include "unit.h"

#include "idp/access_token.h"

#define NOW 1000

static struct token_claims claims_of(const char *sub, int64_t exp) {
    return (struct token_claims){.sub = sub,
                                 .username = "u",
                                 .client_id = "c",
                                 .scope = "s",
                                 .jti = "",
                                 .exp = exp,
                                 .iat = 5};
}

static void put(struct token_cache *c, const char *token, const char *sub, int64_t exp) {
    struct token_claims claims = claims_of(sub, exp);

    token_cache_put(c, token, &claims);
}

static void what_was_put_is_found(void **state) {
    struct token_cache *c = token_cache_new(64);
    char sub[] = "alice", token[] = "token-1";

    (void)state;
    assert_null(token_cache_get(c, "token-1", NOW));
    put(c, token, sub, NOW + 10);
    memset(sub, 'x', sizeof sub - 1); /* its own copy */
    memset(token, 'x', sizeof token - 1);
    const struct token_claims *got = token_cache_get(c, "token-1", NOW);
    assert_non_null(got);
    assert_string_equal(got->sub, "alice");
    assert_string_equal(got->username, "u");
    assert_string_equal(got->client_id, "c");
    assert_string_equal(got->scope, "s");
    assert_string_equal(got->jti, "");
    assert_int_equal(got->exp, NOW + 10);
    assert_int_equal(got->iat, 5);
    assert_null(token_cache_get(c, "token-2", NOW));
    assert_null(token_cache_get(c, "token-", NOW));
    assert_null(token_cache_get(c, "", NOW));
    assert_null(token_cache_get(c, NULL, NOW));
    token_cache_free(c);
}

static void an_entry_is_not_used_past_its_exp(void **state) {
    struct token_cache *c = token_cache_new(64);

    (void)state;
    put(c, "t", "alice", NOW + 10);
    const struct token_claims *lent = token_cache_get(c, "t", NOW + 9);
    assert_non_null(lent);
    assert_null(token_cache_get(c, "t", NOW + 10));
    assert_null(token_cache_get(c, "t", NOW + 11));
    assert_string_equal(lent->sub, "alice"); /* borrowed until the next put */
    token_cache_free(c);
}

static void a_second_put_replaces_the_first(void **state) {
    struct token_cache *c = token_cache_new(4);

    (void)state;
    put(c, "t", "alice", NOW + 10);
    put(c, "t", "bob", NOW + 20);
    const struct token_claims *got = token_cache_get(c, "t", NOW + 15);
    assert_string_equal(got->sub, "bob");
    token_cache_put(c, "t", got); /* out of the entry that it replaces */
    assert_string_equal(token_cache_get(c, "t", NOW + 15)->sub, "bob");
    token_cache_free(c);
}

/* Of four entries in one set. */
static void the_least_recently_used_entry_goes(void **state) {
    struct token_cache *c = token_cache_new(4);

    (void)state;
    put(c, "1", "one", NOW + 10);
    put(c, "2", "two", NOW + 10);
    put(c, "3", "three", NOW + 10);
    put(c, "4", "four", NOW + 10);
    assert_non_null(token_cache_get(c, "1", NOW));
    put(c, "5", "five", NOW + 10);
    assert_null(token_cache_get(c, "2", NOW));
    assert_non_null(token_cache_get(c, "1", NOW));
    assert_non_null(token_cache_get(c, "3", NOW));
    assert_non_null(token_cache_get(c, "4", NOW));
    assert_non_null(token_cache_get(c, "5", NOW));
    token_cache_free(c);
}

static void an_expired_entry_goes_before_one_that_is_not(void **state) {
    struct token_cache *c = token_cache_new(4);

    (void)state;
    put(c, "1", "one", NOW + 100);
    put(c, "2", "two", NOW + 100);
    put(c, "3", "three", NOW + 1);
    put(c, "4", "four", NOW + 100);
    assert_non_null(token_cache_get(c, "3", NOW));
    assert_null(token_cache_get(c, "x", NOW + 50)); /* tells the time */
    put(c, "5", "five", NOW + 100);
    assert_non_null(token_cache_get(c, "1", NOW + 50));
    assert_non_null(token_cache_get(c, "2", NOW + 50));
    assert_non_null(token_cache_get(c, "4", NOW + 50));
    assert_non_null(token_cache_get(c, "5", NOW + 50));
    token_cache_free(c);
}

static void it_is_bounded(void **state) {
    struct token_cache *c = token_cache_new(64);
    char token[32];
    int found = 0;

    (void)state;
    for (int i = 0; i < 5000; i++) {
        (void)snprintf(token, sizeof token, "token-%d", i);
        put(c, token, token, NOW + 10);
        assert_string_equal(token_cache_get(c, token, NOW)->sub, token);
    }
    for (int i = 0; i < 5000; i++) {
        (void)snprintf(token, sizeof token, "token-%d", i);
        const struct token_claims *got = token_cache_get(c, token, NOW);
        found += got != NULL;
        if (got)
            assert_string_equal(got->sub, token);
    }
    assert_true(found > 32 && found <= 64);
    token_cache_free(c);
}

static void a_text_that_is_too_long_for_a_token_is_not_looked_at(void **state) {
    static char huge[TOKEN_LEN_MAX + 2];
    struct token_cache *c = token_cache_new(4);

    (void)state;
    memset(huge, 'x', TOKEN_LEN_MAX + 1);
    put(c, huge, "alice", NOW + 10);
    assert_null(token_cache_get(c, huge, NOW));
    huge[TOKEN_LEN_MAX] = 0;
    put(c, huge, "alice", NOW + 10);
    assert_non_null(token_cache_get(c, huge, NOW));
    token_cache_free(c);
}

static void a_cache_of_no_entries_has_a_few(void **state) {
    struct token_cache *c = token_cache_new(0);

    (void)state;
    put(c, "t", "alice", NOW + 10);
    assert_non_null(token_cache_get(c, "t", NOW));
    token_cache_free(c);
    token_cache_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_put_is_found),
        cmocka_unit_test(an_entry_is_not_used_past_its_exp),
        cmocka_unit_test(a_second_put_replaces_the_first),
        cmocka_unit_test(the_least_recently_used_entry_goes),
        cmocka_unit_test(an_expired_entry_goes_before_one_that_is_not),
        cmocka_unit_test(it_is_bounded),
        cmocka_unit_test(a_text_that_is_too_long_for_a_token_is_not_looked_at),
        cmocka_unit_test(a_cache_of_no_entries_has_a_few),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
