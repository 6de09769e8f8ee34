/* What the filter of system calls refuses, and what it lets through. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runner/seccomp.h"

/* Bits of a child's exit status. */
enum { USER = 1, MIXED = 2, TIME = 4, SETNS = 8, CLONE = 16, CLONE3 = 32, HARMLESS = 64 };

static bool is_refused(long result, int error) {
    return result == -1 && errno == error;
}

static bool contain(void) {
    struct seccomp_filter filter;

    return seccomp_contain(false, &filter) && filter.listener < 0;
}

static int try_all(void) {
    int seen = 0;

    if (is_refused(unshare(CLONE_NEWUSER), EPERM))
        seen |= USER;
    if (is_refused(unshare(CLONE_FS | CLONE_NEWNET), EPERM))
        seen |= MIXED;
    if (is_refused(unshare(0x80 /* CLONE_NEWTIME */), EPERM))
        seen |= TIME;
    if (is_refused(syscall(SYS_setns, open("/dev/null", O_RDONLY | O_CLOEXEC), 0), EPERM))
        seen |= SETNS;
    if (is_refused(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0), EPERM))
        seen |= CLONE;
    if (is_refused(syscall(SYS_clone3, NULL, 0), ENOSYS))
        seen |= CLONE3;
    if (!unshare(CLONE_FILES))
        seen |= HARMLESS;
    return seen;
}

static int status_of(pid_t pid) {
    int status = -1;

    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void a_program_makes_no_namespaces(void **state) {
    pid_t pid = fork();

    (void)state;
    if (pid == 0) {
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || !contain())
            _exit(128);
        _exit(try_all());
    }
    assert_int_equal(status_of(pid), USER | MIXED | TIME | SETNS | CLONE | CLONE3 | HARMLESS);
}

static void what_a_program_starts_is_held_to_the_same_and_runs(void **state) {
    pid_t pid = fork(), child;

    (void)state;
    if (pid == 0) {
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || !contain())
            _exit(128);
        child = fork();
        if (child == 0) {
            (void)execl("/bin/sh", "sh", "-c", "(exit 3) | (exit 4)", (char *)NULL);
            _exit(127);
        }
        _exit(status_of(child));
    }
    assert_int_equal(status_of(pid), 4);
}

static void without_no_new_privs_the_filter_is_refused(void **state) {
    pid_t pid = fork();

    (void)state;
    if (pid == 0) {
        if (geteuid() == 0 && (setgid(65534) || setuid(65534)))
            _exit(128);
        _exit(!contain() && errno == EACCES ? 0 : 1);
    }
    assert_int_equal(status_of(pid), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_program_makes_no_namespaces),
        cmocka_unit_test(what_a_program_starts_is_held_to_the_same_and_runs),
        cmocka_unit_test(without_no_new_privs_the_filter_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
