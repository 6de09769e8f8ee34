#include "unit.h"

#include <malloc.h>

#include "base/arena.h"
#include "base/json.h"
#include "base/json_print.h"
#include "base/json_value.h"

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

static void seconds_are_rounded_down(void **state) {
    static const struct {
        const char *text;
        bool is_time;
        int64_t seconds;
    } cases[] = {
        {"{\"t\":1700000000}", true, 1700000000},
        {"{\"t\":1700000000.999}", true, 1700000000},
        {"{\"t\":1.7e9}", true, 1700000000},
        {"{\"t\":-0.5}", true, -1},
        {"{\"t\":9007199254740993}", true, 9007199254740993},
        {"{\"t\":-1e400}", false, 0},
        {"{\"t\":\"1700000000\"}", false, 0},
        {"{\"t\":null}", false, 0},
        {"{}", false, 0},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct json *v;
        int64_t seconds = 0;

        assert_int_equal(parse(*state, cases[i].text, &v), OK);
        assert_int_equal(json_get_seconds(v, "t", &seconds), cases[i].is_time);
        assert_int_equal(seconds, cases[i].seconds);
    }
}

static void a_number_goes_out_as_it_came_in(void **state) {
    static const char text[] =
        "{\"a\":[18446744073709551616,-9223372036854775809,123456789012345678901234567890],"
        "\"18446744073709551616\":\"18446744073709551616\\\"\",\"b\":18446744073709551615,"
        "\"c\":-9223372036854775808,\"d\":18446744073709551616e1,"
        "\"e\":[-0,0,-0.0,1.0,1E+2,1e400,0.1000,9223372036854775808,-1]}";
    struct json *v;

    assert_int_equal(parse(*state, text, &v), OK);
    assert_string_equal(json_text(*state, v, NULL), text);
    assert_string_equal(json_text(*state, json_clone(*state, v), NULL), text);
    assert_int_equal(parse(*state, "-0", &v), OK);
    assert_string_equal(json_text(*state, v, NULL), "-0");
}

/* RFC 8785; the names are of its §3.2.3. */
static void the_canonical_form_does_not_depend_on_how_it_was_written(void **state) {
    static const struct {
        const char *text, *canonical;
    } cases[] = {
        {"{ \"b\" : [ 1 , {\"z\":null,\"a\":true} ], \"a\":\"\\u0061\\/\", \"\":{} }",
         "{\"\":{},\"a\":\"a/\",\"b\":[1,{\"a\":true,\"z\":null}]}"},
        {"{\"ab\":1,\"a\":2,\"abc\":3}", "{\"a\":2,\"ab\":1,\"abc\":3}"},
        {"{\"\\u20ac\":1,\"\\r\":2,\"\\ufb33\":3,\"1\":4,\"\\ud83d\\ude00\":5,\"\\u0080\":6,"
         "\"\\u00f6\":7}",
         "{\"\\r\":2,\"1\":4,\"\xc2\x80\":6,\"\xc3\xb6\":7,\"\xe2\x82\xac\":1,"
         "\"\xf0\x9f\x98\x80\":5,\"\xef\xac\xb3\":3}"},
        {"\"\\u2028\\u0085\\u001F\\u007f\"", "\"\xe2\x80\xa8\xc2\x85\\u001f\x7f\""},
        {"[1.0,1,-0]", "[1.0,1,-0]"},
        {"null", "null"},
    };
    struct json *v;
    size_t len;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(parse(*state, cases[i].text, &v), OK);
        assert_string_equal(json_canonical(*state, v, &len), cases[i].canonical);
        assert_int_equal(len, strlen(cases[i].canonical));
    }
}

