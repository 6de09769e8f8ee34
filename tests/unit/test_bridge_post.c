/* How an answer that breaks off is asked for again, and what is said of one that is an error. */
#include "unit.h"

#include "bridge/post.c"

static struct bridge b;
static struct bridge_post p;

static int setup(void **state) {
    (void)state;
    b = (struct bridge){.arena = arena_new((size_t)16 << 20)};
    p = (struct bridge_post){.bridge = &b, .id = 1, .is_events = true, .events.id = "7"};
    return 0;
}

static int teardown(void **state) {
    (void)state;
    relay_queue_free(&p.body);
    arena_free(b.arena);
    return 0;
}

static void an_answer_is_asked_for_again_so_often(void **state) {
    (void)state;
    p.resumed = RESUMED_MAX - 1;
    assert_true(may_be_resumed(&p));
    p.resumed = RESUMED_MAX;
    assert_false(may_be_resumed(&p));
}

static void it_is_asked_for_after_so_long(void **state) {
    static const int64_t said[][2] = {{-1, RESUME_DEFAULT_MS},
                                      {0, 0},
                                      {RESUME_MAX_MS, RESUME_MAX_MS},
                                      {RESUME_MAX_MS + 1, RESUME_MAX_MS}};

    (void)state;
    for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
        const int64_t before = clock_monotonic_ms();

        p.events.retry_ms = said[i][0];
        resume_later(&p);
        assert_in_range(p.resume_ms, before + said[i][1], clock_monotonic_ms() + said[i][1]);
    }
}

/* What an admin and a client are told of an error with a text of this length. */
static size_t told(size_t len) {
    const struct http_stream_end end = {.status = 400};
    char *text = arena_alloc(b.arena, len + 1);

    memset(text, 'x', len);
    text[len] = 0;
    text = arena_printf(b.arena, "{\"error\":{\"message\":\"%s\"}}", text);
    relay_queue_free(&p.body);
    relay_queue_add(&p.body, text, strlen(text));
    text = strchr(error_text(&p, &end), 'x');
    return text ? strlen(text) : 0;
}

static void so_much_of_an_error_is_told(void **state) {
    (void)state;
    assert_int_equal(told(STATUS_TEXT_MAX), STATUS_TEXT_MAX);
    assert_int_equal(told(STATUS_TEXT_MAX + 1), STATUS_TEXT_MAX);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(an_answer_is_asked_for_again_so_often),
        TEST(it_is_asked_for_after_so_long),
        TEST(so_much_of_an_error_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
