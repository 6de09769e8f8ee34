#include "unit.h"

#include "base/text.h"
#include "base/url.h"
#include "web/request.h"

static void parts_are_kept_as_written(void **state) {
    struct url u;
    struct err e;

    assert_int_equal(url_parse(*state, "HTTPS://u@Ex.com:8443/a%2fB?q=1#f", &u, &e), OK);
    assert_string_equal(u.scheme, "https");
    assert_string_equal(u.userinfo, "u");
    assert_string_equal(u.host, "Ex.com");
    assert_string_equal(u.port, "8443");
    assert_string_equal(u.path, "/a%2fB");
    assert_string_equal(u.query, "q=1");
    assert_string_equal(u.fragment, "f");
    assert_int_equal(url_parse(*state, "com.example.app:/cb", &u, &e), OK);
    assert_null(u.host);
    assert_string_equal(u.path, "/cb");
    assert_int_equal(url_parse(*state, "https://[::1]:1/", &u, &e), OK);
    assert_string_equal(u.host, "[::1]");
}

static void wrong_urls_are_refused(void **state) {
    static const char *const wrong[] = {
        "", "example.com", "://x", "https://", "https:///p", "https:/p", "1http://x/",
        "https://a b/", "https://a/\x7f", "https://a/\xc3\xa9", "https://[::1/", "https://[::1]x/",
        "https://a:b/", "https://a:123456/", "https://a/\"", "https://a\\b/",
        "https://ex%61mple.com/", "https://a/|",
        /* no address, whoever reads it */
        "https://[]/cb", "https://[1]/cb", "https://[1.2.3.4]/", "https://[fe80::1%25eth0]/",
        "https://[::1.2.3]/", "https://[1:2:3:4:5:6:7:8:9]/", "app://[]/cb", "https://1.2.3.4.5/",
        "https://256.1.1.1/", "https://a.example.0x7g.1/", "https://host.09/", "https://host.0x/"};

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct url u;
        struct err e;

        if (url_parse(*state, wrong[i], &u, &e) != ERR_INVALID_REQUEST)
            fail_msg("accepted: %s", wrong[i]);
        assert_true(strlen(e.text) > 0);
    }
}

/* Each is an IPv4 address to a browser and to curl, but not to whoever compares texts, or asks a
 * name server. */
static void an_ipv4_address_is_written_in_one_way(void **state) {
    static const char *const other_ways[] = {"127.1",         "127.1.",     "2130706433",
                                             "0x7f.1",        "0177.0.0.1", "0xa9fea9fe",
                                             "0xa9fea9fe.",   "1.2.3.0x",   "169.254.169.254.",
                                             "127.0.0.1.",    "127.00.0.1", "127.0.0.01",
                                             "1.2.3",         "0",          "0x",
                                             "0XA9.254.43518"};
    static const char *const names[] = {
        "1.2.3.4.example", "127.0.0.1.example.", "0x7f.example", "1.2.3.4a", "0xg",
        "a.0x7fg",         "example.",           "1.2.3.4..",    "localhost"};
    struct url u;
    struct err e;

    for (size_t i = 0; i < sizeof other_ways / sizeof *other_ways; i++) {
        if (url_parse(*state, arena_printf(*state, "https://%s:8443/x", other_ways[i]), &u, &e) !=
            ERR_INVALID_REQUEST)
            fail_msg("accepted: %s", other_ways[i]);
        /* Of a scheme that browsers do not know, the host is no address. */
        assert_int_equal(
            url_parse(*state, arena_printf(*state, "app://%s/x", other_ways[i]), &u, &e), OK);
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (url_parse(*state, arena_printf(*state, "https://%s/x", names[i]), &u, &e))
            fail_msg("refused: %s", names[i]);
    assert_int_equal(url_parse(*state, "https://169.254.169.254/x", &u, &e), OK);
    assert_int_equal(url_parse(*state, "https://[::ffff:169.254.169.254]/x", &u, &e), OK);
}

static void a_url_over_the_limit_is_refused(void **state) {
    char *long_url = arena_alloc(*state, URL_LEN_MAX + 2);
    struct url u;
    struct err e;

    memset(long_url, 'a', URL_LEN_MAX + 1);
    memcpy(long_url, "https://a/", 10);
    assert_int_equal(url_parse(*state, long_url, &u, &e), ERR_INVALID_REQUEST);
    long_url[URL_LEN_MAX] = 0;
    assert_int_equal(url_parse(*state, long_url, &u, &e), OK);
}

static void loopback_is_exact(void **state) {
    static const struct {
        const char *url;
        bool is;
    } cases[] = {{"http://127.0.0.1/", true},
                 {"http://127.255.255.254/", true},
                 {"http://localhost/", true},
                 {"http://LOCALHOST/", true},
                 {"http://[::1]/", true},
                 {"http://127.0.0.1.example.com/", false},
                 {"http://localhost.example.com/", false},
                 {"http://[::2]/", false},
                 {"http://128.0.0.1/", false},
                 {"http://[::ffff:127.0.0.1]/", false}};

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct url u;
        struct err e;

        assert_int_equal(url_parse(*state, cases[i].url, &u, &e), OK);
        if (url_is_loopback(&u) != cases[i].is)
            fail_msg("wrong about %s", cases[i].url);
    }
}

