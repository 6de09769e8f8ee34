/* A runner for the programs of a test. It is forked and not started by exec, as the daemon does
 * it: the rest is the same. */
#ifndef RUNNER_FIXTURE_H
#define RUNNER_FIXTURE_H

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "runner/child.h"
#include "runner/client.h"
#include "runner/runner.h"

/* For programs that end by themselves, also on a machine that gives them little of its time. */
#define RUN_ENOUGH_MS 60000
#define RUN_SOON_MS 50000 /* what does not wait for its end, or for a `sleep 100` */

/* Starts one; the programs of this process go through it. Returns its process id. */
static inline pid_t runner_start(const struct runner_options *o) {
    struct child_start how = {.death_signal = SIGTERM};
    int listener, connector;
    pid_t pid;

    if (!runner_listen("/tmp", &listener, &connector))
        abort();
    how.keep[0] = listener;
    pid = child_fork(&how);
    if (pid == 0) {
        log_set_level(LOG_ERROR);
        _exit(runner_main(listener, o));
    }
    if (pid < 0)
        abort();
    (void)close(listener);
    runner_use(NULL, connector);
    return pid;
}

/* Returns the wait status. */
static inline int runner_stop(pid_t pid) {
    int status = -1;

    (void)kill(pid, SIGTERM);
    (void)waitpid(pid, &status, 0);
    return status;
}

/* For a group of tests: cmocka_run_group_tests(tests, runner_setup, runner_teardown). */
static pid_t runner_of_group;

static inline int runner_setup(void **state) {
    (void)state;
    (void)signal(SIGPIPE, SIG_IGN); /* as every process that runs programs does */
    runner_of_group = runner_start(&(struct runner_options){0});
    return 0;
}

/* A runner that was just started does not take the signal yet. */
static inline int runner_teardown(void **state) {
    const int status = runner_stop(runner_of_group);

    (void)state;
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM ? 0 : status;
}

#endif
