/* What a child process starts with, and what ends it. */
#include "unit.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "runner/child.h"

/* valgrind has descriptors of its own, which nobody may close. */
static int status_of(pid_t pid) {
    int status;

    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static bool is_open(int fd) {
    return fcntl(fd, F_GETFD) >= 0;
}

static void it_has_the_descriptors_that_it_was_given_and_no_other(void **state) {
    int first = fcntl(2, F_DUPFD, 20), second = fcntl(2, F_DUPFD, 30),
        third = fcntl(2, F_DUPFD, 40);
    const struct child_start how = {.keep = {third, -1, first}};
    pid_t pid;

    (void)state;
    if (under_valgrind())
        skip();
    pid = child_fork(&how);
    if (pid == 0)
        _exit(is_open(0) && is_open(1) && is_open(2) && is_open(first) && !is_open(second) &&
                      is_open(third) && !is_open(third + 1) && !is_open(first - 1)
                  ? 0
                  : 1);
    assert_int_equal(status_of(pid), 0);
    (void)close(first);
    (void)close(second);
    (void)close(third);
}

static void it_has_its_name(void **state) {
    const struct child_start how = {.name = "mcp-child"};
    pid_t pid = child_fork(&how);
    char name[16] = "";

    (void)state;
    if (pid == 0) {
        (void)prctl(PR_GET_NAME, name);
        _exit(strcmp(name, "mcp-child") != 0);
    }
    assert_int_equal(status_of(pid), 0);
}

static bool blocks_term(void) {
    sigset_t now;

    (void)sigprocmask(SIG_SETMASK, NULL, &now);
    return sigismember(&now, SIGTERM);
}

static bool ignores_hup(void) {
    struct sigaction now;

    (void)sigaction(SIGHUP, NULL, &now);
    return now.sa_handler == SIG_IGN;
}

static void its_signals_are_its_parent_s_or_the_default_ones(void **state) {
    struct child_start how = {0};
    sigset_t term, before;
    pid_t pid;

    (void)state;
    (void)sigemptyset(&term);
    (void)sigaddset(&term, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &term, &before);
    (void)signal(SIGHUP, SIG_IGN);
    pid = child_fork(&how);
    if (pid == 0)
        _exit(blocks_term() && ignores_hup() ? 0 : 1);
    assert_int_equal(status_of(pid), 0);
    how.default_signals = true;
    pid = child_fork(&how);
    if (pid == 0)
        _exit(!blocks_term() && !ignores_hup() ? 0 : 1);
    assert_int_equal(status_of(pid), 0);
    (void)signal(SIGHUP, SIG_DFL);
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
}

/* The child of a child of ours. It alone holds a pipe, which is at its end when it has been
 * ended. */
static void its_parent_s_end_is_its_own(void **state) {
    int ends[2];
    struct child_start how = {.death_signal = SIGKILL};
    pid_t parent;
    char byte;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    how.keep[0] = ends[1];
    parent = fork();
    if (parent == 0) {
        if (child_fork(&how) == 0) {
            (void)!write(ends[1], "x", 1);
            for (;;)
                pause();
        }
        for (;;)
            pause();
    }
    (void)close(ends[1]);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    (void)kill(parent, SIGKILL);
    (void)status_of(parent);
    assert_int_equal(read(ends[0], &byte, 1), 0);
    (void)close(ends[0]);
}

static void one_that_begins_without_its_parent_ends(void **state) {
    const struct child_start how = {.death_signal = SIGKILL};
    pid_t pid = fork();

    (void)state;
    if (pid == 0) {
        child_begin(&how, getpid()); /* which is not its parent's number */
        _exit(1);
    }
    assert_int_equal(status_of(pid), 0);
}

/* The process between has ended, sooner or later. */
static bool becomes_child_of(pid_t parent) {
    for (int i = 0; i < 10000 && getppid() != parent; i++)
        (void)usleep(1000);
    return getppid() == parent;
}

static void a_detached_one_is_its_adopter_s_child(void **state) {
    static const struct child_start how = {.name = "mcp-child"};
    pid_t self = getpid(), caller, pid;
    int status;

    (void)state;
    orphans_adopt(true);
    caller = fork();
    if (caller == 0) {
        int started = child_fork_detached(&how);

        if (started == 0)
            _exit(becomes_child_of(self) ? 7 : 1);
        _exit(started == 1 && waitpid(-1, NULL, WNOHANG) < 0 ? 0 : 1);
    }
    assert_int_equal(status_of(caller), 0);
    pid = waitpid(-1, &status, 0);
    assert_true(pid > 0 && pid != caller);
    assert_int_equal(WEXITSTATUS(status), 7);
    orphans_adopt(false);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_has_the_descriptors_that_it_was_given_and_no_other),
        cmocka_unit_test(it_has_its_name),
        cmocka_unit_test(its_signals_are_its_parent_s_or_the_default_ones),
        cmocka_unit_test(its_parent_s_end_is_its_own),
        cmocka_unit_test(one_that_begins_without_its_parent_ends),
        cmocka_unit_test(a_detached_one_is_its_adopter_s_child),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
