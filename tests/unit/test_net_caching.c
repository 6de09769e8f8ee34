/* RFC 9111 and RFC 5861: for how long a reply may be used again. */
#include "unit.h"

#include "net/http_reply.h"
#include "reply_of.h"

#define DATE "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
#define NOW 784111777 /* the same */

static void lifetimes(void **state) {
    static const struct {
        const char *head;
        bool may_store, has_lifetime;
        int64_t fresh_s;
        bool may_be_stale;
        int64_t stale_if_error_s;
    } cases[] = {
        {"", true, false, 0, true, -1},
        {"Cache-Control: max-age=60\r\n", true, true, 60, true, -1},
        {"cache-control:MAX-AGE=60\r\n", true, true, 60, true, -1},
        {"Cache-Control: public , max-age=\"60\"\r\n", true, true, 60, true, -1},
        {"Cache-Control: max-age=60\r\nAge: 20\r\n", true, true, 40, true, -1},
        {"Cache-Control: max-age=60\r\nAge: 90\r\n", true, true, -30, true, -1},
        {"Cache-Control: max-age=60\r\nAge: soon\r\n", true, true, 60, true, -1},
        {"Cache-Control: max-age=60, max-age=5\r\n", true, true, 5, true, -1},
        {"Cache-Control: max-age=60\r\nCache-Control: max-age=5\r\n", true, true, 5, true, -1},
        {"Cache-Control: max-age=x\r\n", true, true, 0, true, -1},
        {"Cache-Control: max-age=-1\r\n", true, true, 0, true, -1},
        {"Cache-Control: max-age\r\n", true, true, 0, true, -1},
        {"Cache-Control: max-age=99999999999999999999999\r\n", true, true, (int64_t)1 << 31, true,
         -1},
        {"Cache-Control: max-age=60, s-maxage=7\r\n", true, true, 7, false, -1},
        {"Cache-Control: max-age=60\r\n" DATE "Expires: Sun, 06 Nov 1994 08:49:38 GMT\r\n", true,
         true, 60, true, -1},
        {DATE "Expires: Sun, 06 Nov 1994 09:49:37 GMT\r\n", true, true, 3600, true, -1},
        {"Expires: Sun, 06 Nov 1994 09:49:37 GMT\r\n", true, true, 3600, true, -1},
        {DATE "Expires: Sun, 06 Nov 1994 09:49:37 GMT\r\nAge: 600\r\n", true, true, 3000, true, -1},
        {"Cache-Control: no-store\r\n", false, false, 0, true, -1},
        {"Cache-Control: no-cache\r\n", false, false, 0, true, -1},
        {"Cache-Control: private, max-age=60\r\n", false, true, 60, true, -1},
        {"Cache-Control: private=\"a, max-age=3\", max-age=60\r\n", false, true, 60, true, -1},
        {"Cache-Control: x-no-store, max-age=60\r\n", true, true, 60, true, -1},
        {"Cache-Control: max-age=60, must-revalidate\r\n", true, true, 60, false, -1},
        {"Cache-Control: max-age=60, stale-if-error=600\r\n", true, true, 60, true, 600},
        {"Cache-Control: max-age=60\r\nDate: Sun, 06 Nov 1994 08:49:17 GMT\r\n", true, true, 40,
         true, -1},
        {"Cache-Control: max-age=60\r\nDate: Sun, 06 Nov 1994 08:49:17 GMT\r\nAge: 30\r\n", true,
         true, 30, true, -1},
        {"Cache-Control: max-age=60\r\nDate: Sun, 06 Nov 1994 08:50:17 GMT\r\n", true, true, 60,
         true, -1},
        {"Date: Sun, 06 Nov 1994 08:49:17 GMT\r\nExpires: Sun, 06 Nov 1994 08:49:47 GMT\r\n", true,
         true, 10, true, -1},
        {"Cache-Control: max-age=60\r\nVary: *\r\n", false, true, 60, true, -1},
        {"Cache-Control: max-age=60\r\nVary: Accept\r\nVary: a,*\r\n", false, true, 60, true, -1},
        {"Cache-Control: max-age=60\r\nVary: Accept\r\n", true, true, 60, true, -1},
        {"X-Cache-Control: no-store\r\n", true, false, 0, true, -1},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct http_reply rp = reply_of(*state, cases[i].head);
        struct http_caching c;

        http_caching_read(*state, &rp, NOW, &c);
        if (c.may_store != cases[i].may_store || c.has_lifetime != cases[i].has_lifetime ||
            c.fresh_s != cases[i].fresh_s || c.may_be_stale != cases[i].may_be_stale ||
            c.stale_if_error_s != cases[i].stale_if_error_s)
            fail_msg("%s: %d %d %lld %d %lld", cases[i].head, c.may_store, c.has_lifetime,
                     (long long)c.fresh_s, c.may_be_stale, (long long)c.stale_if_error_s);
    }
}

static void a_date_that_is_none_has_passed(void **state) {
    static const char *const heads[] = {"Expires: 0\r\n",
                                        "Expires: -1\r\n",
                                        "Expires: \r\n",
                                        "Expires: tomorrow\r\n",
                                        "Expires: Sun, 06 Nov 1994 09:49:37 CET\r\n",
                                        "Expires: Mon, 06 Nov 1994 09:49:37 GMT\r\n",
                                        "Expires: sun, 06 Nov 1994 09:49:37 GMT\r\n",
                                        "Expires: Sun, 6 Nov 1994 09:49:37 GMT\r\n",
                                        "Expires: Sun, 06  Nov 1994 09:49:37 GMT\r\n",
                                        "Expires: Sun, 06 Nov 94 09:49:37 GMT\r\n",
                                        "Expires: Sun, 06 Nov 1994 9:49:37 GMT\r\n",
                                        "Expires: Sun, 06 Nov 1994 09:49:60 GMT\r\n",
                                        "Expires: Sun, 06 Nov 1994 09:49:37 GMT x\r\n"};

    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        struct http_reply rp = reply_of(*state, heads[i]);
        struct http_caching c;

        http_caching_read(*state, &rp, NOW, &c);
        assert_true(c.has_lifetime && c.fresh_s <= 0);
    }
}

static void headers_are_found_whole(void **state) {
    const struct http_reply rp = reply_of(*state, "A: 1\r\nab:  x y \r\nB:\r\nAB: z\r\n\r\n");

    assert_string_equal(http_reply_joined_header(*state, &rp, "ab"), "x y, z");
    assert_string_equal(http_reply_joined_header(*state, &rp, "a"), "1");
    assert_string_equal(http_reply_joined_header(*state, &rp, "b"), "");
    assert_null(http_reply_joined_header(*state, &rp, "c"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_ARENA(lifetimes),
        WITH_ARENA(a_date_that_is_none_has_passed),
        WITH_ARENA(headers_are_found_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
