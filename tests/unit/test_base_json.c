#include "unit.h"

#include <stdlib.h>

#include "base/json.h"

static enum rc parse(struct arena *a, const char *text, struct json **out) {
    struct err e;

    return json_parse(a, text, strlen(text), out, &e);
}

/* In the manner of JSONTestSuite: everything here is not JSON. */
static void what_is_not_json_is_refused(void **state) {
    static const char *const wrong[] = {
        "",
        " ",
        "{",
        "}",
        "[",
        "]",
        "[1,]",
        "{\"a\":1,}",
        "{\"a\"}",
        "{a:1}",
        "{'a':1}",
        "[1 2]",
        "01",
        "1.",
        ".5",
        "+1",
        "-",
        "1e",
        "0x10",
        "NaN",
        "Infinity",
        "-Infinity",
        "nul",
        "TRUE",
        "True",
        "\"a",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\t\"",
        "\"\n\"",
        "[1]x",
        "{\"a\":1,\"a\":1}",
        "{\"a\":1,\"b\":2,\"a\":3}",
        "[0,{\"x\":[{\"a\":1,\"\\u0061\":2}]}]",
        "{\"\":1,\"\":null}",
        "{} {}",
        "/* c */1",
        "1 // c",
        "\xef\xbb\xbf{}",
        "[\f1]",
        "\"\xff\"",
        "\"\xc0\xaf\"",
        "\"\xed\xa0\x80\"",
        "[\"a\",,1]",
        "{\"a\":,}",
        "[-]",
        "1 2",
        "[\"\\uD83\"]",
        "[\"\\",
        "{\"a\":1 \"b\":2}",
        "[1,,2]",
        "[,1]",
        "{,}",
        "[1]]",
        "{\"a\":1}}",
        "{\"a\":[}]",
        "\"a\" \"b\"",
        "[1}",
        "{\"a\":1]",
        "nan",
        "inf",
    };

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct json *v;

        if (parse(*state, wrong[i], &v) != ERR_INVALID_REQUEST)
            fail_msg("accepted: %s", wrong[i]);
        assert_null(v);
    }
}

static void what_is_json_is_read(void **state) {
    static const char *const right[] = {"{}",   " [ ] ",    "0",           "-1.5e+3",
                                        "true", "\"\"",     "\"\\u00e9\"", "[[[1]]]",
                                        "null", "\r\n{}\t", "1E400",       "\"\\ud83d\\ude00\""};

    for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
        struct json *v;

        if (parse(*state, right[i], &v) != OK)
            fail_msg("refused: %s", right[i]);
    }
}

static void a_nul_byte_is_no_json(void **state) {
    struct json *v;
    struct err e;

    assert_int_equal(json_parse(*state, "{}\0", 3, &v, &e), ERR_INVALID_REQUEST);
    assert_int_equal(json_parse(*state, "{\0}", 3, &v, &e), ERR_INVALID_REQUEST);
}

