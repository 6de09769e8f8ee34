/* Replay logs: one worker writes, another one reads, meanwhile and afterwards. */
#include "unit.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include "shared/replay_log.h"

struct fixture {
    char dir[UNIT_PATH_MAX];
    struct arena *arena;
    int64_t now_s;
    struct err e;
};

static int setup(void **state) {
    struct fixture *f = xcalloc(1, sizeof *f);

    folder_make(f->dir);
    assert_int_equal(rmdir(f->dir), 0); /* the first journal makes it */
    f->arena = arena_new(1 << 20);
    f->now_s = (int64_t)time(NULL);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;

    replay_log_sweep(f->dir, f->now_s + 2 * REPLAY_LOG_KEEP_S);
    (void)rmdir(f->dir);
    assert_int_not_equal(access(f->dir, F_OK), 0);
    arena_free(f->arena);
    free(f);
    return 0;
}

static struct replay_log *create(struct fixture *f, const char *name) {
    struct replay_log *j;

    assert_int_equal(replay_log_create(f->dir, name, f->now_s, &j, &f->e), OK);
    return j;
}

static void read_while_it_is_written(void **state) {
    struct fixture *f = *state;
    struct replay_log *w = create(f, "one"), *r;
    char text[16];

    assert_int_equal(replay_log_open(f->dir, "one", &r, &f->e), OK);
    assert_int_equal(replay_log_read(r, 0, text, sizeof text), 0);
    assert_int_equal(replay_log_add(w, "hello", 5, &f->e), OK);
    assert_int_equal(replay_log_len(w), 5);
    assert_int_equal(replay_log_read(r, 0, text, sizeof text), 5);
    assert_memory_equal(text, "hello", 5);
    assert_int_equal(replay_log_read(r, 3, text, sizeof text), 2);
    assert_memory_equal(text, "lo", 2);
    assert_int_equal(replay_log_read(r, 100, text, sizeof text), 0);
    assert_false(replay_log_has_ended(r));
    replay_log_close(w);
    assert_true(replay_log_has_ended(r));
    assert_true(replay_log_has_ended(r));
    replay_log_close(r);
}

