/* One daemon for one STATE_DIR: who holds it is named, as far as that can be found out. */
#include "unit.h"

#include <signal.h>
#include <sys/wait.h>

#include "server/state_lock.h"

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

/* A process that holds the lock until it is killed. */
static pid_t holder(void) {
    int ready[2], fd;
    pid_t pid;
    struct err e;
    char byte;

    assert_int_equal(pipe(ready), 0);
    pid = fork();
    if (pid == 0) {
        if (state_lock(&config, &fd, &e) || write(ready[1], "x", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    (void)close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    (void)close(ready[0]);
    return pid;
}

static void another_process_is_named(void **state) {
    pid_t pid = holder();
    struct err e;
    int fd;

    assert_int_equal(state_lock(&config, &fd, &e), ERR_MISCONFIGURED);
    assert_non_null(strstr(e.text, arena_printf(*state,
                                                "another mcp-authd, process %d, runs with "
                                                "STATE_DIR=",
                                                (int)pid)));
    state_unlock(&fd);
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
    assert_int_equal(state_lock(&config, &fd, &e), OK);
    state_unlock(&fd);
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
    state_unlock(&fd);
    assert_int_equal(close(other), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(another_process_is_named, begin, end),
        cmocka_unit_test_setup_teardown(one_that_has_no_number_here_is_not_process_0, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
