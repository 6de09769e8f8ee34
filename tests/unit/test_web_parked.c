/* The file of a parked call: what was written comes back, and nothing else is accepted. */
#include "unit.h"

#include <errno.h>

#include "base/file.h"
#include "web/parked.h"
#include "web/request.h"

static char *params[] = {(char[]){"REQUEST_METHOD=POST"}, (char[]){"HTTP_X=caf\xe9"},
                         (char[]){"EMPTY="}, NULL};

static struct request request(void) {
    return (struct request){.id = "0123456789abcdef",
                            .params = params,
                            .body = "{\"a\":1}",
                            .body_len = 7,
                            .started_ms = INT64_C(1) << 40};
}

static void what_was_written_comes_back(void **state) {
    const struct request rq = request();
    struct request again = {.arena = *state};
    struct text text;
    int fd = parked_write(&rq, TEXT_LITERAL("{\"state\":2}"), TEXT_LITERAL("data: lost\n\n"));
    char lost[PARKED_LOST_MAX];

    assert_true(fd >= 0);
    assert_true(parked_read(fd, &again, &text));
    assert_string_equal(again.id, rq.id);
    assert_string_equal(again.body, rq.body);
    assert_int_equal(again.body_len, rq.body_len);
    assert_int_equal(again.started_ms, rq.started_ms);
    assert_true(text_equal(text, TEXT_LITERAL("{\"state\":2}")));
    for (size_t i = 0; params[i]; i++)
        assert_string_equal(again.params[i], params[i]);
    assert_null(again.params[3]);
    assert_int_equal(parked_read_lost(fd, lost), 12);
    assert_memory_equal(lost, "data: lost\n\n", 12);
    assert_int_equal(close(fd), 0);
}

static void one_that_is_too_large_is_not_written(void **state) {
    struct request rq = request();

    rq.body = arena_alloc(*state, PARKED_BYTES_MAX);
    rq.body_len = PARKED_BYTES_MAX;
    errno = 0;
    assert_int_equal(parked_write(&rq, TEXT_LITERAL("{}"), TEXT_LITERAL(":")), -1);
    assert_int_equal(errno, EFBIG);
}

static void the_end_of_the_stream_has_a_limit(void **state) {
    const struct request rq = request();
    char text[PARKED_LOST_MAX + 1] = {0}, read[PARKED_LOST_MAX];
    int fd = parked_write(&rq, TEXT_LITERAL("{}"), (struct text){text, PARKED_LOST_MAX});

    (void)state;
    assert_int_equal(parked_read_lost(fd, read), PARKED_LOST_MAX);
    assert_int_equal(close(fd), 0);
    errno = 0;
    assert_int_equal(parked_write(&rq, TEXT_LITERAL("{}"), (struct text){text, sizeof text}), -1);
    assert_int_equal(errno, EFBIG);
}

/* Each byte changed, and each beginning alone: no reading beyond it, and no part that is not
 * whole. */
static void damaged_ones_are_refused(void **state) {
    const struct request rq = request();
    int fd = parked_write(&rq, TEXT_LITERAL("{}"), TEXT_LITERAL(":"));
    char byte, lost[PARKED_LOST_MAX];
    struct text text;
    struct stat st;

    assert_int_equal(fstat(fd, &st), 0);
    for (off_t i = 0; i < st.st_size; i++) {
        struct request again = {.arena = *state};

        assert_int_equal(pread(fd, &byte, 1, i), 1);
        byte = (char)~byte;
        assert_true(file_write_all(fd, &byte, 1, i));
        (void)parked_read_lost(fd, lost);
        if (parked_read(fd, &again, &text))
            assert_true(text.len <= (size_t)st.st_size && again.body_len <= (size_t)st.st_size);
        byte = (char)~byte;
        assert_true(file_write_all(fd, &byte, 1, i));
    }
    for (off_t len = st.st_size - 1; len >= 0; len--) {
        struct request again = {.arena = *state};

        assert_int_equal(ftruncate(fd, len), 0);
        assert_false(parked_read(fd, &again, &text));
        assert_int_equal(parked_read_lost(fd, lost), 0);
    }
    assert_int_equal(close(fd), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_ARENA(what_was_written_comes_back),
        WITH_ARENA(one_that_is_too_large_is_not_written),
        WITH_ARENA(the_end_of_the_stream_has_a_limit),
        WITH_ARENA(damaged_ones_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
