/* Another process of a test, which does something once and then stays until it is killed. */
#ifndef OTHER_PROCESS_H
#define OTHER_PROCESS_H

#include "unit.h"

#include <signal.h>
#include <sys/wait.h>

#define OTHER_PROCESS_S 60 /* then it ends, whatever becomes of the test */

/* Forks; the child calls `act`. *result is what `act` has returned there. */
static inline pid_t process_start(bool (*act)(void *arg), void *arg, bool *result) {
    int ready[2];
    pid_t pid;

    assert_int_equal(pipe(ready), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (!pid) {
        bool done = act(arg);

        (void)alarm(OTHER_PROCESS_S);
        (void)!write(ready[1], &done, sizeof done);
        for (;;)
            pause();
    }
    (void)close(ready[1]);
    assert_int_equal(read(ready[0], result, sizeof *result), sizeof *result);
    (void)close(ready[0]);
    return pid;
}

/* The same, for what has to succeed. */
static inline pid_t process_hold(bool (*act)(void *arg), void *arg) {
    bool result;
    pid_t pid = process_start(act, arg, &result);

    if (!result)
        (void)kill(pid, SIGKILL);
    assert_true(result);
    return pid;
}

static inline void process_kill(pid_t pid) {
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

#endif
