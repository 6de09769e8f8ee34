/* Programs: their input, their limits, and that none of their processes stays. */
#include "unit.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "runner/process.h"
#include "runner_fixture.h"
#include "runner_folder.h"

/* The shell, in the test's directory. */
static struct process_result run_shell(const char *script, struct process_spec spec) {
    const char *const argv[] = {"/bin/sh", "-c", script, NULL}, *const write[] = {dir, NULL};
    const char *const envp[] = {"PATH=/usr/bin:/bin", "ONLY=this", NULL};
    struct process_result r;

    spec.run.argv = argv;
    spec.run.envp = envp;
    spec.run.dir = dir;
    spec.run.write = write;
    process_run(a, &spec, &r);
    return r;
}

static struct process_result run_with(const char *script, struct text input, int64_t timeout_ms,
                                      size_t output_max) {
    return run_shell(
        script,
        (struct process_spec){.timeout_ms = timeout_ms, .output_max = output_max, .input = input});
}

static struct process_result run(const char *script) {
    return run_with(script, (struct text){"in", 2}, RUN_ENOUGH_MS, 65536);
}

/* The program says that it is so far by a file of this name: then nobody waits for it any more. */
static int until_ready(void *arg) {
    (void)arg;
    return access(arena_printf(a, "%s/ready", dir), F_OK) ? 5 : -1;
}

static struct process_result run_until_ready(const char *script) {
    (void)unlink(arena_printf(a, "%s/ready", dir));
    return run_shell(script, (struct process_spec){.timeout_ms = RUN_ENOUGH_MS,
                                                   .output_max = 100,
                                                   .waiter.before_wait = until_ready});
}

/* The number that a program wrote into this file in its directory. */
static int noted_pid(const char *name) {
    char *path = arena_printf(a, "%s/%s", dir, name);
    FILE *f = fopen(path, "r");
    int pid = 0;

    assert_non_null(f);
    assert_int_equal(fscanf(f, "%d", &pid), 1);
    (void)fclose(f);
    return pid;
}

