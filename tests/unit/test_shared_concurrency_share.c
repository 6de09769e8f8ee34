/* Limits of what runs at once, in all and for each owner, held by a descriptor. */
#include "unit.h"

#include <signal.h>
#include <sys/wait.h>

#include "shared/concurrency_limit.h"

static char path[UNIT_PATH_MAX];

static int begin(void **state) {
    (void)state;
    file_make(path);
    return 0;
}

static int end(void **state) {
    (void)state;
    return unlink(path);
}

static enum rc take(const char *owner, unsigned all, unsigned each, int *fd) {
    const struct concurrency_share p = {.path = path, .total = all, .per_owner = each};
    struct err e;

    return concurrency_share_take(&p, owner, fd, &e);
}

static void each_has_a_share(void **state) {
    int fd[5];

    (void)state;
    assert_int_equal(take("a", 3, 2, &fd[0]), OK);
    assert_int_equal(take("a", 3, 2, &fd[1]), OK);
    assert_int_equal(take("a", 3, 2, &fd[2]), ERR_EXISTS);
    assert_int_equal(fd[2], -1);
    assert_int_equal(take("b", 3, 2, &fd[2]), OK);
    assert_int_equal(take("b", 3, 2, &fd[3]), ERR_TOO_LARGE);
    assert_int_equal(close(fd[0]), 0);
    assert_int_equal(take("b", 3, 2, &fd[3]), OK);
    assert_int_equal(take("a", 3, 2, &fd[4]), ERR_TOO_LARGE);
    for (int i = 1; i < 4; i++)
        assert_int_equal(close(fd[i]), 0);
    assert_int_equal(take("a", 3, 1, &fd[0]), OK); /* whose a place was does not count */
    assert_int_equal(take("a", 3, 1, &fd[1]), ERR_EXISTS);
    assert_int_equal(close(fd[0]), 0);
}

static enum rc take_of_group(const char *owner, const char *group, int *fd) {
    const struct concurrency_share p = {
        .path = path, .total = 4, .per_owner = 2, .group = group, .per_group = 3};
    struct err e;

    return concurrency_share_take(&p, owner, fd, &e);
}

/* Two owners of one name in two groups are two. */
static void each_group_has_a_share(void **state) {
    int fd[5];

    (void)state;
    assert_int_equal(take_of_group("a", "one", &fd[0]), OK);
    assert_int_equal(take_of_group("a", "one", &fd[1]), OK);
    assert_int_equal(take_of_group("a", "one", &fd[2]), ERR_EXISTS);
    assert_int_equal(take_of_group("b", "one", &fd[2]), OK);
    assert_int_equal(take_of_group("c", "one", &fd[3]), ERR_CONFLICT);
    assert_int_equal(take_of_group("a", "", &fd[3]), OK);
    assert_int_equal(take_of_group("a", "two", &fd[4]), ERR_TOO_LARGE);
    assert_int_equal(close(fd[0]), 0);
    assert_int_equal(take_of_group("c", "one", &fd[0]), OK);
    for (int i = 0; i < 4; i++)
        assert_int_equal(close(fd[i]), 0);
}

static void a_forked_process_keeps_it_until_it_ends(void **state) {
    int fd, other, start[2];
    pid_t pid;

    (void)state;
    assert_int_equal(pipe(start), 0);
    assert_int_equal(take("a", 1, 1, &fd), OK);
    pid = fork();
    if (!pid) {
        char c;

        (void)close(start[1]);
        _exit((int)read(start[0], &c, 1)); /* until it is killed */
    }
    assert_int_equal(close(fd), 0);
    assert_int_equal(take("a", 1, 1, &other), ERR_EXISTS);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(take("a", 1, 1, &other), OK);
    assert_int_equal(close(other), 0);
    (void)close(start[0]);
    (void)close(start[1]);
}

/* Any number of processes at once: never more than there are places. */
static void many_at_once_get_no_more(void **state) {
    int started[2], hold[2], got = 0;
    char c;

    (void)state;
    assert_int_equal(pipe(started), 0);
    assert_int_equal(pipe(hold), 0);
    for (int i = 0; i < 20; i++)
        if (!fork()) {
            int fd;

            (void)close(hold[1]);
            c = take("a", 8, 5, &fd) ? 'n' : 'y';
            if (write(started[1], &c, 1) != 1)
                _exit(1);
            _exit((int)read(hold[0], &c, 1));
        }
    for (int i = 0; i < 20; i++) {
        assert_int_equal(read(started[0], &c, 1), 1);
        got += c == 'y';
    }
    assert_int_equal(got, 5);
    (void)close(hold[1]);
    for (int i = 0; i < 20; i++)
        assert_true(wait(NULL) > 0);
    (void)close(hold[0]);
    (void)close(started[0]);
    (void)close(started[1]);
}

static void what_cannot_be_opened(void **state) {
    const struct concurrency_share p = {.path = "/nonexistent/places", .total = 1, .per_owner = 1};
    struct err e;
    int fd;

    (void)state;
    assert_int_equal(concurrency_share_take(&p, "a", &fd, &e), ERR_STORE);
    assert_non_null(strstr(e.text, "/nonexistent/places"));
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, begin, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(each_has_a_share),
        CASE(each_group_has_a_share),
        CASE(a_forked_process_keeps_it_until_it_ends),
        CASE(many_at_once_get_no_more),
        CASE(what_cannot_be_opened),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
