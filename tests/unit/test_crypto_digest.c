/* Published vectors of SHA-256, HMAC and HKDF. */
#include "unit.h"

#include "base/encode.h"
#include "crypto/digest.h"

static void is_hex(struct arena *a, const uint8_t *got, size_t len, const char *expected) {
    assert_string_equal(hex_encode(a, got, len), expected);
}

static void sha256_of_the_fips_180_vectors(void **state) {
    uint8_t out[SHA256_LEN];

    sha256("", 0, out);
    is_hex(*state, out, sizeof out,
           "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    sha256(NULL, 0, out);
    is_hex(*state, out, sizeof out,
           "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    sha256("abc", 3, out);
    is_hex(*state, out, sizeof out,
           "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56, out);
    is_hex(*state, out, sizeof out,
           "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

static void hmac_of_the_rfc_4231_vectors(void **state) {
    uint8_t out[SHA256_LEN], key[131], data[50];

    memset(key, 0x0b, 20);
    hmac_sha256(key, 20, "Hi There", 8, out);
    is_hex(*state, out, sizeof out,
           "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    hmac_sha256("Jefe", 4, "what do ya want for nothing?", 28, out);
    is_hex(*state, out, sizeof out,
           "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, sizeof key);
    memset(data, 0xdd, sizeof data);
    hmac_sha256(key, 20, data, sizeof data, out);
    is_hex(*state, out, sizeof out,
           "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
    hmac_sha256(key, sizeof key, "Test Using Larger Than Block-Size Key - Hash Key First", 54, out);
    is_hex(*state, out, sizeof out,
           "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

static void hkdf_of_rfc_5869_test_case_3(void **state) {
    uint8_t secret[22], out[42];

    memset(secret, 0x0b, sizeof secret);
    hkdf_sha256(secret, sizeof secret, "", out, sizeof out);
    is_hex(*state, out, sizeof out,
           "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
           "9d201395faa4b61a96c8");
}

static void hkdf_gives_other_bytes_for_another_info(void **state) {
    uint8_t one[32], two[32];

    (void)state;
    hkdf_sha256("secret", 6, "one", one, sizeof one);
    hkdf_sha256("secret", 6, "two", two, sizeof two);
    assert_memory_not_equal(one, two, sizeof one);
}

static void hkdf_of_more_is_hkdf_of_less_and_more(void **state) {
    uint8_t all[255 * SHA256_LEN], part[33];

    (void)state;
    hkdf_sha256("secret", 6, "info", all, sizeof all);
    hkdf_sha256("secret", 6, "info", part, sizeof part);
    assert_memory_equal(all, part, sizeof part);
}

static void comparison(void **state) {
    (void)state;
    assert_true(equal_in_constant_time("abc", "abc", 3));
    assert_true(equal_in_constant_time("abX", "abY", 2));
    assert_true(equal_in_constant_time(NULL, NULL, 0));
    assert_false(equal_in_constant_time("abX", "abY", 3));
    assert_true(text_equal_in_constant_time("abc", "abc"));
    assert_true(text_equal_in_constant_time("", ""));
    assert_false(text_equal_in_constant_time("abc", "abcd"));
    assert_false(text_equal_in_constant_time("abcd", "abc"));
    assert_false(text_equal_in_constant_time(NULL, "abc"));
    assert_false(text_equal_in_constant_time("abc", NULL));
    assert_false(text_equal_in_constant_time(NULL, NULL));
}

static void random_bytes_differ_and_fill_everything(void **state) {
    static uint8_t big[1 << 16]; /* more than one getrandom gives without asking again */
    size_t zeros = 0;

    for (size_t i = 0; i < 8; i++) {
        memset(big, 0, sizeof big);
        arc4random_buf(big, sizeof big);
        for (size_t at = sizeof big - 64; at < sizeof big; at++)
            zeros += big[at] == 0;
    }
    assert_true(zeros < 40); /* 2 are to be expected */
    assert_int_equal(strlen(random_text(*state, 32)), 43);
    assert_string_not_equal(random_text(*state, 32), random_text(*state, 32));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_ARENA(sha256_of_the_fips_180_vectors),
        WITH_ARENA(hmac_of_the_rfc_4231_vectors),
        WITH_ARENA(hkdf_of_rfc_5869_test_case_3),
        cmocka_unit_test(hkdf_gives_other_bytes_for_another_info),
        cmocka_unit_test(hkdf_of_more_is_hkdf_of_less_and_more),
        cmocka_unit_test(comparison),
        WITH_ARENA(random_bytes_differ_and_fill_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
