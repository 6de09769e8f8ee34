#include "unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "net/ssrf_filter.h"

static bool allows(const struct ssrf_filter *g, const char *text) {
    struct sockaddr_in6 six = {.sin6_family = AF_INET6};
    struct sockaddr_in four = {.sin_family = AF_INET};

    if (inet_pton(AF_INET, text, &four.sin_addr) == 1)
        return ssrf_filter_allows(g, (const struct sockaddr *)&four);
    assert_int_equal(inet_pton(AF_INET6, text, &six.sin6_addr), 1);
    return ssrf_filter_allows(g, (const struct sockaddr *)&six);
}

static void private_and_special_addresses_are_closed(void **state) {
    static const char *const closed[] = {"0.0.0.0",
                                         "0.1.2.3",
                                         "10.0.0.1",
                                         "10.255.255.255",
                                         "100.64.0.1",
                                         "100.127.255.255",
                                         "127.0.0.1",
                                         "127.255.255.255",
                                         "169.254.169.254",
                                         "172.16.0.1",
                                         "172.31.255.255",
                                         "192.0.0.1",
                                         "192.0.0.192",
                                         "192.0.2.1",
                                         "192.88.99.1",
                                         "192.168.1.1",
                                         "198.18.0.1",
                                         "198.19.255.255",
                                         "198.51.100.1",
                                         "203.0.113.1",
                                         "224.0.0.1",
                                         "239.255.255.255",
                                         "240.0.0.1",
                                         "255.255.255.255",
                                         "::",
                                         "::1",
                                         "::ffff:127.0.0.1",
                                         "::ffff:10.0.0.1",
                                         "::ffff:169.254.169.254",
                                         "::127.0.0.1",
                                         "64:ff9b::10.0.0.1",
                                         "64:ff9b::7f00:1",
                                         "64:ff9b:1::8.8.8.8",
                                         "100::1",
                                         "2001::1",
                                         "2001:0:1:2:3:4:5:6",
                                         "2001:10::1",
                                         "2001:20::1",
                                         "2001:db8::1",
                                         "2002:7f00:1::",
                                         "2002:a00:1::1",
                                         "2002:808:808::1",
                                         "3fff::1",
                                         "fc00::1",
                                         "fd00:ec2::254",
                                         "fe80::1",
                                         "fec0::1",
                                         "ff02::1",
                                         "5f00::1",
                                         "2600::5efe:10.0.0.1",
                                         "2600::200:5efe:192.168.0.1",
                                         "4000::1",
                                         "e000::1"};
    struct ssrf_filter g;
    struct err e;

    (void)state;
    assert_int_equal(ssrf_filter_init(&g, "", &e), OK);
    for (size_t i = 0; i < sizeof closed / sizeof *closed; i++)
        if (allows(&g, closed[i]))
            fail_msg("open: %s", closed[i]);
}

static void public_addresses_are_open(void **state) {
    static const char *const open[] = {
        "8.8.8.8",           "1.1.1.1",          "100.63.255.255",  "100.128.0.0",
        "172.15.255.255",    "172.32.0.0",       "9.255.255.255",   "11.0.0.0",
        "126.255.255.255",   "128.0.0.1",        "223.255.255.255", "2606:4700::1",
        "2a00:1450:4001::1", "64:ff9b::8.8.8.8", "::ffff:8.8.8.8",  "2600::5efe:8.8.8.8"};
    struct ssrf_filter g;
    struct err e;

    (void)state;
    assert_int_equal(ssrf_filter_init(&g, "", &e), OK);
    for (size_t i = 0; i < sizeof open / sizeof *open; i++)
        if (!allows(&g, open[i]))
            fail_msg("closed: %s", open[i]);
}

static void ranges_can_be_exempted(void **state) {
    struct ssrf_filter g;
    struct err e;

    (void)state;
    assert_int_equal(ssrf_filter_init(&g, "127.0.0.0/8  ::1/128 fd12::/16", &e), OK);
    assert_true(allows(&g, "127.0.0.1"));
    assert_true(allows(&g, "::ffff:127.0.0.1"));
    assert_true(allows(&g, "::1"));
    assert_true(allows(&g, "fd12:3::4"));
    assert_false(allows(&g, "fd13::1"));
    assert_false(allows(&g, "10.0.0.1"));
    assert_false(allows(&g, "::2"));
}

static void wrong_ranges_are_refused(void **state) {
    static const char *const wrong[] = {"10.0.0.0",  "10.0.0.0/33", "10.0.0/8",
                                        "x/8",       "::1/129",     "::g/1",
                                        "10.0.0.0/", "10.0.0.0/8x", "10.0.0.0/-1"};
    struct ssrf_filter g;
    struct err e;

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (ssrf_filter_init(&g, wrong[i], &e) != ERR_MISCONFIGURED)
            fail_msg("accepted: %s", wrong[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(private_and_special_addresses_are_closed),
        cmocka_unit_test(public_addresses_are_open),
        cmocka_unit_test(ranges_can_be_exempted),
        cmocka_unit_test(wrong_ranges_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