static void nesting_has_a_limit(void **state) {
    char text[2 * 100000 + 1];
    struct json *v;
    struct err e;

    memset(text, '[', 100000);
    memset(text + 100000, ']', 100000);
    assert_int_equal(json_parse(*state, text, 200000, &v, &e), ERR_INVALID_REQUEST);
    assert_non_null(strstr(e.text, "nested"));
    memset(text, '[', JSON_DEPTH_MAX);
    memset(text + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
    assert_int_equal(json_parse(*state, text, 2 * JSON_DEPTH_MAX, &v, &e), OK);
    memset(text, '[', JSON_DEPTH_MAX + 1);
    memset(text + JSON_DEPTH_MAX + 1, ']', JSON_DEPTH_MAX + 1);
    assert_int_equal(json_parse(*state, text, 2 * JSON_DEPTH_MAX + 2, &v, &e), ERR_INVALID_REQUEST);
}

static void values_have_types(void **state) {
    struct json *v;
    int64_t n;

    assert_int_equal(parse(*state,
                           "{\"s\":\"x\",\"z\":\"a\\u0000b\",\"i\":5,\"d\":5.0,\"f\":5.5,"
                           "\"b\":true,\"n\":null,\"a\":[1],\"big\":1e300}",
                           &v),
                     OK);
    assert_string_equal(json_get_str(v, "s"), "x");
    assert_null(json_get_str(v, "z")); /* a NUL inside */
    assert_null(json_get_str(v, "i"));
    assert_true(json_get_int(v, "i", &n) && n == 5);
    assert_true(json_get_int(v, "d", &n) && n == 5);
    assert_false(json_get_int(v, "f", &n));
    assert_false(json_get_int(v, "big", &n));
    assert_false(json_get_int(v, "s", &n));
    assert_true(json_get_bool(v, "b"));
    assert_false(json_get_bool(v, "s"));
    assert_true(json_has(v, "n"));
    assert_null(json_get(v, "n"));
    assert_false(json_has(v, "missing"));
    assert_int_equal(json_len(json_get(v, "a")), 1);
    assert_null(json_at(json_get(v, "a"), 1));
    assert_null(json_get(json_get(v, "s"), "x"));
}

static void built_values_outlive_their_parts(void **state) {
    struct json *o = json_new_object(*state), *a = json_new_array(*state), *copy;
    struct arena *other = arena_new(1 << 20);

    json_add_str(a, "x/y");
    json_put(o, "a", a);
    json_put(o, "null", NULL);
    json_put_str(o, "absent", NULL);
    json_put_int(o, "n", INT64_MAX);
    copy = json_clone(other, o);
    json_del(o, "a");
    assert_string_equal(json_text(*state, o, NULL), "{\"null\":null,\"n\":9223372036854775807}");
    assert_string_equal(json_text(*state, copy, NULL),
                        "{\"a\":[\"x/y\"],\"null\":null,\"n\":9223372036854775807}");
    arena_free(other);
}

static int compared(struct arena *a, const char *x, const char *y) {
    struct json *array;
    struct json_number m, n;

    assert_int_equal(parse(a, arena_printf(a, "[%s,%s]", x, y), &array), OK);
    assert_true(json_number(json_at(array, 0), &m));
    assert_true(json_number(json_at(array, 1), &n));
    assert_int_equal(json_number_compare(&n, &m), -json_number_compare(&m, &n));
    return json_number_compare(&m, &n);
}

static void numbers_are_compared_exactly(void **state) {
    struct arena *a = *state;
    struct json *v;
    struct json_number n;

    assert_int_equal(compared(a, "1", "1.0"), 0);
    assert_int_equal(compared(a, "1000", "1e3"), 0);
    assert_int_equal(compared(a, "0", "-0.0"), 0);
    assert_int_equal(compared(a, "-2", "1"), -1);
    assert_int_equal(compared(a, "-2", "-3"), 1);
    assert_int_equal(compared(a, "2", "1.5"), 1);
    assert_int_equal(compared(a, "9007199254740993", "9007199254740992"), 1);
    assert_int_equal(compared(a, "9223372036854775808", "9223372036854775807"), 1);
    assert_int_equal(compared(a, "-9223372036854775808", "-9223372036854775807"), -1);
    assert_int_equal(compared(a, "18446744073709551615", "18446744073709551616"), -1);
    assert_int_equal(compared(a, "1e400", "1e308"), 1);
    assert_int_equal(compared(a, "1e20", "100000000000000000000"), 0);
    assert_int_equal(parse(a, "1e400", &v), OK);
    assert_true(json_number(v, &n));
    assert_false(n.is_integer);
    assert_int_equal(parse(a, "\"1\"", &v), OK);
    assert_false(json_number(v, &n));
}

/* json-c alone makes them 18446744073709551615 and -9223372036854775808. */
static void integers_beyond_64_bits_stay_what_they_are(void **state) {
    static const char text[] =
        "{\"a\":[18446744073709551616,-9223372036854775809,123456789012345678901234567890],"
        "\"18446744073709551616\":\"18446744073709551616\\\"\",\"b\":18446744073709551615,"
        "\"c\":-9223372036854775808,\"d\":18446744073709551616e1}";
    struct json *v;

    assert_int_equal(parse(*state, text, &v), OK);
    assert_string_equal(
        json_text(*state, v, NULL),
        "{\"a\":[18446744073709551616.0,-9223372036854775809.0,123456789012345678901234567890.0],"
        "\"18446744073709551616\":\"18446744073709551616\\\"\",\"b\":18446744073709551615,"
        "\"c\":-9223372036854775808,\"d\":18446744073709551616e1}");
}

static void a_long_integer_before_a_cut_string_is_read_to_its_end_only(void **state) {
    static const char text[] = "[18446744073709551616,\"\\";
    char *alone = xmalloc(sizeof text - 1); /* so that AddressSanitizer sees its end */
    struct json *v;
    struct err e;

    memcpy(alone, text, sizeof text - 1);
    assert_int_equal(json_parse(*state, alone, sizeof text - 1, &v, &e), ERR_INVALID_REQUEST);
    free(alone);
}

static void members_come_in_order(void **state) {
    struct json *v;
    struct json_member m;
    char keys[8] = "";

    assert_int_equal(parse(*state, "{\"z\":1,\"a\":null,\"m\":[]}", &v), OK);
    assert_int_equal(json_size(v), 3);
    for (bool more = json_first(v, &m); more; more = json_next(&m)) {
        strcat(keys, m.key);
        assert_ptr_equal(m.value, json_get(v, m.key));
    }
    assert_string_equal(keys, "zam");
    assert_int_equal(json_kind(json_get(v, "m")), JSON_ARRAY);
    assert_int_equal(json_kind(json_get(v, "z")), JSON_NUMBER);
    assert_int_equal(json_kind(json_get(v, "a")), JSON_NULL);
    assert_int_equal(json_kind(v), JSON_OBJECT);
    assert_false(json_first(json_get(v, "m"), &m));
    assert_int_equal(json_size(json_get(v, "m")), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_ARENA(what_is_not_json_is_refused),
        WITH_ARENA(what_is_json_is_read),
        WITH_ARENA(a_nul_byte_is_no_json),
        WITH_ARENA(nesting_has_a_limit),
        WITH_ARENA(values_have_types),
        WITH_ARENA(built_values_outlive_their_parts),
        WITH_ARENA(numbers_are_compared_exactly),
        WITH_ARENA(integers_beyond_64_bits_stay_what_they_are),
        WITH_ARENA(a_long_integer_before_a_cut_string_is_read_to_its_end_only),
        WITH_ARENA(members_come_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