/* Others end a name there, and see another one. */
static void a_name_is_the_same_for_every_reader(void **state) {
    static const char *const wrong[] = {
        "{\"jsonrpc\\u0000x\":\"2.0\"}",
        "{\"a\\u0000b\":1,\"a\\u0000c\":2}",
        "{\"\\u0000\":1}",
        "[{\"x\":{\"client_id\\u0000\":1}}]",
        "{\"\\ud800\":1}",
        "{\"\\uDFFFx\":1}",
        "{\"\\ud83d\\ud83d\\ude00\":1}",
        "{\"\\ude00\\ud83d\":1}",
        "{\"\\ud83dx\\ude00\":1}",
    };
    static const char *const right[] = {
        "{\"\\\\u0000\":1}",       "{\"\\ud83d\\ude00\":1}", "{\"\\uD83D\\uDE00\\uD83D\\uDE00\":1}",
        "{\"u0000\":\"\\u0000\"}", "{\"\\\\\\u0001\":1}",    "{\"\\ud7ff\\ue000\":1}",
    };
    struct json *v;
    struct err e;

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(json_parse(*state, wrong[i], strlen(wrong[i]), &v, &e),
                         ERR_INVALID_REQUEST);
        if (!strstr(e.text, "name"))
            fail_msg("%s: %s", wrong[i], e.text);
    }
    for (size_t i = 0; i < sizeof right / sizeof *right; i++)
        if (parse(*state, right[i], &v))
            fail_msg("refused: %s", right[i]);
}

static void escapes_are_read_to_the_letter(void **state) {
    static const char text[] = "[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u00e9\\u20AC\\ud83d\\ude00\","
                               "\"\\ud800\",\"\\udc00\\ud800x\",\"a\\u0000b\"]";
    struct json *v;
    size_t len;

    assert_int_equal(parse(*state, text, &v), OK);
    assert_string_equal(json_str(json_at(v, 0)),
                        "\"\\/\b\f\n\r\tA\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
    assert_string_equal(json_str(json_at(v, 1)), "\xef\xbf\xbd");
    assert_string_equal(json_str(json_at(v, 2)), "\xef\xbf\xbd\xef\xbf\xbdx");
    assert_memory_equal(json_strn(json_at(v, 3), &len), "a\0b", 4);
    assert_int_equal(len, 3);
}

/* Clients that split lines as Python's str.splitlines does would cut an event there. */
static void no_byte_can_be_taken_for_the_end_of_a_line(void **state) {
    struct json *o = json_new_object(*state), *v;

    json_put_str(o, "a\xe2\x80\xa8",
                 "\xe2\x80\xa9\xc2\x85\xc2\x86\xe2\x80\xaa\xe2\x80\xa7\x7f\x0b\x1c\n\"\\/");
    assert_string_equal(json_text(*state, o, NULL),
                        "{\"a\\u2028\":\"\\u2029\\u0085\xc2\x86\xe2\x80\xaa\xe2\x80\xa7\x7f"
                        "\\u000b\\u001c\\n\\\"\\\\/\"}");
    v = json_new_stringn(*state, "\0\xe2\x80\xc2", 4); /* cut short */
    assert_string_equal(json_text(*state, v, NULL), "\"\\u0000\xe2\x80\xc2\"");
}

static size_t in_use(void) {
    struct mallinfo2 m = mallinfo2(); /* all zero under AddressSanitizer */

    return m.uordblks + m.hblkhd;
}

static const char *repeated(struct arena *a, const char *first, const char *part, size_t len) {
    char *text = arena_alloc(a, len + 1);
    size_t n = strlen(part);

    memset(text, ' ', len);
    memcpy(text, first, strlen(first));
    for (size_t at = 1; at + n + strlen(part) < len; at += n)
        memcpy(text + at, part, n);
    text[len - 1] = *first == '[' ? ']' : '"';
    for (char *p = text + len - 2; *p == ' ' || *p == ','; p--) /* no comma at the end */
        *p = ' ';
    return text;
}

/* A text of a body's length costs at most 16 times itself, whatever is in it. */
static void a_small_text_does_not_cost_much_memory(void **state) {
    static const char *const parts[] = {
        "{},",
        "[],",
        "1,",
        "\"\",",
        "true,",
        "null,",
        "[[[[[[[[]]]]]]]],",
        "{\"\":{}},",
        "-0,",
        "{\"a\":1,\"b\":\"x\",\"c\":null},",
        "0.1,",
        "\"\\n\",",
        ("{\"a\":0,\"b\":0,\"c\":0,\"d\":0,\"e\":0,\"f\":0,\"g\":0,\"h\":0,\"i\":0,\"j\":0,\"k\":0}"
         ","),
    };
    const size_t len = 1 << 20;

    (void)state;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        struct arena *a = arena_new(64 << 20);
        const char *text = repeated(a, "[", parts[i], len);
        size_t before = in_use(), cost;
        struct json *v;
        struct err e;

        if (json_parse(a, text, len, &v, &e) && !strstr(e.text, "too many values"))
            fail_msg("%s: %s", parts[i], e.text);
        cost = in_use() - before;
        if (cost > 12 * len)
            fail_msg("%s: %zu bytes", parts[i], cost);
        arena_free(a);
    }
}

