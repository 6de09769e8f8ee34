/* Where signing keys come from, and how rarely Cognito is asked. This file defines http_fetch
 * and the host's cache, which the linker uses instead of those in net/ and shared/. */
#include "unit.h"

#include "base/log.h"
#include "idp/key_set.h"
#include "shared/cache.h"
#include "token_maker.h"

#define NOW 1800000000

static struct signer signer;
static struct arena *a;
static struct clock now;
static const char *key_set_url = "https://cognito.example/jwks.json";

struct cache {
    char key[64], value[JWK_SET_BYTES_MAX + 1], added_key[64]; /* of the set; of the lease */
    size_t len;
    int64_t stored_s, added_until_s;
    bool fails, set_fails;
    int gets;
    const char *appears; /* what another worker puts in, before the get of this number */
    int appears_at;
};
static struct cache cache;

/* ---- a Cognito ---- */

static struct {
    enum rc rc;
    long status;
    const char *body;
    int calls;
} cognito;

enum rc http_fetch(struct http_client *c, struct arena *arena, const struct http_request *rq,
                   struct http_reply *out, struct err *e) {
    (void)c;
    cognito.calls++;
    assert_string_equal(rq->method, "GET");
    assert_string_equal(rq->url, key_set_url);
    assert_int_equal(rq->max_reply_bytes, JWK_SET_BYTES_MAX);
    assert_true(rq->timeout_ms > 0 && rq->timeout_ms <= 5000);
    /* If this worker is killed, another one fetches it. */
    assert_true(cache.added_until_s <= now.fixed_s + 10);
    if (cognito.rc)
        return err_set(e, cognito.rc, "no answer");
    *out = (struct http_reply){.status = cognito.status,
                               .content_type = "application/json",
                               .body = arena_strdup(arena, cognito.body),
                               .body_len = strlen(cognito.body)};
    return OK;
}

/* ---- a cache ---- */

enum rc cache_set(struct cache *c, const char *key, const struct cache_entry *in, size_t most,
                  struct err *e) {
    (void)most;
    if (c->fails || c->set_fails)
        return err_set(e, ERR_STORE, "the cache fails");
    assert_true(strlen(key) < sizeof c->key);
    strcpy(c->key, key);
    memcpy(c->value, in->value, in->len);
    c->len = in->len;
    c->stored_s = now.fixed_s;
    return OK;
}

enum rc cache_get(struct cache *c, struct arena *arena, const char *key, struct cache_entry *out,
                  struct err *e) {
    if (c->fails)
        return err_set(e, ERR_STORE, "the cache fails");
    c->gets++;
    if (c->appears && c->gets >= c->appears_at) {
        const struct cache_entry entry = cache_text_entry(c->appears, CACHE_NO_TTL);

        assert_int_equal(cache_set(c, key, &entry, 0, e), OK);
        c->appears = NULL;
    }
    if (strcmp(c->key, key) != 0)
        return err_set(e, ERR_MISSING, "not there");
    *out = (struct cache_entry){
        .value = arena_strndup(arena, c->value, c->len), .len = c->len, .stored_s = c->stored_s};
    return OK;
}

enum rc cache_add(struct cache *c, const char *key, const struct cache_entry *in, size_t most,
                  struct err *e) {
    (void)most;
    if (c->fails)
        return err_set(e, ERR_STORE, "the cache fails");
    if (strcmp(c->added_key, key) == 0 && now.fixed_s < c->added_until_s)
        return err_set(e, ERR_EXISTS, "taken");
    strcpy(c->added_key, key);
    c->added_until_s = now.fixed_s + in->ttl_s;
    return OK;
}

bool cache_has(struct cache *c, const char *key) {
    return !c->fails && !strcmp(c->added_key, key) && now.fixed_s < c->added_until_s;
}

