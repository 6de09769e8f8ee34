/* The refresh tokens of one login, with a clock of the test. This file defines an http_fetch
 * that always returns a new token; the linker uses it instead of the one in net/. */
#include "unit.h"

#include "config/config.h"
#include "crypto/digest.h"
#include "crypto/seal.h"
#include "net/http.h"
#include "oauth/refresh.h"
#include "oauth/site.h"
#include "shared/cache.h"

#define NOW 1700000000
#define REPLAY_S 120
#define DAY 86400
#define CLIENT "https://client.example.com/c.json"
#define REVOKE "https://login.example.com/oauth2/revoke"

static int refreshed, revoked;

enum rc http_fetch(struct http_client *c, struct arena *a, const struct http_request *rq,
                   struct http_reply *out, struct err *e) {
    const char *body = "";

    (void)c;
    (void)e;
    if (!strcmp(rq->url, REVOKE))
        revoked++;
    else
        body = arena_printf(a, "{\"access_token\":\"a%d\",\"token_type\":\"Bearer\"}", ++refreshed);
    *out = (struct http_reply){
        .status = 200, .body = (char *)(uintptr_t)body, .body_len = strlen(body)};
    return OK;
}

static struct config config = {.idp = {.token_url = "https://login.example.com/oauth2/token",
                                       .revoke_url = REVOKE,
                                       .client_id = "client-1"},
                               .callback_uri = "https://mcp.example.com/callback",
                               .refresh_replay_s = REPLAY_S,
                               .workers_max = 4};

struct fixture {
    char dir[UNIT_PATH_MAX];
    struct arena *a;
    struct site site;
    struct idp idp;
    struct oauth_site oauth;
    struct seal_keys *keys;
};

static int setup(void **state) {
    struct fixture *f = xcalloc(1, sizeof *f);
    struct err e;

    folder_make(f->dir);
    f->a = arena_new(8 << 20);
    f->site.config = &config;
    f->site.clock.fixed_s = NOW;
    assert_int_equal(cache_open(f->dir, 4, &f->site.clock, &f->site.cache, &e), OK);
    assert_int_equal(seal_keys_load(arena_printf(f->a, "%s/key", f->dir), true, &f->keys, &e), OK);
    f->idp.config = &config;
    f->site.idp = &f->idp;
    f->site.oauth = &f->oauth;
    f->site.seal = f->keys;
    refreshed = revoked = 0;
    *state = f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;

    seal_keys_free(f->keys);
    cache_close(f->site.cache);
    folder_remove(f->dir);
    arena_free(f->a);
    free(f);
    return 0;
}

/* The first refresh token of a login. */
static const char *login(struct fixture *f) {
    const struct refresh_grant grant = {.token = random_text(f->a, 16),
                                        .scope = "mcp-server/tools",
                                        .resource = "https://mcp.example.com/mcp",
                                        .asked = "",
                                        .must_authenticate = "",
                                        .login_s = NOW,
                                        .family = family_new(f->a)};

    return refresh_seal(&f->site, f->a, CLIENT, &grant);
}

/* The next one, or NULL if it is refused for good. */
static const char *refresh(struct fixture *f, const char *sealed) {
    struct refresh_token t = {.client_id = CLIENT, .sealed = sealed};
    struct idp_tokens out;
    struct err e;
    enum rc rc;

    assert_int_equal(refresh_open(&f->site, f->a, &t, &e), OK);
    rc = refresh_ask(&f->site, f->a, &t, &out, &e);
    if (rc)
        assert_int_equal(rc, ERR_INVALID_GRANT);
    return rc ? NULL : out.refresh_token;
}

static void one_after_another_for_a_year(void **state) {
    struct fixture *f = *state;
    const char *token = login(f);

    for (int i = 0; i < 365; i++, f->site.clock.fixed_s += DAY) {
        token = refresh(f, token);
        assert_non_null(token);
    }
    assert_int_equal(refreshed, 365);
    assert_int_equal(revoked, 0);
}

static void one_whose_answer_was_lost_comes_again(void **state) {
    struct fixture *f = *state;
    const char *first = login(f), *second = refresh(f, first);

    f->site.clock.fixed_s += REPLAY_S - 1;
    assert_string_equal(refresh(f, first), second);
    f->site.clock.fixed_s += 1; /* not given again, and not late either */
    assert_non_null(refresh(f, first));
    assert_int_equal(revoked, 0);
}

static void one_that_comes_late_ends_all_of_its_login(void **state) {
    struct fixture *f = *state;
    const char *first = login(f), *second = refresh(f, first), *other = login(f), *third;

    f->site.clock.fixed_s += REPLAY_S;
    third = refresh(f, second);
    assert_non_null(third);
    f->site.clock.fixed_s += REPLAY_S + 1;
    assert_null(refresh(f, first));
    assert_int_equal(revoked, 1);
    assert_null(refresh(f, third));
    assert_null(refresh(f, second));
    f->site.clock.fixed_s += 90 * DAY;
    assert_null(refresh(f, third));
    assert_int_equal(revoked, 1);
    assert_non_null(refresh(f, other));
}

static void so_does_the_first_alone(void **state) {
    struct fixture *f = *state;
    const char *first = login(f), *second = refresh(f, first);

    f->site.clock.fixed_s += REPLAY_S + 1;
    assert_null(refresh(f, first));
    assert_null(refresh(f, second));
}

