/* Server-sent events: what is written, and ids as clients send them back. */
#include "unit.h"

#include "web/sse.h"

static const char *event(struct arena *a, const struct sse_id *id, const char *data) {
    struct text t = sse_event(a, id, (struct text){data, strlen(data)});

    assert_int_equal(t.len, sse_event_len(id, (struct text){data, strlen(data)}));
    assert_int_equal(strlen(t.p), t.len);
    return t.p;
}

static void events_with_and_without_an_id(void **state) {
    struct sse_id id = sse_id("aB-_9", 0x2f, SSE_UNNUMBERED), third = sse_id("get", 0x19c, 3);

    assert_string_equal(event(*state, NULL, "{}"), "data: {}\n\n");
    assert_string_equal(event(*state, &id, "{}"), "id: aB-_9.00000000002f\ndata: {}\n\n");
    assert_string_equal(event(*state, &third, ""), "id: get.00000000019c.3\ndata: \n\n");
    assert_string_equal(sse_priming_event(*state, &id).p,
                        "id: aB-_9.00000000002f\nretry: 1000\ndata: \n\n");
}

/* The place of an event is the length of what comes before it, its id included. */
static void the_length_is_the_same_for_every_place(void **state) {
    struct sse_id first = sse_id("s", 0, SSE_UNNUMBERED);
    struct sse_id last = sse_id("s", UINT64_MAX, SSE_UNNUMBERED);

    (void)state;
    assert_int_equal(sse_event_len(&first, TEXT_LITERAL("x")),
                     sse_event_len(&last, TEXT_LITERAL("x")));
}

static void ids_are_read_as_they_were_written(void **state) {
    static const struct sse_id ids[] = {{"get", 0x19e0123abcd, 0},
                                        {"get", 0x19e0123abcd, 99999},
                                        {"AZaz09-_", 0, SSE_UNNUMBERED},
                                        {"abcdefghijklmnopqrstuvwx", 0xffffffffffff, 7}};

    (void)state;
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        char line[SSE_ID_LINE_MAX];
        size_t len = sse_id_line(&ids[i], line);
        struct sse_id out;

        assert_true(len > 5 && len <= sizeof line && line[len - 1] == '\n');
        line[len - 1] = 0;
        assert_true(sse_id_read(line + strlen("id: "), &out));
        assert_string_equal(out.stream, ids[i].stream);
        assert_true(out.at == ids[i].at);
        assert_int_equal(out.number, ids[i].number);
    }
}

static void what_is_no_id(void **state) {
    static const char *const wrong[] = {"",
                                        "get",
                                        "get.",
                                        ".1",
                                        "get.x.0",
                                        "get.-1.0",
                                        "get.1.",
                                        "get.1.x",
                                        "get.1.-1",
                                        "get.1.0.0",
                                        "get.1.123456",
                                        "get.A",
                                        "get.1111111111111.0",
                                        "g t.1",
                                        "get.1 ",
                                        "abcdefghijklmnopqrstuvwxy.1"};
    struct sse_id out;

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_false(sse_id_read(wrong[i], &out));
    assert_true(sse_id_read("get.1", &out));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_ARENA(events_with_and_without_an_id),
        cmocka_unit_test(the_length_is_the_same_for_every_place),
        cmocka_unit_test(ids_are_read_as_they_were_written),
        cmocka_unit_test(what_is_no_id),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