/* What is expected is what is used: for texts of a third of what is allowed, for each of these. */
static void the_memory_of_values_is_foreseen(void **state) {
    static const char *const parts[] = {"{},",
                                        "[],",
                                        "1,",
                                        "\"\",",
                                        "true,",
                                        "[[]],",
                                        "0.1,",
                                        "-0,",
                                        "{\"\":{}},",
                                        "\"0123456789012345678901234567890123456789\",",
                                        "{\"abcdefghijklmnopqrstuvwxyz\":null},"};

    (void)state;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        struct arena *a = arena_new(64 << 20);
        const char *text = repeated(a, "[", parts[i], 8192);
        size_t before = in_use(), cost;
        struct json_verdict census;
        struct json *v;

        census = json_read(a, text, 8192, &v);
        assert_int_equal(census.fault, JSON_GOOD);
        cost = in_use() - before;
        if (cost > census.memory + 65536)
            fail_msg("%s: %zu bytes, and %zu foreseen", parts[i], cost, census.memory);
        arena_free(a);
    }
}

static enum rc parse_objects(size_t n) {
    struct arena *a = arena_new(64 << 20);
    struct json *v;
    struct buf b;
    enum rc rc;

    buf_init(&b, a, 3 * n + 1);
    for (size_t i = 0; i < n; i++)
        buf_adds(&b, i ? ",{}" : "[{}");
    buf_adds(&b, "]");
    rc = parse(a, b.p, &v);
    arena_free(a);
    return rc;
}

static void values_have_a_limit(void **state) {
    size_t n = 1, step = 1 << 16;

    (void)state;
    for (; step; step /= 2)
        if (!parse_objects(n + step))
            n += step;
    assert_int_equal(parse_objects(n), OK);
    assert_int_equal(parse_objects(n + 1), ERR_INVALID_REQUEST);
    assert_true(n > 100000 && n * sizeof(struct json) < JSON_MEMORY_MIN);
}

static void many_members_are_foreseen_too(void **state) {
    struct buf b;
    struct json_verdict census;
    size_t before, cost;
    struct json *v;

    buf_init(&b, *state, 1 << 20);
    buf_adds(&b, "{");
    for (int i = 0; i < 20000; i++)
        buf_addf(&b, "%s\"%d\":null", i ? "," : "", i);
    buf_adds(&b, "}");
    before = in_use();
    census = json_read(*state, b.p, b.len, &v);
    assert_int_equal(census.fault, JSON_GOOD);
    cost = in_use() - before;
    if (cost > census.memory)
        fail_msg("%zu bytes, and %zu foreseen", cost, census.memory);
    assert_int_equal(json_size(v), 20000);
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
    char keys[8] = "";

    assert_int_equal(parse(*state, "{\"z\":1,\"a\":null,\"m\":[]}", &v), OK);
    assert_int_equal(json_size(v), 3);
    for (struct json_member m = json_first(v); m.key; json_next(&m)) {
        strcat(keys, m.key);
        assert_ptr_equal(m.value, json_get(v, m.key));
    }
    assert_string_equal(keys, "zam");
    assert_int_equal(json_kind(json_get(v, "m")), JSON_ARRAY);
    assert_int_equal(json_kind(json_get(v, "z")), JSON_NUMBER);
    assert_int_equal(json_kind(json_get(v, "a")), JSON_NULL);
    assert_int_equal(json_kind(v), JSON_OBJECT);
    assert_null(json_first(json_get(v, "m")).key);
    assert_int_equal(json_size(json_get(v, "m")), 0);
}

static const char *nth_name(struct arena *a, unsigned n) {
    return arena_printf(a, "%x", n * 2654435761U);
}

