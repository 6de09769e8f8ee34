/* Names that are marked until a time. */
#include "unit.h"

#include <sys/wait.h>

#include "shared/marks.h"

#define NOW 1700000000

struct fixture {
    char dir[UNIT_PATH_MAX];
    struct arena *a;
    const char *path;
    struct marks *m;
    struct err e;
};

static int setup(void **state) {
    struct fixture *f = xcalloc(1, sizeof *f);

    folder_make(f->dir);
    f->a = arena_new(16 << 20);
    f->path = arena_printf(f->a, "%s/marks", f->dir);
    assert_int_equal(marks_open(f->path, &f->m, &f->e), OK);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;

    marks_close(f->m);
    folder_remove(f->dir);
    arena_free(f->a);
    free(f);
    return 0;
}

static void a_name_is_marked_once_until_the_mark_ends(void **state) {
    struct fixture *f = *state;

    assert_false(marks_has(f->m, "a", NOW));
    assert_int_equal(marks_add(f->m, "a", NOW + 10, NOW, &f->e), OK);
    assert_int_equal(marks_add(f->m, "a", NOW + 20, NOW, &f->e), ERR_EXISTS);
    assert_true(marks_has(f->m, "a", NOW));
    assert_true(marks_has(f->m, "a", NOW + 9));
    assert_false(marks_has(f->m, "a", NOW + 10));
    assert_false(marks_has(f->m, "b", NOW));
    assert_false(marks_has(f->m, "", NOW));
    assert_int_equal(marks_add(f->m, "a", NOW + 30, NOW + 10, &f->e), OK);
    assert_true(marks_has(f->m, "a", NOW + 29));
}

static void only_the_mark_that_is_meant_is_removed(void **state) {
    struct fixture *f = *state;

    assert_int_equal(marks_add(f->m, "a", NOW + 10, NOW, &f->e), OK);
    marks_remove(f->m, "a", NOW + 9);
    marks_remove(f->m, "b", NOW + 10);
    assert_true(marks_has(f->m, "a", NOW));
    marks_remove(f->m, "a", NOW + 10);
    assert_false(marks_has(f->m, "a", NOW));
    assert_int_equal(marks_add(f->m, "a", NOW + 20, NOW, &f->e), OK);
    marks_remove(f->m, "a", 0);
    assert_false(marks_has(f->m, "a", NOW));
}

/* A clock that was ahead for a while leaves no mark for ever. */
static void the_longest_mark(void **state) {
    struct fixture *f = *state;

    assert_int_equal(marks_add(f->m, "a", NOW + MARK_S_MAX, NOW, &f->e), OK);
    assert_true(marks_has(f->m, "a", NOW));
    assert_false(marks_has(f->m, "a", NOW - 1));
    assert_int_equal(marks_add(f->m, "a", NOW + 1, NOW - 1, &f->e), OK);
}

static void a_full_file_refuses_and_forgets_none(void **state) {
    struct fixture *f = *state;
    unsigned added = 0;

    for (unsigned i = 0; i < 2 * MARKS_MAX; i++) {
        const char *name = arena_printf(f->a, "name %u", i);

        if (marks_add(f->m, name, NOW + 10, NOW, &f->e))
            continue;
        assert_true(marks_has(f->m, name, NOW));
        added++;
    }
    assert_in_range(added, MARKS_MAX * 9 / 10, MARKS_MAX);
    assert_int_equal(marks_add(f->m, "name 0", NOW + 10, NOW, &f->e), ERR_EXISTS);
    for (unsigned i = 0; i < MARKS_MAX / 64; i++) /* there is room when they have ended */
        assert_int_equal(
            marks_add(f->m, arena_printf(f->a, "later %u", i), NOW + 20, NOW + 10, &f->e), OK);
}

#define PROCESSES 8
#define NAMES 200

/* Each adds all names; of each name one process says that it was the one. */
static void of_many_processes_one_succeeds(void **state) {
    struct fixture *f = *state;
    unsigned won = 0;
    int ends[2];
    uint8_t byte;
    pid_t children[PROCESSES];

    assert_int_equal(pipe(ends), 0);
    for (int i = 0; i < PROCESSES; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i])
            continue;
        for (unsigned n = 0; n < NAMES; n++)
            if (!marks_add(f->m, arena_printf(f->a, "name %u", n), NOW + 10, NOW, &f->e) &&
                write(ends[1], &n, 1) != 1)
                _exit(1);
        _exit(0);
    }
    assert_int_equal(close(ends[1]), 0);
    while (read(ends[0], &byte, 1) == 1)
        won++;
    assert_int_equal(close(ends[0]), 0);
    for (int i = 0; i < PROCESSES; i++) {
        int status;

        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    assert_int_equal(won, NAMES);
}

static void a_file_that_cannot_be_used_is_said(void **state) {
    struct fixture *f = *state;
    struct marks *other;

    assert_int_equal(marks_open("/nonexistent/marks", &other, &f->e), ERR_STORE);
    assert_non_null(strstr(f->e.text, "/nonexistent/marks"));
    assert_int_equal(marks_add(other, "a", NOW + 10, NOW, &f->e), ERR_STORE);
    assert_false(marks_has(other, "a", NOW));
    marks_close(other);
    assert_int_equal(marks_add(NULL, "a", NOW + 10, NOW, &f->e), ERR_STORE);
    assert_false(marks_has(NULL, "a", NOW));
    marks_remove(NULL, "a", 0);
    marks_close(NULL);
    assert_int_equal(marks_add(f->m, "a", NOW + 10, NOW, &f->e), OK);
    assert_int_equal(truncate(f->path, 100), 0); /* and reading it does not end the process */
    assert_false(marks_has(f->m, "a", NOW));
    assert_int_equal(marks_add(f->m, "a", NOW + 10, NOW, &f->e), OK);
}

#define EACH(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        EACH(a_name_is_marked_once_until_the_mark_ends),
        EACH(only_the_mark_that_is_meant_is_removed),
        EACH(the_longest_mark),
        EACH(a_full_file_refuses_and_forgets_none),
        EACH(of_many_processes_one_succeeds),
        EACH(a_file_that_cannot_be_used_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
