/* When the bridge asks again for a stream of changes that has ended, and what it tells then. */
#include "unit.h"

#include "bridge/listen.c"

static struct bridge b;

static int setup(void **state) {
    (void)state;
    b = (struct bridge){.url = "http://127.0.0.1:1/", .arena = arena_new((size_t)1 << 20)};
    b.events.retry_ms = -1;
    return 0;
}

static int teardown(void **state) {
    (void)state;
    relay_queue_free(&b.refusal);
    arena_free(b.arena);
    return 0;
}

static void waits_grow_to_a_limit(void **state) {
    static const int64_t waits[] = {1000, 2000, 4000, 8000, 16000, 30000, 30000};

    (void)state;
    for (size_t i = 0; i < sizeof waits / sizeof *waits; i++)
        assert_int_equal(next_wait(&b), waits[i]);
}

/* A server that wants to be asked at once may be asked once a second. */
static void a_server_says_how_long_within_limits(void **state) {
    static const int64_t said[][2] = {{0, AGAIN_FIRST_MS},
                                      {AGAIN_FIRST_MS, AGAIN_FIRST_MS},
                                      {1001, 1001},
                                      {AGAIN_MAX_MS, AGAIN_MAX_MS},
                                      {AGAIN_MAX_MS + 1, AGAIN_MAX_MS}};

    (void)state;
    for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
        b.listen_failures = 0;
        b.events.retry_ms = said[i][0];
        assert_int_equal(next_wait(&b), said[i][1]);
    }
}

static void a_server_without_such_a_stream_is_asked_once(void **state) {
    (void)state;
    assert_true(has_none(&b, 405) && has_none(&b, 501) && has_none(&b, 404) && has_none(&b, 200));
    assert_false(has_none(&b, 0) || has_none(&b, 500) || has_none(&b, 401) || has_none(&b, 403));
    b.has_listened = true;
    assert_true(has_none(&b, 405));
    assert_false(has_none(&b, 404) || has_none(&b, 409));
}

static void a_session_is_lost_as_for_a_call(void **state) {
    (void)state;
    assert_false(is_session_lost(&b, 404));
    strcpy(b.session, "s");
    assert_true(is_session_lost(&b, 404));
    assert_false(is_session_lost(&b, 400));
    relay_queue_add(&b.refusal, "Session not found", 17);
    assert_true(is_session_lost(&b, 400));
    assert_false(is_session_lost(&b, 401));
}

/* What comes with the next stream if events have ids is no gap. */
static void lists_count_as_changed_if_nobody_knows(void **state) {
    (void)state;
    strcpy(b.events.id, "7");
    note_gap(&b, 200);
    assert_false(b.may_have_changed);
    note_gap(&b, 400); /* it does not know this id any more */
    assert_string_equal(b.events.id, "");
    assert_true(b.may_have_changed);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(waits_grow_to_a_limit),
        TEST(a_server_says_how_long_within_limits),
        TEST(a_server_without_such_a_stream_is_asked_once),
        TEST(a_session_is_lost_as_for_a_call),
        TEST(lists_count_as_changed_if_nobody_knows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