/* However many there are, in whatever order they came and went. */
static void each_of_many_members_is_found(void **state) {
    struct arena *a = *state;
    struct json *v = json_new_object(a), *again;
    int64_t n;

    for (unsigned i = 0; i < 3000; i++) {
        json_put_int(v, nth_name(a, i), i);
        if (i % 3 == 2)
            json_del(v, nth_name(a, i - 1));
        if (i % 7 == 0)
            json_put_int(v, nth_name(a, i), -(int64_t)i);
    }
    assert_int_equal(json_size(v), 2000);
    assert_int_equal(parse(a, json_text(a, v, NULL), &again), OK);
    for (unsigned i = 0; i < 3000; i++) {
        const char *name = nth_name(a, i);

        assert_int_equal(json_has(v, name), i % 3 != 1);
        assert_int_equal(json_has(again, name), i % 3 != 1);
        if (i % 3 != 1) {
            assert_true(json_get_int(v, name, &n));
            assert_int_equal(n, i % 7 ? (int64_t)i : -(int64_t)i);
            assert_true(json_get_int(again, name, &n));
            assert_int_equal(n, i % 7 ? (int64_t)i : -(int64_t)i);
        }
    }
}

static void a_name_that_comes_twice_among_many_is_found(void **state) {
    struct json *v;
    struct buf b;

    buf_init(&b, *state, 1 << 20);
    for (int i = 0; i < 1000; i++)
        buf_addf(&b, "%s\"%d\":1", i ? "," : "{", i);
    assert_int_equal(parse(*state, arena_printf(*state, "%s}", b.p), &v), OK);
    assert_int_equal(parse(*state, arena_printf(*state, "%s,\"500\":1}", b.p), &v),
                     ERR_INVALID_REQUEST);
    assert_int_equal(parse(*state, arena_printf(*state, "%s,\"999\":1}", b.p), &v),
                     ERR_INVALID_REQUEST);
}

/* The parser does not end the process when the arena has no more room. */
static void values_that_the_arena_has_no_room_for_are_refused(void **state) {
    static const char *const parts[] = {"{},", "[],", "1,", "\"\",", "{\"\":{}},", "0.1,"};

    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        const char *text = repeated(*state, "[", parts[i], 1 << 20);
        struct arena *small = arena_new(4 << 20);
        struct json *v;
        struct err e;

        assert_int_equal(json_parse(small, text, 1 << 20, &v, &e), ERR_INVALID_REQUEST);
        assert_non_null(strstr(e.text, "too many values"));
        arena_reset(small);
        assert_int_equal(json_parse(small, text, 5 << 20, &v, &e), ERR_INVALID_REQUEST);
        assert_non_null(strstr(e.text, "too long"));
        arena_free(small);
    }
}

/* Escapes at each distance from each other and from the end. */
static void plain_bytes_and_escapes_alternate(void **state) {
    static const char *const escapes[][2] = {{"\\n", "\n"},
                                             {"\\u0001", "\x01"},
                                             {"\\\"", "\""},
                                             {"\\u2028", "\xe2\x80\xa8"},
                                             {"\\u0085", "\xc2\x85"}};
    struct arena *a = *state;

    for (size_t e = 0; e < sizeof escapes / sizeof *escapes; e++)
        for (int before = 0; before < 20; before++)
            for (int after = 0; after < 20; after++) {
                const char *text =
                    arena_printf(a, "\"%.*s%s%.*s\"", before, "abcdefghijklmnopqrstuvwxyz",
                                 escapes[e][0], after, "\xe2\x82\xac\xc3\xa4 0123456789ABCDEFGHI");
                struct json *v;
                size_t len;

                if (after == 1 || after == 2 || after == 4) /* half a character */
                    continue;
                assert_int_equal(parse(a, text, &v), OK);
                assert_string_equal(json_text(a, v, NULL), text);
                assert_memory_equal(json_strn(v, &len) + before, escapes[e][1],
                                    strlen(escapes[e][1]));
                assert_int_equal(len, (size_t)(before + after) + strlen(escapes[e][1]));
            }
}

static void a_person_reads_it_indented(void **state) {
    struct json *v;
    char *printed;
    size_t len;
    FILE *f = open_memstream(&printed, &len);

    assert_non_null(f);
    assert_int_equal(parse(*state,
                           "{\"a\":[123456789012345678901234567890,1.0,-0,null,true],"
                           "\"c\":\"x/y\"}",
                           &v),
                     OK);
    json_print(f, v);
    fclose(f);
    assert_string_equal(printed, "{\n  \"a\":[\n    123456789012345678901234567890,\n    1.0,\n"
                                 "    -0,\n    null,\n    true\n  ],\n"
                                 "  \"c\":\"x/y\"\n}\n");
    free(printed);
}