/* A zombie is gone: reaping an orphan is the business of process 1. */
static bool lives(int pid) {
    FILE *f = fopen(arena_printf(a, "/proc/%d/stat", pid), "r");
    char state = 'Z';

    if (!f)
        return false;
    if (fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
        state = 'Z';
    (void)fclose(f);
    return state != 'Z';
}

static bool is_gone(const char *name) {
    int pid = noted_pid(name);

    for (int i = 0; i < 1000 && lives(pid); i++)
        (void)usleep(10000);
    return !lives(pid);
}

static unsigned open_descriptors(void) {
    unsigned n = 0;

    for (int fd = 0; fd < 256; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

static void input_and_output_are_whole(void **state) {
    struct process_result r = run("cat; echo ' there'; echo oops >&2");

    (void)state;
    assert_int_equal(r.end, PROCESS_EXITED);
    assert_int_equal(r.code, 0);
    assert_string_equal(r.out.p, "in there\n");
    assert_int_equal(r.out.len, 9);
    assert_string_equal(r.err.p, "oops\n");
}

static void a_large_input_comes_back(void **state) {
    size_t len = 1 << 20;
    char *big = arena_alloc(a, len);
    struct process_result r;

    (void)state;
    for (size_t i = 0; i < len; i++)
        big[i] = (char)('a' + i % 23);
    r = run_with("cat", (struct text){big, len}, RUN_ENOUGH_MS, len);
    assert_int_equal(r.end, PROCESS_EXITED);
    assert_int_equal(r.out.len, len);
    assert_memory_equal(r.out.p, big, len);
}

/* Neither the pipe that fills nor the one that is closed may stop the worker. */
static void an_input_may_be_left_unread(void **state) {
    size_t len = 1 << 20;
    struct process_result r;

    (void)state;
    r = run_with("exec <&-; sleep 0.2; echo done", (struct text){arena_alloc(a, len), len},
                 RUN_ENOUGH_MS, 65536);
    assert_int_equal(r.end, PROCESS_EXITED);
    assert_string_equal(r.out.p, "done\n");
    r = run_with("exit 0", (struct text){arena_alloc(a, len), len}, RUN_ENOUGH_MS, 65536);
    assert_int_equal(r.end, PROCESS_EXITED);
    assert_int_equal(r.code, 0);
}

static void exit_status_and_signal_are_told(void **state) {
    struct process_result r = run("echo partly; exit 3");

    (void)state;
    assert_int_equal(r.end, PROCESS_EXITED);
    assert_int_equal(r.code, 3);
    assert_string_equal(r.out.p, "partly\n");
    r = run("kill -SEGV $$");
    assert_int_equal(r.end, PROCESS_SIGNALLED);
    assert_int_equal(r.code, SIGSEGV);
    r = run("kill -KILL $$");
    assert_int_equal(r.end, PROCESS_SIGNALLED);
    assert_int_equal(r.code, SIGKILL);
}

static void a_program_that_hangs_is_stopped(void **state) {
    struct process_result r = run_until_ready("trap '' TERM; echo $$ >hang; >ready; sleep 100");

    (void)state;
    assert_int_equal(r.end, PROCESS_CANCELLED);
    assert_true(r.ms < RUN_SOON_MS);
    assert_true(is_gone("hang"));
}

static void a_program_has_its_time(void **state) {
    struct process_result r = run_with("sleep 100", (struct text){"", 0}, 300, 65536);

    (void)state;
    assert_int_equal(r.end, PROCESS_TIMED_OUT);
    assert_true(r.ms >= 300 && r.ms < RUN_SOON_MS);
    r = run_with("sleep 100", (struct text){"", 0}, 0, 65536); /* no time is no run */
    assert_int_equal(r.end, PROCESS_TIMED_OUT);
}

static void a_program_that_closes_its_output_and_hangs_is_stopped(void **state) {
    struct process_result r =
        run_with("exec >&- 2>&- <&-; sleep 100", (struct text){"", 0}, 300, 65536);

    (void)state;
    assert_int_equal(r.end, PROCESS_TIMED_OUT);
    assert_true(r.ms < RUN_SOON_MS);
}

static void too_much_output_is_stopped(void **state) {
    struct process_result r =
        run_with("echo $$ >much; yes", (struct text){"", 0}, RUN_ENOUGH_MS, 10000);

    (void)state;
    assert_int_equal(r.end, PROCESS_OUTPUT_LIMIT);
    assert_int_equal(r.out.len, 10000);
    assert_true(is_gone("much"));
    /* The limit itself is allowed, and a byte more is not, even when the program ends by itself. */
    r = run_with("printf 12345", (struct text){"", 0}, RUN_ENOUGH_MS, 5);
    assert_int_equal(r.end, PROCESS_EXITED);
    r = run_with("printf 123456", (struct text){"", 0}, RUN_ENOUGH_MS, 5);
    assert_int_equal(r.end, PROCESS_OUTPUT_LIMIT);
}

static void much_stderr_is_read_and_dropped(void **state) {
    struct process_result r = run("head -c 1000000 /dev/zero | tr '\\0' e >&2; echo fine");

    (void)state;
    assert_int_equal(r.end, PROCESS_EXITED);
    assert_string_equal(r.out.p, "fine\n");
    assert_int_equal(r.err.len, PROCESS_STDERR_MAX);
}

/* The program ends, but something that it started keeps its stdout open, for longer than the run
 * has time. */
static void a_grandchild_does_not_hold_the_worker(void **state) {
    struct process_result r = run("sleep 100 & echo $! >grandchild; echo done");

    (void)state;
    assert_int_equal(r.end, PROCESS_EXITED);
    assert_string_equal(r.out.p, "done\n");
    assert_true(r.ms < RUN_SOON_MS);
    assert_true(is_gone("grandchild"));
}

/* One that left the group and the session is found as well, and what it has started. */
static void a_daemon_does_not_outlive_the_call(void **state) {
    struct process_result r =
        run("setsid sh -c 'setsid sh -c \"echo \\$\\$ >inner; exec sleep 100\" & "
            "echo $$ >daemon; exec sleep 100' & "
            "while [ ! -s daemon ] || [ ! -s inner ]; do :; done; echo done");

    (void)state;
    assert_int_equal(r.end, PROCESS_EXITED);
    assert_string_equal(r.out.p, "done\n");
    assert_true(r.ms < RUN_SOON_MS);
    assert_true(is_gone("daemon"));
    assert_true(is_gone("inner"));
}

static void the_environment_is_what_was_given(void **state) {
    struct process_result r;

    (void)state;
    (void)setenv("SECRET", "s3cret", 1);
    (void)setenv("AWS_SECRET_ACCESS_KEY", "s3cret", 1);
    r = run("/usr/bin/env | sort; pwd");
    /* PWD and _ are the shell's own. */
    assert_null(strstr(r.out.p, "s3cret"));
    assert_non_null(strstr(r.out.p, "ONLY=this\n"));
    assert_non_null(strstr(r.out.p, "PATH=/usr/bin:/bin\n"));
    assert_non_null(strstr(r.out.p, arena_printf(a, "\n%s\n", dir)));
    assert_null(strstr(r.out.p, "HOME="));
}

static void only_three_descriptors_are_open(void **state) {
    int extra = open("/dev/null", O_RDONLY), high = fcntl(extra, F_DUPFD, 200);
    const char *preload = getenv("LD_PRELOAD");
    struct process_result r;

    (void)state;
    if (preload && strstr(preload, "vgpreload"))
        skip(); /* valgrind has descriptors of its own, which nobody may close */
    assert_true(extra >= 0 && high >= 200);
    r = run("exec ls /proc/self/fd"); /* 3 is the directory that ls reads */
    assert_string_equal(r.out.p, "0\n1\n2\n3\n");
    (void)close(extra);
    (void)close(high);
}

/* As when the worker was started by a web server that closed them. */
static void the_standard_descriptors_may_be_closed(void **state) {
    pid_t pid = fork();
    int status;

    (void)state;
    if (!pid) {
        struct process_result r;

        (void)close(0);
        (void)close(1);
        (void)close(2);
        r = run("cat; echo e >&2");
        _exit(r.end == PROCESS_EXITED && r.code == 0 && !strcmp(r.out.p, "in") &&
                      !strcmp(r.err.p, "e\n")
                  ? 0
                  : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void signals_are_the_default_ones(void **state) {
    unsigned long long blocked, ignored;
    sigset_t all, before;
    struct process_result r;

    (void)state;
    (void)sigfillset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, &before);
    (void)signal(SIGHUP, SIG_IGN);
    r = run("exec grep -E '^Sig(Blk|Ign)' /proc/self/status"); /* shells block some themselves */
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    (void)signal(SIGHUP, SIG_DFL);
    assert_int_equal(sscanf(r.out.p, "SigBlk: %llx SigIgn: %llx", &blocked, &ignored), 2);
    assert_int_equal(blocked, 0);
    /* glibc keeps 32 and 33 to itself, whatever it inherited: signal(7). */
    assert_int_equal(ignored & ~(3ULL << 31), 0);
}

static void it_gains_no_rights(void **state) {
    struct process_result r = run("exec grep NoNewPrivs /proc/self/status");

    (void)state;
    assert_string_equal(r.out.p, "NoNewPrivs:\t1\n");
}

static void it_has_a_session_of_its_own(void **state) {
    struct process_result r = run("cut -d' ' -f1,5,6 /proc/$$/stat");
    int pid, group, session;

    (void)state;
    assert_int_equal(sscanf(r.out.p, "%d %d %d", &pid, &group, &session), 3);
    assert_int_equal(group, session);
    assert_int_not_equal(session, getsid(0));
}

static bool is_written(const char *name) {
    struct stat st;

    return !stat(arena_printf(a, "%s/%s", dir, name), &st) && st.st_size > 0;
}

static void it_ends_with_the_worker(void **state) {
    pid_t pid = fork();

    (void)state;
    if (!pid) {
        (void)run("echo $$ >orphan; sleep 100 >/dev/null");
        _exit(0);
    }
    while (!is_written("orphan"))
        (void)usleep(1000);
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
    assert_true(is_gone("orphan"));
}

static void what_cannot_start_is_told(void **state) {
    const char *const argv[] = {"/nonexistent/program", NULL}, *const envp[] = {NULL};
    const char *const sh[] = {"/bin/sh", "-c", ":", NULL};
    struct process_spec spec = {.run = {.argv = argv, .envp = envp, .dir = dir},
                                .timeout_ms = RUN_ENOUGH_MS,
                                .output_max = 100};
    struct process_result r;

    (void)state;
    process_run(a, &spec, &r);
    assert_int_equal(r.end, PROCESS_NOT_STARTED);
    assert_int_equal(r.code, ENOENT);
    spec.run.argv = sh;
    spec.run.dir = "/nonexistent";
    process_run(a, &spec, &r);
    assert_int_equal(r.end, PROCESS_NOT_STARTED);
    assert_int_equal(r.code, ENOENT);
}

static void without_descriptors_nothing_starts(void **state) {
    int fds[2048], n = 0;
    struct process_result r;

    (void)state;
    while (n < 2048 && (fds[n] = dup(0)) >= 0)
        n++;
    r = run("echo hi");
    while (n)
        (void)close(fds[--n]);
    if (r.end != PROCESS_EXITED) {
        assert_int_equal(r.end, PROCESS_NOT_STARTED);
        assert_int_equal(r.code, EMFILE);
    }
}

static void nothing_is_left_behind(void **state) {
    unsigned before = open_descriptors();

    (void)state;
    for (int i = 0; i < 20; i++) {
        (void)run("echo hi");
        (void)run_with("yes", (struct text){"", 0}, RUN_ENOUGH_MS, 10);
        (void)run_with("sleep 9", (struct text){"", 0}, 5, 10);
    }
    assert_int_equal(open_descriptors(), before);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), 0); /* no child but the runner, and no zombie */
}

struct lines {
    struct buf all;
    unsigned count;
    int write_to; /* the other end of what is watched; -1: none */
};

static void take_line(void *arg, const char *line, size_t len) {
    struct lines *l = arg;

    l->count++;
    buf_add(&l->all, line, len);
    buf_addc(&l->all, '|');
    if (l->write_to >= 0)
        assert_int_equal(write(l->write_to, "x", 1), 1);
}

static struct process_result run_lines(const char *script, size_t line_max, struct lines *l,
                                       const int *watch) {
    const struct process_spec spec = {.timeout_ms = RUN_ENOUGH_MS,
                                      .output_max = line_max,
                                      .on_line = take_line,
                                      .on_line_arg = l,
                                      .waiter.watch = watch};

    l->count = 0;
    buf_init(&l->all, a, 1 << 20);
    return run_shell(script, spec);
}

static void lines_are_given_away_one_by_one(void **state) {
    struct lines l = {.write_to = -1};
    struct process_result r =
        run_lines("echo one; printf tw; sleep 0.02; printf 'o\\n\\nlast'", 10, &l, NULL);

    (void)state;
    assert_int_equal(r.end, PROCESS_EXITED);
    assert_string_equal(l.all.p, "one|two||last|");
    assert_int_equal(r.out.len, 0);
    /* The limit is that of a line, not of all of them. */
    r = run_lines("i=0; while [ $i -lt 500 ]; do echo 123456789; i=$((i + 1)); done", 10, &l, NULL);
    assert_int_equal(r.end, PROCESS_EXITED);
    assert_int_equal(l.count, 500);
    r = run_lines("yes | tr -d '\\n'", 1000, &l, NULL);
    assert_int_equal(r.end, PROCESS_OUTPUT_LIMIT);
}

static void nobody_waiting_stops_it(void **state) {
    struct lines l;
    int ends[2];
    struct process_result r;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    l.write_to = ends[1];
    r = run_lines("echo $$ > watched; echo line; exec sleep 1000", 100, &l, &ends[0]);
    assert_int_equal(r.end, PROCESS_CANCELLED);
    assert_string_equal(l.all.p, "line|");
    assert_true(is_gone("watched"));
    (void)close(ends[0]);
    (void)close(ends[1]);
}

/* Takes what was written away. */
static bool not_meant(void *arg) {
    int *fd = arg;
    char c;

    return read(*fd, &c, 1) != 1;
}

static void what_is_watched_may_mean_nothing(void **state) {
    const char *argv[] = {"/bin/sh", "-c", "sleep 0.1; echo done", NULL};
    const char *const envp[] = {"PATH=/usr/bin:/bin", NULL};
    int ends[2];
    struct process_spec spec = {.run = {.argv = argv, .envp = envp, .dir = dir},
                                .timeout_ms = RUN_ENOUGH_MS,
                                .output_max = 100,
                                .waiter.watch = &ends[0],
                                .waiter.must_stop = not_meant,
                                .waiter.must_stop_arg = &ends[0]};
    struct process_result r;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "xx", 2), 2);
    process_run(a, &spec, &r);
    assert_int_equal(r.end, PROCESS_EXITED);
    assert_string_equal(r.out.p, "done\n");
    (void)close(ends[1]); /* readable, and not to be taken away */
    argv[2] = "sleep 1000";
    process_run(a, &spec, &r);
    assert_int_equal(r.end, PROCESS_CANCELLED);
    (void)close(ends[0]);
}

static bool tidies_up(int64_t timeout_ms) {
    struct process_result r = run_with("trap 'echo bye >tidy; exit 0' TERM; sleep 1000 & wait",
                                       (struct text){"", 0}, timeout_ms, 100);

    assert_int_equal(r.end, PROCESS_TIMED_OUT);
    return is_written("tidy");
}

/* A busy machine may keep it from setting its trap in time, and from using PROCESS_GRACE_MS. */
static void a_stopped_program_may_tidy_up(void **state) {
    struct process_result r;

    (void)state;
    assert_true(tidies_up(200) || tidies_up(1000) || tidies_up(5000));
    /* One that does not heed it is not waited for. */
    r = run_until_ready("trap '' TERM; >ready; while :; do sleep 0.05; done");
    assert_int_equal(r.end, PROCESS_CANCELLED);
    assert_true(r.ms < RUN_SOON_MS);
}

static int count_down(void *arg) {
    int *left = arg;

    return --*left < 0 ? -1 : 10;
}

static void a_tick_comes_in_time_and_may_end_it(void **state) {
    const char *const argv[] = {"/bin/sh", "-c", "sleep 1000", NULL};
    const char *const envp[] = {"PATH=/usr/bin:/bin", NULL};
    int left = 5;
    struct process_spec spec = {.run = {.argv = argv, .envp = envp, .dir = dir},
                                .timeout_ms = RUN_ENOUGH_MS,
                                .output_max = 100,
                                .waiter.before_wait = count_down,
                                .waiter.before_wait_arg = &left};
    struct process_result r;

    (void)state;
    process_run(a, &spec, &r);
    assert_int_equal(r.end, PROCESS_CANCELLED);
    assert_int_equal(left, -1);
    assert_true(r.ms >= 40 && r.ms < RUN_SOON_MS);
}

/* ---- runners that are killed ---- */

/* One whose first `count` supervisors end with a connection: before they have received the request,
 * or after. From now on programs go through it. Returns its process id. */
static pid_t start_with_deaths(unsigned count, bool received) {
    struct child_start how = {.death_signal = SIGTERM};
    static char message[RUN_REQUEST_MAX];
    int listener, connector;
    pid_t pid;

    assert_true(runner_listen("/tmp", &listener, &connector));
    how.keep[0] = listener;
    pid = child_fork(&how);
    if (pid == 0) {
        while (count--) {
            struct pollfd p = {.fd = accept(listener, NULL, NULL), .events = POLLIN};

            (void)poll(&p, 1, 60000);
            if (received)
                (void)recv(p.fd, message, sizeof message, 0);
            (void)close(p.fd);
        }
        log_set_level(LOG_ERROR);
        _exit(runner_main(listener, &(struct runner_options){0}));
    }
    assert_true(pid > 0);
    (void)close(listener);
    runner_use(NULL, connector);
    return pid;
}

static void a_request_that_nobody_received_is_sent_again(void **state) {
    pid_t runner = start_with_deaths(2, false);
    struct process_result r = run("cat; echo once >>runs");

    (void)state;
    assert_int_equal(r.end, PROCESS_EXITED);
    assert_int_equal(r.code, 0);
    assert_string_equal(r.out.p, "in");
    assert_string_equal(run("cat runs").out.p, "once\n");
    assert_int_equal(runner_stop(runner), 0);
}

static void but_not_for_ever(void **state) {
    pid_t runner = start_with_deaths(3, false);
    struct process_result r = run("echo never");

    (void)state;
    assert_int_equal(r.end, PROCESS_NOT_STARTED);
    assert_int_equal(r.code, ECONNRESET);
    assert_int_equal(r.out.len, 0);
    assert_string_equal(run("echo next").out.p, "next\n");
    assert_int_equal(runner_stop(runner), 0);
}

static void one_that_was_received_may_have_run(void **state) {
    pid_t runner = start_with_deaths(1, true);
    struct process_result r = run("echo never");

    (void)state;
    assert_int_equal(r.end, PROCESS_LOST);
    assert_string_equal(run("echo next").out.p, "next\n");
    assert_int_equal(runner_stop(runner), 0);
}

/* A program that ends by itself while it is asked something, or told to stop. */
static void an_answer_is_taken_though_the_runner_left_something_unread(void **state) {
    struct run_answer answer = {.version = RUN_VERSION, .end = RUN_EXITED, .code = 7}, got;
    int ends[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
    assert_int_equal(run_answer_take(ends[0], &got), 0);
    run_request_say(ends[0], RUN_SAY_MEMORY);
    assert_int_equal(send(ends[1], &answer, sizeof answer, 0), sizeof answer);
    assert_int_equal(close(ends[1]), 0);
    assert_int_equal(run_answer_take(ends[0], &got), 1);
    assert_int_equal(got.code, 7);
    assert_int_equal(run_answer_take(ends[0], &got), -1);
    assert_int_equal(errno, 0);
    assert_int_equal(close(ends[0]), 0);
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {
        T(input_and_output_are_whole),
        T(a_large_input_comes_back),
        T(an_input_may_be_left_unread),
        T(exit_status_and_signal_are_told),
        T(a_program_that_hangs_is_stopped),
        T(a_program_has_its_time),
        T(a_program_that_closes_its_output_and_hangs_is_stopped),
        T(too_much_output_is_stopped),
        T(much_stderr_is_read_and_dropped),
        T(a_grandchild_does_not_hold_the_worker),
        T(a_daemon_does_not_outlive_the_call),
        T(the_environment_is_what_was_given),
        T(only_three_descriptors_are_open),
        T(what_is_watched_may_mean_nothing),
        T(a_stopped_program_may_tidy_up),
        T(a_tick_comes_in_time_and_may_end_it),
        T(the_standard_descriptors_may_be_closed),
        T(signals_are_the_default_ones),
        T(it_gains_no_rights),
        T(it_has_a_session_of_its_own),
        T(it_ends_with_the_worker),
        T(what_cannot_start_is_told),
        T(without_descriptors_nothing_starts),
        T(lines_are_given_away_one_by_one),
        T(nobody_waiting_stops_it),
        T(nothing_is_left_behind),
    };
    const struct CMUnitTest killed[] = {
        T(a_request_that_nobody_received_is_sent_again),
        T(but_not_for_ever),
        T(one_that_was_received_may_have_run),
        T(an_answer_is_taken_though_the_runner_left_something_unread),
    };
    int failed = cmocka_run_group_tests(tests, runner_setup, runner_teardown);

    return failed | cmocka_run_group_tests(killed, NULL, NULL);
}