enum rc cache_swap(struct cache *c, const char *key, const struct cache_entry *expected,
                   const struct cache_entry *in, struct err *e) {
    (void)expected;
    if (strcmp(c->added_key, key) != 0)
        return err_set(e, ERR_CONFLICT, "not there");
    c->added_until_s = in ? now.fixed_s + in->ttl_s : 0; /* NULL: a lease that ends */
    return OK;
}

/* ---- helpers ---- */

static int start_all(void **state) {
    (void)state;
    signer_init(&signer, 2048);
    a = arena_new(64 << 20);
    log_set_level(LOG_ERROR);
    return 0;
}

static int stop_all(void **state) {
    (void)state;
    signer_free(&signer);
    arena_free(a);
    return 0;
}

static int start(void **state) {
    (void)state;
    memset(&cache, 0, sizeof cache);
    cognito.rc = OK;
    cognito.status = 200;
    cognito.body = jwks_json(a, &signer, "k1");
    cognito.calls = 0;
    now.fixed_s = NOW;
    return 0;
}

static struct keyset *worker(void) {
    return keyset_new(key_set_url, NULL, &cache, &now);
}

static void is_found(struct keyset *k, const char *kid) {
    const struct jwk *key = NULL;
    struct err e = {0};

    assert_int_equal(keyset_find(k, kid, &key, &e), OK);
    assert_non_null(key);
}

static void is_not_found(struct keyset *k, const char *kid, enum rc rc) {
    const struct jwk *key = NULL;
    struct err e = {0};

    assert_int_equal(keyset_find(k, kid, &key, &e), rc);
    assert_int_equal(e.code, rc);
    assert_true(*e.text);
    assert_null(key);
}

/* ---- tests ---- */

static void a_new_keyset_does_no_network(void **state) {
    (void)state;
    keyset_free(worker());
    keyset_free(NULL);
    assert_int_equal(cognito.calls, 0);
}

static void a_key_is_fetched_once_and_then_known(void **state) {
    struct keyset *k = worker();

    (void)state;
    for (int i = 0; i < 5; i++)
        is_found(k, "k1");
    assert_int_equal(cognito.calls, 1);
    assert_int_equal(cache.gets, 2); /* before the lease, and with it */
    keyset_free(k);
}

static void other_workers_take_it_from_the_host(void **state) {
    struct keyset *one = worker(), *two = worker();

    (void)state;
    is_found(one, "k1");
    is_found(two, "k1");
    assert_int_equal(cognito.calls, 1);
    keyset_free(one);
    keyset_free(two);
}

static void unknown_key_ids_cost_one_fetch_a_minute_for_all(void **state) {
    struct keyset *one = worker(), *two = worker();

    (void)state;
    for (int second = 0; second < 120; second++) {
        now.fixed_s = NOW + second;
        is_not_found(one, "invented", ERR_INVALID_TOKEN);
        is_not_found(two, "invented", ERR_INVALID_TOKEN);
    }
    assert_int_equal(cognito.calls, 2);
    keyset_free(one);
    keyset_free(two);
}

static void a_new_key_is_found_after_a_rotation(void **state) {
    struct keyset *one = worker(), *two = worker();

    (void)state;
    is_found(one, "k1");
    is_found(two, "k1");
    cognito.body = jwks_json(a, &signer, "k2");
    now.fixed_s += KEYSET_REFETCH_S;
    is_found(one, "k2");
    is_found(two, "k2");
    is_not_found(one, "k1", ERR_INVALID_TOKEN);
    assert_int_equal(cognito.calls, 2);
    keyset_free(one);
    keyset_free(two);
}