/* What an editor shows: line, column, and what is wrong there. */
static void faults_of_a_file_have_line_and_column(void **state) {
    static const struct {
        const char *text, *said;
    } cases[] = {
        {"{\n  \"a\": 1,\n}\n", "FILE:3:1: not valid JSON: there is a comma before the }\n"},
        {"{\"a\": [1, 2,]}", "FILE:1:13: not valid JSON: there is a comma before the ]\n"},
        {"{\n \"\xc3\xa4\xe2\x82\xac\": x}", "FILE:2:8: not valid JSON: x is not expected here\n"},
        {"{\"a\": 1 // one\n}", "FILE:1:9: not valid JSON: it has no comments\n"},
        {"{'a': 1}", "FILE:1:2: not valid JSON: strings stand in double quotes\n"},
        {"{\"a\": \"b\n\"}", "FILE:1:9: not valid JSON: a string ends in its line (write \\n)\n"},
        {"{\"a\": \"\t\"}", "FILE:1:8: not valid JSON: the byte 0x09 is not expected here\n"},
        {"{\"a\": 1", "FILE:1:8: not valid JSON: it ends too early\n"},
        {"", "FILE:1:1: not valid JSON: it ends too early\n"},
        {"{}\n{}", "FILE:2:1: not valid JSON: { is not expected here\n"},
        {"{\n\"a\": \"\xff\"}", "FILE:2:7: not valid UTF-8: save the file as UTF-8\n"},
        {"{\"a\": 1,\n\"a\": 2}", "FILE:2:7: not valid JSON: an object has a name twice\n"},
        {"\xef\xbb\xbf{\"a\": }", "FILE:1:7: not valid JSON: } is not expected here\n"},
        {"12345678901234567", "FILE: is longer than 16 bytes\n"},
    };
    struct arena *a = *state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char path[UNIT_PATH_MAX], *said;
        size_t len;
        FILE *f = open_memstream(&said, &len);
        struct json *v;
        struct err e;

        assert_non_null(f);
        file_make(path);
        file_write(path, cases[i].text, 0600);
        assert_int_equal(json_parse_file(a, path, 16, &v, &e), ERR_INVALID_REQUEST);
        err_print(f, "FILE", &e);
        fclose(f);
        assert_string_equal(said, cases[i].said);
        free(said);
        unlink(path);
    }
}

static void a_file_may_have_a_byte_order_mark(void **state) {
    char path[UNIT_PATH_MAX];
    struct json *v;
    struct err e;

    file_make(path);
    file_write(path, "\xef\xbb\xbf{\"a\": 1}", 0600);
    assert_int_equal(json_parse_file(*state, path, 16, &v, &e), OK);
    assert_true(json_has(v, "a"));
    unlink(path);
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
        WITH_ARENA(seconds_are_rounded_down),
        WITH_ARENA(a_number_goes_out_as_it_came_in),
        WITH_ARENA(the_canonical_form_does_not_depend_on_how_it_was_written),
        WITH_ARENA(a_name_is_the_same_for_every_reader),
        WITH_ARENA(escapes_are_read_to_the_letter),
        WITH_ARENA(no_byte_can_be_taken_for_the_end_of_a_line),
        WITH_ARENA(a_small_text_does_not_cost_much_memory),
        WITH_ARENA(the_memory_of_values_is_foreseen),
        WITH_ARENA(values_have_a_limit),
        WITH_ARENA(many_members_are_foreseen_too),
        WITH_ARENA(a_long_integer_before_a_cut_string_is_read_to_its_end_only),
        WITH_ARENA(members_come_in_order),
        WITH_ARENA(each_of_many_members_is_found),
        WITH_ARENA(a_name_that_comes_twice_among_many_is_found),
        WITH_ARENA(values_that_the_arena_has_no_room_for_are_refused),
        WITH_ARENA(plain_bytes_and_escapes_alternate),
        WITH_ARENA(a_person_reads_it_indented),
        WITH_ARENA(faults_of_a_file_have_line_and_column),
        WITH_ARENA(a_file_may_have_a_byte_order_mark),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
