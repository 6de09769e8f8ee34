/* The runner's processes: that one is always ready, and what happens when they are killed or told
 * to stop while programs run. */
#include "unit.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "runner/process.h"
#include "runner_fixture.h"
#include "runner_folder.h"

#define MANY 40

static struct process_result run_for(const char *script, int64_t timeout_ms) {
    const char *const argv[] = {"/bin/sh", "-c", script, NULL};
    const char *const envp[] = {"PATH=/usr/bin:/bin", NULL};
    const char *const write[] = {dir, NULL};
    const struct process_spec spec = {
        .run = {.argv = argv, .envp = envp, .dir = dir, .write = write},
        .timeout_ms = timeout_ms,
        .output_max = 65536};
    struct process_result r;

    process_run(a, &spec, &r);
    return r;
}

/* The children of a process. */
static unsigned children_of(pid_t pid, pid_t *out, unsigned max) {
    FILE *f = fopen(arena_printf(a, "/proc/%d/task/%d/children", (int)pid, (int)pid), "r");
    unsigned n = 0;

    assert_non_null(f);
    while (n < max && fscanf(f, "%d", &out[n]) == 1)
        n++;
    (void)fclose(f);
    return n;
}

/* Reads the number that a program has written, once it is there. */
static pid_t noted(const char *name) {
    char *path = arena_printf(a, "%s/%s", dir, name);
    int pid = 0;

    for (int i = 0; i < 10000 && pid <= 0; i++) {
        FILE *f = fopen(path, "r");

        if (f && fscanf(f, "%d\n", &pid) != 1)
            pid = 0;
        if (f)
            (void)fclose(f);
        (void)usleep(1000);
    }
    assert_true(pid > 0);
    return pid;
}

static bool is_gone(pid_t pid) {
    char state = 'Z';
    FILE *f;

    for (int i = 0; i < 5000; i++) {
        state = 'Z';
        f = fopen(arena_printf(a, "/proc/%d/stat", (int)pid), "r");
        if (f && fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
            state = 'Z';
        if (f)
            (void)fclose(f);
        if (state == 'Z' || state == 'X')
            return true;
        (void)usleep(1000);
    }
    return false;
}

/* A run in a process of its own, which exits with how the program ended. */
static pid_t run_aside(const char *script) {
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0)
        _exit((int)run_for(script, RUN_ENOUGH_MS).end);
    return pid;
}

