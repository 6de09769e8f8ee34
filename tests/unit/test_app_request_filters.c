/* How requests to the OAuth endpoints are counted: by address, by network, by client. */
#include "unit.h"

#include "app/request_filters.h"
#include "base/clock.h"
#include "config/config.h"
#include "shared/rate_limit.h"

static char path[UNIT_PATH_MAX];
static char *authorization; /* of the requests; NULL: none */

static int fresh(void **state) {
    file_make(path);
    return arena_setup(state);
}

static int gone(void **state) {
    (void)unlink(path);
    return arena_teardown(state);
}

/* How many of `count` requests come through, from addresses with a number in their midst. */
static unsigned let_through(struct rate_limits *l, const struct config *c,
                            const char *const address[2], unsigned count, const char *body) {
    unsigned let = 0;

    for (unsigned i = 0; i < count; i++) {
        struct arena *a = arena_new(1 << 16);
        char *params[] = {authorization, NULL};
        struct request rq = {.arena = a,
                             .method = "POST",
                             .query = "",
                             .body = body,
                             .body_len = strlen(body),
                             .params = params,
                             .remote_addr =
                                 address[1] ? arena_printf(a, "%s%u%s", address[0], i, address[1])
                                            : address[0]};
        struct reply rp;
        struct site site = {.config = c, .limits = l};
        struct exchange x = {&site, &rq, &rp};
        struct err e;

        reply_init(&rp, a);
        let += rate_limit_check(&x, &e) == OK;
        arena_free(a);
    }
    return let;
}

static struct rate_limits *opened(void) {
    struct rate_limits *l;
    struct err e;

    if (rate_limits_open(path, &l, &e))
        fail_msg("%s", e.text);
    return l;
}

static void a_network_has_a_share_of_its_own(void **state) {
    static const char *const one_64[2] = {"2001:db8:1:1::", ""},
                             *const a_48[2] = {"2001:db8:1:1", "::1"},
                             *const other[2] = {"2001:db8:2:1::", ""},
                             *const ipv4[2] = {"192.0.2.", ""};
    const struct config c = {.rate_limit_address = 5};
    struct rate_limits *l = opened();
    const int64_t began_ms = clock_monotonic_ms();
    unsigned let, more; /* more: since then, of eight times as many a minute */

    (void)state;
    assert_int_equal(let_through(l, &c, one_64, 20, ""), 5);
    let = let_through(l, &c, a_48, 200, "");
    more = (unsigned)((clock_monotonic_ms() - began_ms) * 8 * 5 / 60000 + 1);
    assert_in_range(let, 35, 35 + more); /* the rest of eight times as many */
    assert_int_equal(let_through(l, &c, other, 20, ""), 5);
    assert_int_equal(let_through(l, &c, ipv4, 200, ""), 200);
    rate_limits_close(l);
}

static void a_client_is_one_however_it_is_written(void **state) {
    static const char *const here[2] = {"192.0.2.1", NULL};
    const struct config c = {.rate_limit_client = 5};
    struct rate_limits *l = opened();

    (void)state;
    assert_int_equal(let_through(l, &c, here, 4, "a=b&client_id=https%3A%2F%2Fx"), 4);
    assert_int_equal(let_through(l, &c, here, 4, "client_id=https://x&a=b"), 1);
    assert_int_equal(let_through(l, &c, here, 4, "client_id=%68ttps://x"), 0);
    assert_int_equal(let_through(l, &c, here, 4, "client_id=https://y"), 4);
    rate_limits_close(l);
}

/* RFC 6749 §2.3.1: client_secret_basic. */
static void a_client_is_the_same_by_basic(void **state) {
    static const char *const here[2] = {"192.0.2.1", NULL};
    static const char grant[] = "grant_type=client_credentials";
    const struct config c = {.rate_limit_client = 5};
    struct rate_limits *l = opened();

    (void)state;
    authorization = (char[]){"HTTP_AUTHORIZATION=Basic bTE6czE="}; /* m1:s1 */
    assert_int_equal(let_through(l, &c, here, 4, grant), 4);
    authorization = (char[]){"HTTP_AUTHORIZATION=basic JTZkMTpzMg=="}; /* %6d1:s2 */
    assert_int_equal(let_through(l, &c, here, 4, grant), 1);
    assert_int_equal(let_through(l, &c, here, 9, "client_id=m2"), 5); /* the field counts */
    authorization = (char[]){"HTTP_AUTHORIZATION=Basic !"};
    assert_int_equal(let_through(l, &c, here, 9, grant), 9);
    authorization = (char[]){"HTTP_AUTHORIZATION=Bearer bTE6czE="};
    assert_int_equal(let_through(l, &c, here, 9, grant), 9);
    authorization = NULL;
    assert_int_equal(let_through(l, &c, here, 4, "client_id=m1&client_secret=s"), 0);
    rate_limits_close(l);
}

#define ON_FILE(fn) cmocka_unit_test_setup_teardown(fn, fresh, gone)

int main(void) {
    const struct CMUnitTest tests[] = {ON_FILE(a_network_has_a_share_of_its_own),
                                       ON_FILE(a_client_is_one_however_it_is_written),
                                       ON_FILE(a_client_is_the_same_by_basic)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
