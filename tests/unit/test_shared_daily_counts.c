/* Counts of a day that processes share. */
#include "unit.h"

#include <sys/wait.h>

#include "base/log.h"
#include "shared/daily_counts.h"

#define NOON (INT64_C(20000) * DAY_S + DAY_S / 2) /* of 2024-10-04 */
#define MIDNIGHT (INT64_C(20001) * DAY_S)
#define TODAY "2024-10-04"
#define NONE 99

static char dir[UNIT_PATH_MAX], folder[UNIT_PATH_MAX + 8];
static struct daily_counts *counts;

static int begin(void **state) {
    folder_make(dir);
    (void)snprintf(folder, sizeof folder, "%s/counts", dir);
    counts = daily_counts_new(folder);
    return arena_setup(state);
}

static int end(void **state) {
    daily_counts_free(counts);
    folder_remove(dir);
    return arena_teardown(state);
}

/* The index of the count that is at its max; NONE: each has one more. */
static size_t take2(struct daily_counts *d, int64_t now_s, const struct daily_count both[2]) {
    struct daily_take t = {{both[0], both[1]}, 2, NONE};
    struct err e;
    enum rc rc = daily_counts_take(d, &t, now_s, &e);

    if (rc && rc != ERR_EXISTS)
        fail_msg("%s", e.text);
    assert_int_equal(rc == ERR_EXISTS, t.reached != NONE);
    return t.reached;
}

static bool take(const char *key, uint32_t max, int64_t now_s) {
    return take2(counts, now_s, (struct daily_count[]){{key, max}, {"any", 0}}) == NONE;
}

static unsigned count_of(const char *key, int64_t now_s) {
    uint32_t n = NONE;

    assert_true(daily_counts_read(folder, key, now_s, &n));
    return n;
}

static void a_day_has_so_many_and_not_one_more(void **state) {
    (void)state;
    assert_int_equal(count_of("a", NOON), 0); /* there is no file yet */
    assert_int_equal(access(folder, F_OK), -1);
    assert_true(take("a", 3, NOON));
    assert_true(take("a", 3, NOON));
    assert_true(take("a", 3, NOON));
    assert_false(take("a", 3, NOON));
    assert_false(take("a", 3, MIDNIGHT - 1));
    assert_true(take("b", 3, NOON));
    assert_int_equal(count_of("a", NOON), 3);
    assert_int_equal(count_of("any", NOON), 4); /* those that were refused are not counted */
    assert_true(take("a", 5, NOON));            /* after the limit was raised */
    assert_false(take("a", 1, NOON));           /* or lowered */
    assert_int_equal(count_of("a", NOON), 4);
    assert_true(take("a", 3, MIDNIGHT));
    assert_int_equal(count_of("a", MIDNIGHT), 1);
    assert_false(take("a", 4, NOON)); /* the clock was set back */
}

/* What the second refuses is not counted by the first either. */
static void all_are_counted_or_none(void **state) {
    const struct daily_count all[] = {{"a", 10}, {"b", 2}};

    (void)state;
    assert_int_equal(take2(counts, NOON, all), NONE);
    assert_int_equal(take2(counts, NOON, all), NONE);
    assert_int_equal(take2(counts, NOON, all), 1);
    assert_int_equal(count_of("a", NOON), 2);
    assert_int_equal(take2(counts, NOON, (struct daily_count[]){{"a", 2}, {"b", 3}}), 0);
    assert_int_equal(count_of("b", NOON), 2);
}

