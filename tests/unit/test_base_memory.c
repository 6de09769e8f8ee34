/* Arena, buffer, encodings. */
#include "unit.h"

#include "base/arena.h"
#include "base/encode.h"

static int calls[3], call_count;

static void note(void *p) {
    calls[call_count++] = *(int *)p;
}

static void deferred_calls_run_last_first(void **state) {
    static int one = 1, two = 2;

    call_count = 0;
    arena_defer(*state, note, &one);
    arena_defer(*state, note, &two);
    arena_reset(*state);
    assert_int_equal(call_count, 2);
    assert_int_equal(calls[0], 2);
    assert_int_equal(calls[1], 1);
    arena_reset(*state);
    assert_int_equal(call_count, 2);
}

static void memory_is_zeroed_and_aligned_also_after_a_reset(void **state) {
    for (int round = 0; round < 3; round++) {
        for (size_t len = 1; len < 5000; len = len * 3 + 1) {
            unsigned char *p = arena_alloc(*state, len);

            assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
            for (size_t i = 0; i < len; i++)
                assert_int_equal(p[i], 0);
            memset(p, 0xaa, len);
        }
        arena_reset(*state);
    }
}

static void a_small_arena_has_room_for_what_it_promises(void **state) {
    struct arena *small = arena_new(100);

    (void)state;
    assert_non_null(arena_alloc(small, 100));
    arena_reset(small);
    assert_non_null(arena_alloc(small, 100));
    arena_free(small);
}

static void a_buffer_keeps_to_its_limit(void **state) {
    struct buf b;

    buf_init(&b, *state, 5);
    buf_adds(&b, "abc");
    buf_addf(&b, "%d", 12);
    assert_false(b.overflow);
    assert_string_equal(b.p, "abc12");
    buf_addc(&b, 'x');
    assert_true(b.overflow);
    assert_string_equal(b.p, "abc12");
    buf_init(&b, *state, 100000);
    for (int i = 0; i < 20000; i++)
        buf_adds(&b, "12345");
    assert_false(b.overflow);
    assert_int_equal(b.len, 100000);
    buf_addc(&b, 'x');
    assert_true(b.overflow);
}

/* Texts of all lengths around the first piece of a buffer, which is tried first. */
static void what_is_formatted_is_whole_and_leaves_nothing_behind(void **state) {
    char text[600] = "";

    for (size_t len = 0; len < sizeof text - 1; text[len++] = 'x') {
        const char *printed = arena_printf(*state, "%s%d", text, 7);
        const unsigned char *next = arena_alloc(*state, sizeof text);
        struct buf b;

        assert_int_equal(strlen(printed), len + 1);
        assert_memory_equal(printed, text, len);
        for (size_t i = 0; i < sizeof text; i++)
            assert_int_equal(next[i], 0);
        buf_init(&b, *state, 300);
        buf_addf(&b, "%s%d", "ab", 1);
        buf_addf(&b, "%s", text);
        assert_int_equal(b.len, len <= 297 ? len + 3 : 3);
        assert_int_equal(strlen(b.p), b.len);
        assert_int_equal(b.overflow, len > 297);
        buf_addf(&b, "%d", 1);
        assert_int_equal(b.len, len <= 296 ? len + 4 : len == 297 ? 300 : 3);
        arena_reset(*state);
    }
}

/* It frees what it was given and nothing else, however large and however made that was. */
static void a_release_leaves_what_came_later(void **state) {
    char text[40000];

    for (size_t len = 100; len < sizeof text; len += 100) {
        const char *first, *second;

        memset(text, 'x', len);
        text[len] = 0;
        first = arena_printf(*state, "%s", text);
        second = arena_strdup(*state, "second");
        arena_release(*state, first);
        assert_string_equal(second, "second");
        assert_string_equal(arena_strdup(*state, "third"), "third");
        assert_string_equal(second, "second");
        arena_reset(*state);
    }
}

/* As much as the arena has, and not one text twice. */
static void a_text_may_take_most_of_an_arena(void **state) {
    struct arena *small = arena_new(16384);
    char text[16001] = "";

    (void)state;
    memset(text, 'x', sizeof text - 1);
    assert_int_equal(strlen(arena_printf(small, "%s", text)), sizeof text - 1);
    arena_free(small);
}

static void base64url_goes_there_and_back(void **state) {
    static const struct {
        const char *data, *text;
    } cases[] = {{"", ""},           {"f", "Zg"},         {"fo", "Zm8"},      {"foo", "Zm9v"},
                 {"foob", "Zm9vYg"}, {"\xff\xfe", "__4"}, {"\xfb\xef", "--8"}};
    size_t len;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t *back;

        assert_string_equal(base64url_encode(*state, cases[i].data, strlen(cases[i].data)),
                            cases[i].text);
        back = base64url_decode(*state, cases[i].text, strlen(cases[i].text), &len);
        assert_non_null(back);
        assert_int_equal(len, strlen(cases[i].data));
        assert_memory_equal(back, cases[i].data, len);
    }
}

static void base64_that_is_not_canonical_is_refused(void **state) {
    static const char *const wrong[] = {"Z", "Zg==", "Zh", "Zm9", "Z g", "Zg\n", "+/", "Zm9vY"};
    size_t len;

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (base64url_decode(*state, wrong[i], strlen(wrong[i]), &len))
            fail_msg("accepted: %s", wrong[i]);
    assert_null(base64_decode(*state, "Zg", 2, &len));
    assert_null(base64_decode(*state, "Z===", 4, &len));
    assert_null(base64_decode(*state, "Zg==Zg==", 8, &len));
    assert_non_null(base64_decode(*state, "Zg==", 4, &len));
    assert_int_equal(len, 1);
    assert_non_null(base64_decode(*state, "+/+/", 4, &len));
    assert_string_equal(hex_encode(*state, "\x01\xff", 2), "01ff");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_ARENA(deferred_calls_run_last_first),
        WITH_ARENA(memory_is_zeroed_and_aligned_also_after_a_reset),
        cmocka_unit_test(a_small_arena_has_room_for_what_it_promises),
        WITH_ARENA(what_is_formatted_is_whole_and_leaves_nothing_behind),
        WITH_ARENA(a_release_leaves_what_came_later),
        cmocka_unit_test(a_text_may_take_most_of_an_arena),
        WITH_ARENA(a_buffer_keeps_to_its_limit),
        WITH_ARENA(base64url_goes_there_and_back),
        WITH_ARENA(base64_that_is_not_canonical_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