/* Such as an answer with a token that nobody can use, as long as an admin has not mended it. */
static void one_whose_answer_is_not_given_out_may_come_late(void **state) {
    struct fixture *f = *state;
    const char *first = login(f), *second = refresh(f, first);
    struct refresh_token t = {.client_id = CLIENT, .sealed = second};
    struct err e;

    f->site.clock.fixed_s += DAY;
    assert_non_null(refresh(f, second));
    assert_int_equal(refresh_open(&f->site, f->a, &t, &e), OK);
    refresh_take_back(&f->site, f->a, &t.grant);
    f->site.clock.fixed_s += DAY;
    assert_non_null(refresh(f, second));
    assert_int_equal(revoked, 0);
    refresh_take_back(&f->site, f->a, &t.grant);
    f->site.clock.fixed_s += DAY;
    assert_null(refresh(f, first)); /* the one before is late all the same */
    assert_int_equal(revoked, 1);
}

/* The answer was kept, and is given out to the next who comes with it. */
static void one_that_was_taken_back_counts_as_used_when_its_answer_is_given(void **state) {
    struct fixture *f = *state;
    const char *second = refresh(f, login(f));
    struct refresh_token t = {.client_id = CLIENT, .sealed = second};
    struct err e;

    assert_non_null(refresh(f, second));
    assert_int_equal(refresh_open(&f->site, f->a, &t, &e), OK);
    refresh_take_back(&f->site, f->a, &t.grant);
    assert_non_null(refresh(f, second));
    f->site.clock.fixed_s += DAY;
    assert_null(refresh(f, second));
    assert_int_equal(revoked, 1);
}

static void an_older_one_is_not_taken_back(void **state) {
    struct fixture *f = *state;
    const char *first = login(f), *second = refresh(f, first);
    struct refresh_token t = {.client_id = CLIENT, .sealed = first};
    struct err e;

    assert_non_null(refresh(f, second));
    assert_int_equal(refresh_open(&f->site, f->a, &t, &e), OK);
    refresh_take_back(&f->site, f->a, &t.grant);
    f->site.clock.fixed_s += DAY;
    assert_null(refresh(f, second));
}

/* Each gets an answer of its own, and one of them is used later. */
static void where_nothing_is_given_again_parallel_ones_are_not_late(void **state) {
    struct fixture *f = *state;
    const char *first = login(f), *second = NULL;

    config.refresh_replay_s = 0;
    for (int i = 0; i < 8; i++)
        assert_non_null(second = refresh(f, first));
    assert_int_equal(refreshed, 8);
    f->site.clock.fixed_s += DAY;
    assert_non_null(refresh(f, second));
    f->site.clock.fixed_s += DAY;
    assert_null(refresh(f, first));
    config.refresh_replay_s = REPLAY_S;
}

static void one_of_an_earlier_version_begins_a_login_of_its_own(void **state) {
    struct fixture *f = *state;
    struct refresh_grant grant = {.token = "t",
                                  .scope = "s",
                                  .resource = "r",
                                  .asked = "",
                                  .must_authenticate = "",
                                  .family = ""};
    const char *old = refresh_seal(&f->site, f->a, CLIENT, &grant), *first = refresh(f, old);

    assert_non_null(refresh(f, first));
    f->site.clock.fixed_s += REPLAY_S + 1;
    assert_non_null(refresh(f, old));
    assert_null(refresh(f, first));
}

static void one_that_was_revoked_is_dead_with_its_login(void **state) {
    struct fixture *f = *state;
    const char *first = login(f), *second = refresh(f, first);
    struct refresh_token t = {.client_id = CLIENT, .sealed = second};
    struct err e;

    assert_int_equal(refresh_open(&f->site, f->a, &t, &e), OK);
    refresh_end(&f->site, f->a, &t.grant);
    for (int i = 0; i < 2; i++, f->site.clock.fixed_s += 90 * DAY) {
        assert_null(refresh(f, first));
        assert_null(refresh(f, second));
    }
    assert_int_equal(refreshed, 1);
}

/* Cognito's longest, and the longest scope: what goes out must be taken again. */
static void the_longest_is_taken_again(void **state) {
    struct fixture *f = *state;
    char *token = arena_alloc(f->a, IDP_REFRESH_TOKEN_MAX + 1), *scope = arena_alloc(f->a, 4097);
    struct refresh_grant grant = {.token = memset(token, 't', IDP_REFRESH_TOKEN_MAX),
                                  .scope = memset(scope, 's', 4096),
                                  .resource = "https://mcp.example.com/mcp",
                                  .asked = "",
                                  .must_authenticate = "yes",
                                  .login_s = NOW,
                                  .family = family_new(f->a)};

    assert_non_null(refresh(f, refresh_seal(&f->site, f->a, CLIENT, &grant)));
}

#define WITH_HOST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_HOST(one_after_another_for_a_year),
        WITH_HOST(one_whose_answer_was_lost_comes_again),
        WITH_HOST(one_that_comes_late_ends_all_of_its_login),
        WITH_HOST(so_does_the_first_alone),
        WITH_HOST(one_whose_answer_is_not_given_out_may_come_late),
        WITH_HOST(one_that_was_taken_back_counts_as_used_when_its_answer_is_given),
        WITH_HOST(an_older_one_is_not_taken_back),
        WITH_HOST(where_nothing_is_given_again_parallel_ones_are_not_late),
        WITH_HOST(one_of_an_earlier_version_begins_a_login_of_its_own),
        WITH_HOST(one_that_was_revoked_is_dead_with_its_login),
        WITH_HOST(the_longest_is_taken_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