static void origins_follow_rfc_6454(void **state) {
    struct url u;
    struct err e;

    assert_int_equal(url_parse(*state, "HTTPS://Ex.com:443/x", &u, &e), OK);
    assert_string_equal(url_origin(*state, &u), "https://ex.com");
    assert_int_equal(url_parse(*state, "http://ex.com:8080", &u, &e), OK);
    assert_string_equal(url_origin(*state, &u), "http://ex.com:8080");
}

static void escapes_are_decoded_once(void **state) {
    assert_string_equal(url_decode(*state, "a%2fb%25", 8, false), "a/b%");
    assert_string_equal(url_decode(*state, "a+b", 3, true), "a b");
    assert_string_equal(url_decode(*state, "a+b", 3, false), "a+b");
    assert_null(url_decode(*state, "%", 1, false));
    assert_null(url_decode(*state, "%4", 2, false));
    assert_null(url_decode(*state, "%zz", 3, false));
    assert_null(url_decode(*state, "%00", 3, false));
    assert_null(url_decode(*state, "%4x", 3, false));
}

static void a_uri_has_one_plain_form(void **state) {
    static const char *const refused[] = {"a:%zz",  "a:%00",  "a:x y",  " a:x", "a:x ",
                                          "a:x\ty", "a:\177", "a:x\\y", NULL};
    static const char *const cases[][2] = {
        {"", ""},
        {"a:%2541%2fb", "a:%41/b"},
        {"file:///a//b%2F/c/", "file:///a/b/c/"},
        {"file://///a", "file:///a"},
        {"a://b//https://c", "a://b/https://c"},
        {"a:\xc3\xa4", "a:\xc3\xa4"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(url_plain(*state, cases[i][0]), cases[i][1]);
    for (const char *const *uri = refused; *uri; uri++)
        assert_null(url_plain(*state, *uri));
}

static void forms_are_parsed_strictly(void **state) {
    struct form f;
    struct err e;
    const char *good = "a=1&b=x%20y+z&c&=n&d=";

    assert_int_equal(form_parse(*state, good, strlen(good), &f, &e), OK);
    assert_string_equal(form_get(&f, "a"), "1");
    assert_string_equal(form_get(&f, "b"), "x y z");
    assert_null(form_get(&f, "c"));
    assert_null(form_get(&f, "d")); /* RFC 6749 §3.1: empty is absent */
    assert_null(form_get(&f, "e"));
    assert_int_equal(form_parse(*state, "a=1&a=1", 7, &f, &e), ERR_INVALID_REQUEST);
    assert_int_equal(form_parse(*state, "a=1&%61=2", 9, &f, &e), ERR_INVALID_REQUEST);
    assert_int_equal(form_parse(*state, "a=%", 3, &f, &e), ERR_INVALID_REQUEST);
    assert_int_equal(form_parse(*state, "", 0, &f, &e), OK);
}

static void a_form_has_a_limit(void **state) {
    struct buf b;
    struct form f;
    struct err e;

    buf_init(&b, *state, 4096);
    for (int i = 0; i < FORM_FIELDS_MAX; i++)
        buf_addf(&b, "p%d=1&", i);
    assert_int_equal(form_parse(*state, b.p, b.len, &f, &e), OK);
    buf_adds(&b, "last=1");
    assert_int_equal(form_parse(*state, b.p, b.len, &f, &e), ERR_INVALID_REQUEST);
}

static void parameters_are_added_with_the_right_separator(void **state) {
    struct buf b;

    buf_init(&b, *state, 200);
    buf_adds(&b, "https://a/b");
    url_add_param(&b, "x", "1&2");
    url_add_param(&b, "none", NULL);
    url_add_param(&b, "y", "\xc3\xa9");
    assert_string_equal(b.p, "https://a/b?x=1%262&y=%C3%A9");
    buf_init(&b, *state, 200);
    buf_adds(&b, "https://a/b?q=1");
    url_add_param(&b, "x", "1");
    assert_string_equal(b.p, "https://a/b?q=1&x=1");
}

static void lists_are_words(void **state) {
    (void)state;
    assert_true(list_has("a bc d", "bc"));
    assert_false(list_has("a bc d", "b"));
    assert_false(list_has("", "a"));
    assert_false(list_has("a", ""));
    assert_true(list_covers("a b c", "c a"));
    assert_true(list_covers("a", ""));
    assert_false(list_covers("a b", "a bb"));
    assert_false(list_covers("", "a"));
}

static void lists_are_intersected_and_subtracted(void **state) {
    assert_string_equal(list_among(*state, "c a  b a x", "a b c"), "c a b");
    assert_string_equal(list_without(*state, "c a  b a x x", "a b"), "c x");
    assert_string_equal(list_among(*state, "", "a"), "");
    assert_string_equal(list_without(*state, "a", "a aa"), "");
}

static void paths_are_normalized_as_rfc_3986_says(void **state) {
    static const char *const pairs[][2] = {
        {"", "/"},
        {"/", "/"},
        {"/a/b/c/./../../g", "/a/g"}, /* §5.2.4 */
        {"/%7Ea%2fb%c3%A9", "/~a%2Fb%C3%A9"},
        {"/a/..", "/"},
        {"/a/.", "/a/"},
        {"/../../a", "/a"},
        {"/a/%2e%2E/b", "/b"},
        {"/a//b/", "/a//b/"},
        {"/...", "/..."},
        {"/a/..b", "/a/..b"},
        {"/%", "/%25"},
        {"/%4", "/%254"},
        {"/%zz", "/%25zz"},
        {"/%%32%65", "/%252e"},
    };

    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        assert_string_equal(url_normal_path(*state, &(struct url){.path = pairs[i][0]}),
                            pairs[i][1]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_ARENA(parts_are_kept_as_written),
        WITH_ARENA(wrong_urls_are_refused),
        WITH_ARENA(an_ipv4_address_is_written_in_one_way),
        WITH_ARENA(a_url_over_the_limit_is_refused),
        WITH_ARENA(loopback_is_exact),
        WITH_ARENA(origins_follow_rfc_6454),
        WITH_ARENA(escapes_are_decoded_once),
        WITH_ARENA(forms_are_parsed_strictly),
        WITH_ARENA(a_form_has_a_limit),
        WITH_ARENA(parameters_are_added_with_the_right_separator),
        WITH_ARENA(a_uri_has_one_plain_form),
        WITH_ARENA(lists_are_words),
        WITH_ARENA(lists_are_intersected_and_subtracted),
        WITH_ARENA(paths_are_normalized_as_rfc_3986_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