static void the_last_good_set_outlives_bad_answers(void **state) {
    static const struct {
        enum rc rc;
        long status;
        const char *body;
    } bad[] = {{ERR_UPSTREAM, 0, ""},
               {ERR_TOO_LARGE, 0, ""},
               {OK, 500, "oops"},
               {OK, 404, "{}"},
               {OK, 200, "<html>"},
               {OK, 200, "{\"keys\":[]}"},
               {OK, 302, "{\"keys\":[]}"},
               {OK, 200, "{\"keys\":[{}]}"},
               {OK, 404, NULL}};
    const char *other_set = jwks_json(a, &signer, "k2"); /* good, but for its status */
    struct keyset *k = worker();

    (void)state;
    is_found(k, "k1");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cognito.rc = bad[i].rc;
        cognito.status = bad[i].status;
        cognito.body = bad[i].body ? bad[i].body : other_set;
        now.fixed_s += KEYSET_MAX_AGE_S + 1;
        is_found(k, "k1");
        is_not_found(k, "k2", ERR_INVALID_TOKEN);
        assert_int_equal(cognito.calls, 2 + (int)i);
    }
    struct keyset *later = worker(); /* started in the outage */
    is_found(later, "k1");
    keyset_free(later);
    keyset_free(k);
}

static void an_old_set_is_fetched_anew(void **state) {
    struct keyset *k = worker();

    (void)state;
    is_found(k, "k1");
    cognito.body = jwks_json(a, &signer, "k2"); /* k1 was withdrawn */
    now.fixed_s += KEYSET_MAX_AGE_S;
    is_found(k, "k1");
    assert_int_equal(cognito.calls, 1);
    now.fixed_s += 1;
    is_not_found(k, "k1", ERR_INVALID_TOKEN);
    assert_int_equal(cognito.calls, 2);
    keyset_free(k);
}

static void an_old_set_is_not_fetched_if_the_host_has_a_newer_one(void **state) {
    struct keyset *one = worker(), *two = worker();

    (void)state;
    is_found(one, "k1");
    is_found(two, "k1");
    now.fixed_s += KEYSET_MAX_AGE_S + 1;
    is_found(one, "k1");
    now.fixed_s += KEYSET_REFETCH_S;
    is_found(two, "k1");
    assert_int_equal(cognito.calls, 2);
    keyset_free(one);
    keyset_free(two);
}

static void an_older_set_of_the_host_is_not_taken(void **state) {
    struct keyset *k = worker();

    (void)state;
    is_found(k, "k1");
    cognito.body = jwks_json(a, &signer, "k2");
    now.fixed_s += KEYSET_REFETCH_S;
    cache.set_fails = true;
    is_found(k, "k2");
    is_not_found(k, "k1", ERR_INVALID_TOKEN); /* which the host's cache still has */
    is_found(k, "k2");
    keyset_free(k);
}

static void a_first_start_with_cognito_down(void **state) {
    struct keyset *k = worker();

    (void)state;
    cognito.rc = ERR_UPSTREAM;
    is_not_found(k, "k1", ERR_UPSTREAM);
    is_not_found(k, "k1", ERR_UPSTREAM);
    assert_int_equal(cognito.calls, 1);
    cognito.rc = OK;
    now.fixed_s += KEYSET_REFETCH_S;
    is_found(k, "k1");
    keyset_free(k);
}

/* At a cold start many workers miss at once, and one of them fetches. */
static void the_fetch_of_another_worker_is_waited_for(void **state) {
    const struct cache_entry mark = cache_text_entry("", 60);
    struct keyset *k = worker();
    struct err e;

    (void)state;
    assert_int_equal(cache_add(&cache, "other", &mark, 0, &e), OK);
    is_found(k, "k1"); /* its own fetch: "other" is another key */
    keyset_free(k);

    k = worker();
    memset(cache.key, 0, sizeof cache.key);
    cache.appears = cognito.body;
    cache.appears_at = cache.gets + 4;
    is_found(k, "k1");
    assert_int_equal(cognito.calls, 1);
    keyset_free(k);
}