static void counts_outlive_a_process_and_old_files_go(void **state) {
    struct stat st;

    assert_true(take("a", 1, NOON));
    daily_counts_free(counts);
    counts = daily_counts_new(folder);
    assert_false(take("a", 1, NOON));
    assert_int_equal(stat(arena_printf(*state, "%s/" TODAY, folder), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_true(st.st_size < 3 << 20);
    assert_true(take("a", 1, NOON + DAY_S)); /* a process may still be about to count yesterday's */
    assert_int_equal(access(arena_printf(*state, "%s/" TODAY, folder), F_OK), 0);
    assert_true(take("a", 1, NOON + INT64_C(2) * DAY_S));
    assert_int_equal(access(arena_printf(*state, "%s/" TODAY, folder), F_OK), -1);
    assert_int_equal(access(arena_printf(*state, "%s/2024-10-05", folder), F_OK), 0);
}

#define PROCESSES 8
#define LIMIT 5000

static void take_all(int ready, int start, int result) {
    struct daily_counts *own = daily_counts_new(folder);
    const struct daily_count both[] = {{"user", 0}, {"shared", LIMIT}};
    int got = 0;
    char go;

    if (write(ready, &got, 1) != 1)
        _exit(1);
    while (read(start, &go, 1) == 1)
        ; /* until the parent closes it */
    while (take2(own, NOON, both) == NONE)
        got++;
    _exit(write(result, &got, sizeof got) != sizeof got);
}

/* Each takes as many as it gets, of keys that are new to all: together exactly as many as there
 * are. */
static void processes_count_exactly(void **state) {
    int ready[2], start[2], result[2], total = 0, got;
    char byte;

    (void)state;
    assert_int_equal(pipe(ready) | pipe(start) | pipe(result), 0);
    for (int i = 0; i < PROCESSES; i++)
        if (fork() == 0) {
            close(start[1]);
            take_all(ready[1], start[0], result[1]);
        }
    for (int i = 0; i < PROCESSES; i++)
        assert_int_equal(read(ready[0], &byte, 1), 1);
    close(start[1]);
    for (int i = 0; i < PROCESSES; i++) {
        int status;

        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
        assert_int_equal(read(result[0], &got, sizeof got), sizeof got);
        total += got;
    }
    for (int i = 0; i < 2; i++) {
        (void)close(ready[i]);
        (void)close(result[i]);
    }
    (void)close(start[0]);
    assert_int_equal(total, LIMIT);
    assert_int_equal(count_of("shared", NOON), LIMIT);
    assert_int_equal(count_of("user", NOON), LIMIT);
}

/* One more than there is room for is refused, and those that are known go on. */
static void a_day_has_so_many_keys(void **state) {
    char key[32];
    struct daily_take one = {{{key, 0}}, 1, 0};
    struct err e;

    (void)state;
    for (unsigned i = 0; i < DAILY_COUNTS_MAX; i++) {
        (void)snprintf(key, sizeof key, "key %u", i);
        assert_int_equal(daily_counts_take(counts, &one, NOON, &e), OK);
    }
    (void)snprintf(key, sizeof key, "one more");
    assert_int_equal(daily_counts_take(counts, &one, NOON, &e), ERR_STORE);
    assert_non_null(strstr(e.text, "98304"));
    assert_int_equal(count_of("one more", NOON), 0);
    (void)snprintf(key, sizeof key, "key 7");
    assert_int_equal(daily_counts_take(counts, &one, NOON, &e), OK);
    assert_int_equal(count_of("key 7", NOON), 2);
    assert_int_equal(count_of("key 8", NOON), 1);
}

static void without_a_file_nothing_is_counted(void **state) {
    struct daily_counts *none = daily_counts_new("/nonexistent/counts");
    struct daily_take one = {{{"a", 1}}, 1, 0};
    struct err e;

    (void)state;
    for (int i = 0; i < 2; i++) { /* it tries again */
        assert_int_equal(daily_counts_take(none, &one, NOON, &e), ERR_STORE);
        assert_non_null(strstr(e.text, "/nonexistent/counts"));
    }
    daily_counts_free(none);
}

static void a_file_that_is_cut_is_replaced(void **state) {
    log_set_level(LOG_ERROR + 1);
    assert_true(take("a", 1, NOON));
    assert_int_equal(truncate(arena_printf(*state, "%s/" TODAY, folder), 100), 0);
    assert_int_equal(count_of("a", NOON), 0);
    assert_true(take("a", 1, NOON));
    assert_false(take("a", 1, NOON));
    assert_int_equal(access(arena_printf(*state, "%s/" TODAY ".damaged", folder), F_OK), 0);
    assert_true(take("a", 1, NOON + INT64_C(2) * DAY_S));
    assert_int_equal(access(arena_printf(*state, "%s/" TODAY ".damaged", folder), F_OK), -1);
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {
        T(a_day_has_so_many_and_not_one_more),
        T(all_are_counted_or_none),
        T(counts_outlive_a_process_and_old_files_go),
        T(processes_count_exactly),
        T(a_day_has_so_many_keys),
        T(without_a_file_nothing_is_counted),
        T(a_file_that_is_cut_is_replaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