static int end_of(pid_t pid) {
    int status;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

#define LEAVES_ONE_BEHIND                                                                          \
    "setsid sh -c 'setsid sh -c \"echo \\$\\$ >inner; exec sleep 1000\" & exec sleep 1000' & "     \
    "while [ ! -s inner ]; do :; done; echo $$ >outer; exec sleep 1000"

/* The supervisor of the only run is busy, and so has a child. */
static pid_t find_supervisor(pid_t runner) {
    pid_t supervisors[MANY], programs[MANY];
    unsigned n = children_of(runner, supervisors, MANY);

    for (unsigned i = 0; i < n; i++)
        if (children_of(supervisors[i], programs, MANY))
            return supervisors[i];
    fail_msg("no supervisor is busy");
    return 0;
}

static void a_killed_supervisor_loses_its_run_alone(void **state) {
    pid_t runner = runner_start(&(struct runner_options){0}), run, other, inner, outer;

    (void)state;
    run = run_aside(LEAVES_ONE_BEHIND);
    outer = noted("outer");
    inner = noted("inner");
    assert_int_equal(kill(find_supervisor(runner), SIGKILL), 0);
    other = run_aside("sleep 0.3");
    assert_int_equal(end_of(run), PROCESS_LOST);
    assert_int_equal(end_of(other), PROCESS_EXITED);
    assert_true(is_gone(outer));
    assert_true(is_gone(inner));
    assert_int_equal(runner_stop(runner), 0);
}

/* The daemon's master adopts what is left then; here it is the test. */
static void nothing_survives_a_killed_runner(void **state) {
    pid_t runner = runner_start(&(struct runner_options){0}), run, inner, outer;

    (void)state;
    orphans_adopt(true);
    run = run_aside(LEAVES_ONE_BEHIND);
    outer = noted("outer");
    inner = noted("inner");
    assert_int_equal(kill(runner, SIGKILL), 0);
    assert_int_equal(end_of(run), PROCESS_LOST);
    assert_int_equal(waitpid(runner, NULL, 0), runner);
    assert_true(is_gone(outer));
    orphans_end(1000);
    assert_true(is_gone(inner));
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
    orphans_adopt(false);
}

static void what_runs_is_finished_when_it_is_told_to_stop(void **state) {
    pid_t runner = runner_start(&(struct runner_options){0});
    pid_t run = run_aside("echo $$ >outer; sleep 0.3; echo done >done");

    (void)state;
    (void)noted("outer");
    assert_int_equal(runner_stop(runner), 0);
    assert_int_equal(end_of(run), PROCESS_EXITED);
    assert_int_equal(access(arena_printf(a, "%s/done", dir), F_OK), 0);
    assert_int_equal(run_for("echo", 1000).end, PROCESS_NOT_STARTED);
}

static void who_is_killed_takes_its_program_along(void **state) {
    pid_t runner = runner_start(&(struct runner_options){0});
    pid_t run = run_aside(LEAVES_ONE_BEHIND), outer = noted("outer"), inner = noted("inner");

    (void)state;
    assert_int_equal(kill(run, SIGKILL), 0);
    assert_int_equal(waitpid(run, NULL, 0), run);
    assert_true(is_gone(outer));
    assert_true(is_gone(inner));
    assert_int_equal(runner_stop(runner), 0);
}

static void there_are_as_many_at_a_time_as_are_asked_for(void **state) {
    pid_t runner = runner_start(&(struct runner_options){0}), runs[MANY], all[MANY * 2];
    const char *all_have_begun = arena_printf(
        a, "echo >begun.$$; until [ \"$(ls begun.* | wc -l)\" -ge %d ]; do sleep 0.1; done", MANY);

    (void)state;
    for (int i = 0; i < MANY; i++)
        runs[i] = run_aside(all_have_begun);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(end_of(runs[i]), PROCESS_EXITED);
    assert_true(children_of(runner, all, MANY * 2) >= MANY);
    assert_int_equal(runner_stop(runner), 0);
}

/* As another user if this is root's, since the kernel counts no processes of root. What leaves its
 * session faster than it can be killed only a control group ends at once (cgroup.h). */
static void a_program_that_forks_without_end_is_ended(void **state) {
    const struct runner_options o = {.user = geteuid() ? NULL : "nobody"};
    struct rlimit before, few;
    struct process_result r;
    char line[256] = "";
    pid_t runner;
    FILE *f;

    (void)state;
    /* Where nothing else limits it, such as under valgrind, this host must stay usable. */
    assert_int_equal(getrlimit(RLIMIT_NPROC, &before), 0);
    few = (struct rlimit){before.rlim_cur < 3000 ? before.rlim_cur : 3000, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NPROC, &few), 0);
    runner = runner_start(&o);
    assert_int_equal(setrlimit(RLIMIT_NPROC, &before), 0);
    assert_int_equal(chmod(dir, 0777), 0);
    r = run_for(arena_printf(a, ": %s; f() { f | f & }; f; sleep 1000", dir), 300);
    assert_int_equal(r.end, PROCESS_TIMED_OUT);
    assert_true(r.ms < RUN_SOON_MS);
    assert_int_equal(runner_stop(runner), 0); /* its supervisor ends only when all have gone */
    f = popen(arena_printf(a, "pgrep -f '[%c]%s'", *dir, dir + 1), "r");
    assert_non_null(f);
    assert_null(fgets(line, sizeof line, f));
    (void)pclose(f);
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {
        T(a_killed_supervisor_loses_its_run_alone),
        T(nothing_survives_a_killed_runner),
        T(what_runs_is_finished_when_it_is_told_to_stop),
        T(who_is_killed_takes_its_program_along),
        T(there_are_as_many_at_a_time_as_are_asked_for),
        T(a_program_that_forks_without_end_is_ended),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