static void waiting_is_rationed(void **state) {
    struct keyset *k = worker();

    (void)state;
    cognito.rc = ERR_UPSTREAM;
    is_not_found(k, "k1", ERR_UPSTREAM); /* fetches */
    int64_t began = clock_monotonic_ms();
    is_not_found(k, "k1", ERR_UPSTREAM); /* waits for nothing, once */
    int64_t waited = clock_monotonic_ms() - began;
    assert_true(waited >= 900 && waited < 5000);
    int before = cache.gets;
    for (int i = 0; i < 10; i++)
        is_not_found(k, "k1", ERR_UPSTREAM);
    assert_int_equal(cache.gets, before + 10);
    keyset_free(k);
}

/* Nobody counts for the host then, so each worker counts for itself. */
static void a_cache_that_fails_does_not_stop_good_tokens(void **state) {
    struct keyset *k = worker();

    (void)state;
    cache.fails = true;
    is_found(k, "k1");
    is_not_found(k, "unknown", ERR_INVALID_TOKEN);
    is_found(k, "k1");
    assert_int_equal(cognito.calls, 1);
    now.fixed_s += KEYSET_REFETCH_S;
    is_not_found(k, "unknown", ERR_INVALID_TOKEN);
    assert_int_equal(cognito.calls, 2);
    keyset_free(k);
}

static void rubbish_in_the_cache_does_no_harm(void **state) {
    struct keyset *k = worker();

    (void)state;
    is_found(k, "k1");
    keyset_free(k);
    strcpy(cache.value, "rubbish");
    cache.len = 7;
    k = worker();
    now.fixed_s += KEYSET_REFETCH_S;
    is_found(k, "k1");
    assert_int_equal(cognito.calls, 2);
    keyset_free(k);
}

static void without_a_cache_the_limit_is_per_worker(void **state) {
    struct keyset *k = keyset_new(key_set_url, NULL, NULL, &now);

    (void)state;
    for (int second = 0; second < 120; second++) {
        now.fixed_s = NOW + second;
        is_found(k, "k1");
        is_not_found(k, "invented", ERR_INVALID_TOKEN);
    }
    assert_int_equal(cognito.calls, 2); /* in two minutes */
    keyset_free(k);
}

static void a_long_address_has_a_short_key(void **state) {
    char url[2000];
    struct keyset *k;

    (void)state;
    memset(url, 'x', sizeof url - 1);
    url[sizeof url - 1] = 0;
    const char *kept = key_set_url;
    key_set_url = url;
    k = worker();
    is_found(k, "k1");
    assert_true(strlen(cache.key) > 5 && strlen(cache.added_key) > 5);
    key_set_url = kept;
    keyset_free(k);
}

#define SCRIPTED(test) cmocka_unit_test_setup(test, start)

int main(void) {
    const struct CMUnitTest tests[] = {
        SCRIPTED(a_new_keyset_does_no_network),
        SCRIPTED(a_key_is_fetched_once_and_then_known),
        SCRIPTED(other_workers_take_it_from_the_host),
        SCRIPTED(unknown_key_ids_cost_one_fetch_a_minute_for_all),
        SCRIPTED(a_new_key_is_found_after_a_rotation),
        SCRIPTED(the_last_good_set_outlives_bad_answers),
        SCRIPTED(an_old_set_is_fetched_anew),
        SCRIPTED(an_old_set_is_not_fetched_if_the_host_has_a_newer_one),
        SCRIPTED(an_older_set_of_the_host_is_not_taken),
        SCRIPTED(a_first_start_with_cognito_down),
        SCRIPTED(the_fetch_of_another_worker_is_waited_for),
        SCRIPTED(waiting_is_rationed),
        SCRIPTED(a_cache_that_fails_does_not_stop_good_tokens),
        SCRIPTED(rubbish_in_the_cache_does_no_harm),
        SCRIPTED(without_a_cache_the_limit_is_per_worker),
        SCRIPTED(a_long_address_has_a_short_key),
    };
    return cmocka_run_group_tests(tests, start_all, stop_all);
}
