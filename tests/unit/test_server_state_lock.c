/* One daemon for one STATE_DIR: the process that holds it is named if possible. */
#include "other_process.h"
#include "unit.h"

#include "server/daemon.h"

static char dir[UNIT_PATH_MAX];
static struct config config;

static int begin(void **state) {
    folder_make(dir);
    config = (struct config){.state_dir = dir};
    return arena_setup(state);
}

static int end(void **state) {
    folder_remove(dir);
    return arena_teardown(state);
}

static bool take_lock(void *arg) {
    int fd;
    struct err e;

    (void)arg;
    return state_lock(&config, &fd, &e) == OK;
}

static void another_process_is_named(void **state) {
    pid_t pid = process_hold(take_lock, NULL);
    struct err e;
    int fd;

    assert_int_equal(state_lock(&config, &fd, &e), ERR_MISCONFIGURED);
    assert_non_null(strstr(e.text, arena_printf(*state,
                                                "another mcp-authd, process %d, runs with "
                                                "STATE_DIR=",
                                                (int)pid)));
    descriptor_clear(&fd);
    process_kill(pid);
    assert_int_equal(state_lock(&config, &fd, &e), OK);
    descriptor_clear(&fd);
    assert_int_equal(fd, -1);
}

/* Such as one of another container: here the lock of an open file, which has no process. */
static void one_that_has_no_number_here_is_not_process_0(void **state) {
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    struct err e;
    int other = open(arena_printf(*state, "%s/lock", dir), O_RDWR | O_CREAT | O_CLOEXEC, 0600), fd;

    assert_true(other >= 0);
    assert_int_equal(fcntl(other, F_OFD_SETLK, &l), 0);
    assert_int_equal(state_lock(&config, &fd, &e), ERR_MISCONFIGURED);
    assert_non_null(strstr(e.text, "another mcp-authd runs with STATE_DIR="));
    descriptor_clear(&fd);
    assert_int_equal(close(other), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(another_process_is_named, begin, end),
        cmocka_unit_test_setup_teardown(one_that_has_no_number_here_is_not_process_0, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