static void a_writer_that_dies_has_ended(void **state) {
    struct fixture *f = *state;
    struct replay_log *r;
    int status;
    pid_t pid = fork();

    if (!pid) {
        struct replay_log *w;
        struct err e;

        _exit(replay_log_create(f->dir, "dead", f->now_s, &w, &e) || replay_log_add(w, "x", 1, &e));
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(replay_log_open(f->dir, "dead", &r, &f->e), OK);
    assert_true(replay_log_has_ended(r));
    replay_log_close(r);
}

/* The device is full, or the writer is killed, in the middle of an event: nobody reads half of it.
 */
static void what_was_not_added_whole_is_not_read(void **state) {
    struct fixture *f = *state;
    struct replay_log *r;
    char text[32];
    int status;
    pid_t pid = fork();

    if (!pid) {
        struct rlimit most = {8 + 5 + 3, RLIM_INFINITY}; /* three bytes of the second one */
        struct replay_log *w;
        struct err e;
        bool good;

        (void)signal(SIGXFSZ, SIG_IGN);
        good = !replay_log_create(f->dir, "full", f->now_s, &w, &e) &&
               !replay_log_add(w, "one\n\n", 5, &e) && !setrlimit(RLIMIT_FSIZE, &most) &&
               replay_log_add(w, "second\n\n", 8, &e) == ERR_STORE && replay_log_len(w) == 5;
        _exit(!good);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(replay_log_open(f->dir, "full", &r, &f->e), OK);
    assert_int_equal(replay_log_read(r, 0, text, sizeof text), 5);
    assert_int_equal(replay_log_read(r, 5, text, sizeof text), 0);
    replay_log_close(r);
}

static void names_stay_in_the_directory(void **state) {
    static const char *const names[] = {"", ".", "..", "../x", "a/b", ".x"};
    struct fixture *f = *state;
    struct replay_log *j;

    replay_log_close(create(f, "taken"));
    assert_int_equal(replay_log_create(f->dir, "taken", f->now_s, &j, &f->e), ERR_STORE);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_int_equal(replay_log_create(f->dir, names[i], f->now_s, &j, &f->e), ERR_STORE);
        assert_int_equal(replay_log_open(f->dir, names[i], &j, &f->e), ERR_MISSING);
    }
    assert_int_equal(replay_log_open(f->dir, "none", &j, &f->e), ERR_MISSING);
}

static void a_long_one_is_refused(void **state) {
    struct fixture *f = *state;
    struct replay_log *w = create(f, "long");
    char *much = xcalloc(1, REPLAY_LOG_BYTES_MAX);

    assert_int_equal(replay_log_add(w, much, REPLAY_LOG_BYTES_MAX - 1, &f->e), OK);
    assert_int_equal(replay_log_add(w, much, 2, &f->e), ERR_TOO_LARGE);
    assert_int_equal(replay_log_add(w, much, 1, &f->e), OK);
    free(much);
    replay_log_close(w);
}

static bool is_there(struct fixture *f, const char *name) {
    struct replay_log *j;
    bool there = !replay_log_open(f->dir, name, &j, &f->e);

    replay_log_close(j);
    return there;
}

/* Written to so many seconds ago. */
static void create_at(struct fixture *f, const char *name, int64_t ago_s) {
    const struct timespec at = {f->now_s - ago_s, 0}, times[2] = {at, at};

    replay_log_close(create(f, name));
    assert_int_equal(utimensat(AT_FDCWD, arena_printf(f->arena, "%s/%s", f->dir, name), times, 0),
                     0);
}

static void so_many_and_so_old(void **state) {
    struct fixture *f = *state;
    struct replay_log *j;

    for (int i = 0; i < REPLAY_LOGS_MAX; i++)
        create_at(f, arena_printf(f->arena, "j%d:x", i), i == 77 ? 200 : 100);
    assert_true(is_there(f, "j77:x"));
    replay_log_close(create(f, "more")); /* the oldest gives way */
    assert_false(is_there(f, "j77:x"));
    assert_true(is_there(f, "j0:x") && is_there(f, "more"));
    replay_log_sweep(f->dir, f->now_s + REPLAY_LOG_KEEP_S - 160);
    assert_true(is_there(f, "j0:x"));
    assert_int_equal(
        replay_log_create(f->dir, "again", f->now_s + REPLAY_LOG_KEEP_S - 50, &j, &f->e), OK);
    replay_log_close(j);
    assert_false(is_there(f, "j0:x"));
    assert_true(is_there(f, "more"));
}

/* Who has many of them pushes out none of anybody else. */
static void an_owner_has_a_share(void **state) {
    struct fixture *f = *state;
    int mine = 0;

    create_at(f, "other:first", 250);
    create_at(f, "mine2:first", 250); /* not of the same one */
    for (int i = 0; i < 3 * REPLAY_LOGS_OWNER_MAX; i++)
        create_at(f, arena_printf(f->arena, "mine:%d", i), 200 - i);
    for (int i = 0; i < 3 * REPLAY_LOGS_OWNER_MAX; i++)
        mine += is_there(f, arena_printf(f->arena, "mine:%d", i));
    assert_int_equal(mine, REPLAY_LOGS_OWNER_MAX);
    assert_true(is_there(f, arena_printf(f->arena, "mine:%d", 3 * REPLAY_LOGS_OWNER_MAX - 1)));
    assert_true(is_there(f, "other:first") && is_there(f, "mine2:first"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(read_while_it_is_written, setup, teardown),
        cmocka_unit_test_setup_teardown(a_writer_that_dies_has_ended, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_not_added_whole_is_not_read, setup, teardown),
        cmocka_unit_test_setup_teardown(names_stay_in_the_directory, setup, teardown),
        cmocka_unit_test_setup_teardown(a_long_one_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(so_many_and_so_old, setup, teardown),
        cmocka_unit_test_setup_teardown(an_owner_has_a_share, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
