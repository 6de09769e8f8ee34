/* Instances: programs that stay for the next call, and when they end. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "runner/process.h"
#include "runner_fixture.h"
#include "runner_folder.h"

#define GIVE_TRIES 30
#define TRIES 3 /* to be quick, on a machine that may pause */

struct answer {
    bool done;
    char line[256];
};

static void take_line(void *arg, const char *line, size_t len) {
    struct answer *x = arg;

    assert_true(len < sizeof x->line);
    memcpy(x->line, line, len);
    x->line[len] = 0;
    x->done = true;
}

/* Answers each line with its process id and the line. */
#define ECHO "while read -r line; do echo \"$$ $line\"; done"

struct call {
    const char *script, *input;
    int (*before_wait)(void *call); /* NULL: nothing is done then */
    int waits;                      /* of the call so far */
    struct persistent how;
    struct answer answer;
    struct process_result result;
};

static struct instance_key key_of(uint8_t id, uint8_t revision, uint32_t idle_s) {
    return (struct instance_key){
        .id = {id}, .revision = {revision}, .idle_s = idle_s, .name = "test"};
}

/* Takes an instance, or starts the script. Returns the process id that the answer begins with. */
static int call(struct call *x) {
    const char *const argv[] = {"/bin/sh", "-c", x->script ? x->script : ECHO, NULL};
    const char *const envp[] = {"PATH=/usr/bin:/bin", NULL};
    const struct process_spec spec = {.run = {.argv = argv, .envp = envp, .dir = dir},
                                      .timeout_ms = RUN_ENOUGH_MS,
                                      .output_max = 200,
                                      .input = text_of(x->input ? x->input : "x\n"),
                                      .on_line = take_line,
                                      .on_line_arg = &x->answer,
                                      .waiter.before_wait = x->before_wait,
                                      .waiter.before_wait_arg = x,
                                      .persistent = &x->how};

    x->answer = (struct answer){0};
    x->how.answered = &x->answer.done;
    x->how.taken = !x->how.once && instance_take(&x->how.key, x->how.fds);
    process_run(a, &spec, &x->result);
    return atoi(x->answer.line);
}

static void runner_restart(void) {
    (void)runner_stop(runner_of_group);
    runner_of_group = runner_start(&(struct runner_options){0});
}

static bool is_there(int pid) {
    return !kill(pid, 0) || errno != ESRCH;
}

static void assert_ends(int pid) {
    const int64_t until = clock_monotonic_ms() + RUN_ENOUGH_MS;

    while (is_there(pid) && clock_monotonic_ms() < until)
        (void)usleep(1000);
    assert_false(is_there(pid));
}

static void the_next_call_has_the_same_process(void **state) {
    struct call x = {.how.key = key_of(1, 1, 60)};
    const int pid = call(&x);

    (void)state;
    assert_true(x.result.answered);
    assert_false(x.how.taken);
    assert_true(is_there(pid));
    x.input = "second\n";
    assert_int_equal(call(&x), pid);
    assert_true(x.how.taken);
    assert_non_null(strstr(x.answer.line, " second"));
}

static void another_key_has_another_process(void **state) {
    struct call x = {.how.key = key_of(2, 1, 60)}, other = {.how.key = key_of(3, 1, 60)};

    (void)state;
    assert_int_not_equal(call(&x), call(&other));
    assert_int_not_equal(call(&x), call(&other));
    assert_true(x.how.taken && other.how.taken);
}

static void another_revision_ends_those_before(void **state) {
    struct call x = {.how.key = key_of(4, 1, 60)};
    const int before = call(&x);

    (void)state;
    x.how.key = key_of(4, 2, 60);
    assert_int_not_equal(call(&x), before);
    assert_false(x.how.taken);
    assert_ends(before);
}

static void one_that_is_idle_for_long_ends(void **state) {
    struct call x = {.how.key = key_of(5, 1, 1)};

    (void)state;
    assert_ends(call(&x));
}

/* It ignores the end of its input, and SIGTERM. */
static void one_that_does_not_end_is_killed(void **state) {
    struct call x = {.script = "trap '' TERM; read -r line; echo $$; while :; do sleep 1; done",
                     .how.key = key_of(6, 1, 1)};

    (void)state;
    assert_ends(call(&x));
}

static void one_that_has_ended_is_not_taken(void **state) {
    struct call x = {.script = "read -r line; echo $$", .how.key = key_of(7, 1, 60)};
    const int first = call(&x);

    (void)state;
    assert_true(x.result.answered);
    assert_ends(first);
    assert_int_not_equal(call(&x), first);
    assert_true(x.result.answered);
}

/* Lets the program end that waits for this file, after its input has been written. */
static int let_it_end(void *call) {
    struct call *x = call;
    int fd;

    if (++x->waits > 1) {
        fd = open(arena_printf(a, "%s/end", dir), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
        (void)close(fd);
    }
    return 50;
}

/* What was not read had no effect, so another process may do it. */
static void a_call_that_was_not_read_is_known(void **state) {
    struct call x = {.script =
                         "read -r line; echo $$; until [ -e end ]; do sleep 0.05; done; exit 3",
                     .how.key = key_of(8, 1, 60)};

    (void)state;
    (void)call(&x);
    assert_false(x.result.unread);
    x.before_wait = let_it_end;
    (void)call(&x);
    assert_true(x.how.taken);
    assert_int_equal(x.result.end, PROCESS_EXITED);
    assert_true(x.result.unread);
    x.before_wait = NULL;
    x.script = "read -r line; exit 3";
    x.how.key = key_of(9, 1, 60);
    (void)call(&x);
    assert_int_equal(x.result.end, PROCESS_EXITED);
    assert_false(x.result.unread);
}

/* What is left of a line would be the beginning of the next answer. */
static void one_that_has_printed_half_a_line_does_not_stay(void **state) {
    struct call x = {.script = "while read -r line; do printf '%s\\nhalf' $$; done",
                     .how.key = key_of(10, 1, 60)};

    (void)state;
    assert_ends(call(&x));
    assert_true(x.result.answered);
    (void)call(&x);
    assert_false(x.how.taken);
}

static void one_that_has_not_read_its_input_does_not_stay(void **state) {
    char *long_line = arena_alloc(a, 1 << 20);
    struct call x = {.script = "head -c 1 >/dev/null; echo $$; exec sleep 60",
                     .how.key = key_of(11, 1, 60)};

    (void)state;
    memset(long_line, 'x', (1 << 20) - 2);
    memcpy(long_line + (1 << 20) - 2, "\n", 2);
    x.input = long_line;
    assert_ends(call(&x));
    assert_true(x.result.answered);
}

static void once_means_that_it_ends(void **state) {
    struct call x = {.how = {.key = key_of(12, 1, 60), .once = true}};
    const int pid = call(&x);

    (void)state;
    assert_true(x.result.answered);
    assert_false(is_there(pid));
    assert_true(x.result.max_rss_kib > 0); /* known since it has ended */
}

/* A process that ends gives back nothing, whatever it had. */
static void one_whose_caller_ends_is_killed(void **state) {
    struct call x = {.how.key = key_of(13, 1, 60)};
    const int pid = call(&x);
    int ends[2];
    char c;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    if (!child_fork(&(struct child_start){.keep = {ends[1]}, .death_signal = SIGKILL})) {
        c = instance_take(&x.how.key, x.how.fds) ? 'y' : 'n';
        _exit(write(ends[1], &c, 1) != 1);
    }
    assert_int_equal(read(ends[0], &c, 1), 1);
    assert_int_equal(c, 'y');
    (void)close(ends[0]);
    (void)close(ends[1]);
    assert_ends(pid);
}

/* The process "mcp-instances" of the runner. */
static pid_t instance_pool(void) {
    char path[64], name[32];
    int pid;
    FILE *children, *comm;
    pid_t found = 0;

    (void)snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)runner_of_group,
                   (int)runner_of_group);
    children = fopen(path, "re");
    assert_non_null(children);
    while (!found && fscanf(children, "%d", &pid) == 1) {
        (void)snprintf(path, sizeof path, "/proc/%d/comm", pid);
        comm = fopen(path, "re");
        if (comm && fscanf(comm, "%31s", name) == 1 && !strcmp(name, "mcp-instances"))
            found = pid;
        if (comm)
            (void)fclose(comm);
    }
    (void)fclose(children);
    assert_true(found > 0);
    return found;
}

/* It is in the queue, unless the machine has paused meanwhile. */
static void what_was_just_given_is_taken_without_the_pool(void **state) {
    struct call x = {.how.key = key_of(22, 1, 60)};
    bool taken = false;

    (void)state;
    (void)call(&x);
    for (int i = 0; i < TRIES && !taken; i++) {
        const int pid = call(&x);
        const pid_t pool = instance_pool();

        assert_int_equal(kill(pool, SIGSTOP), 0);
        taken = call(&x) == pid && x.how.taken;
        assert_int_equal(kill(pool, SIGCONT), 0);
    }
    assert_true(taken);
}

/* What looks like an instance to the pool. Returns the end that a supervisor would have. */
static int give_one(const struct instance_key *key) {
    int ends[2], nothing = open("/dev/null", O_RDWR | O_CLOEXEC);

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    const int fds[INSTANCE_FDS] = {nothing, nothing, nothing, ends[0]};

    for (int tries = 0; !instance_give(key, fds); tries++) /* the pool has much to read */
        assert_true(tries < GIVE_TRIES);
    (void)close(nothing);
    (void)close(ends[0]);
    return ends[1];
}

static bool is_held(int supervisor_end) {
    char c;

    return recv(supervisor_end, &c, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

/* Of more than may be idle, the one that was idle longest ends. */
static void idle_ones_have_a_limit(void **state) {
    const struct instance_key key = key_of(14, 0, 60), other = key_of(15, 0, 60);
    int ends[INSTANCES_MAX + 1], fds[INSTANCE_FDS];

    (void)state;
    runner_restart(); /* with none */
    assert_false(instance_take(&other, fds));
    for (int i = 0; i < INSTANCES_MAX; i++)
        ends[i] = give_one(&key);
    assert_false(instance_take(&other, fds)); /* all that was given has been taken in */
    assert_true(is_held(ends[0]));
    ends[INSTANCES_MAX] = give_one(&key);
    assert_false(instance_take(&other, fds));
    assert_false(is_held(ends[0]));
    for (int i = 1; i <= INSTANCES_MAX; i++)
        assert_true(is_held(ends[i]));
    for (int i = 0; i <= INSTANCES_MAX; i++)
        (void)close(ends[i]);
}

static void a_runner_that_stops_leaves_none_in_the_queue(void **state) {
    struct call x = {.how.key = key_of(23, 1, 60)};
    int pid;

    (void)state;
    (void)call(&x);
    pid = call(&x);
    assert_int_equal(kill(instance_pool(), SIGKILL), 0);
    runner_restart();
    assert_ends(pid);
}

static void after_a_restart_of_the_runner_others_are_started(void **state) {
    struct call x = {.how.key = key_of(16, 1, 60)};
    const int pid = call(&x);

    (void)state;
    runner_restart();
    assert_ends(pid);
    assert_int_not_equal(call(&x), pid);
    assert_true(x.result.answered);
}

/* Calls from a process that ends then, so that nobody is connected to the pool. Returns the process
 * id of the instance that it leaves there. */
static int called_from_elsewhere(struct call *x) {
    int ends[2], found = 0;
    pid_t pid;

    assert_int_equal(pipe(ends), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (!pid) {
        found = call(x);
        _exit(write(ends[1], &found, sizeof found) != sizeof found);
    }
    assert_int_equal(read(ends[0], &found, sizeof found), sizeof found);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    (void)close(ends[0]);
    (void)close(ends[1]);
    assert_true(found > 0);
    return found;
}

static void without_a_client_they_stay_for_a_moment(void **state) {
    struct call x = {.how.key = key_of(17, 1, 60)};
    bool stayed = false;

    (void)state;
    runner_restart();
    assert_ends(called_from_elsewhere(&x));
    for (int i = 0; i < TRIES && !stayed; i++) {
        const int pid = called_from_elsewhere(&x);

        stayed = call(&x) == pid;
        runner_restart();
    }
    assert_true(stayed);
}

/* Sites whose programs are of different users have different runners. */
static void another_runner_has_instances_of_its_own(void **state) {
    struct child_start how = {.death_signal = SIGTERM};
    struct call x = {.how = {.key = key_of(20, 1, 60)}};
    const int pid = call(&x);
    int listener, connector, other;
    char path[32];
    pid_t runner;

    (void)state;
    assert_true(runner_listen(dir, &listener, &connector));
    how.keep[0] = listener;
    runner = child_fork(&how);
    if (!runner)
        _exit(runner_main(listener, &(struct runner_options){0}));
    (void)close(listener);
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", connector);
    runner_choose(path);
    other = call(&x);
    assert_int_not_equal(other, pid);
    assert_int_equal(call(&x), other);
    runner_choose("");
    assert_int_equal(call(&x), pid);
    runner_choose(path);
    assert_int_equal(call(&x), other);
    assert_int_equal(runner_stop(runner), 0);
    assert_ends(other);
    runner_choose("");
    assert_int_equal(call(&x), pid);
    (void)close(connector);
}

#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(the_next_call_has_the_same_process),
        T(another_key_has_another_process),
        T(another_revision_ends_those_before),
        T(one_that_is_idle_for_long_ends),
        T(one_that_does_not_end_is_killed),
        T(one_that_has_ended_is_not_taken),
        T(a_call_that_was_not_read_is_known),
        T(one_that_has_printed_half_a_line_does_not_stay),
        T(one_that_has_not_read_its_input_does_not_stay),
        T(once_means_that_it_ends),
        T(one_whose_caller_ends_is_killed),
        T(what_was_just_given_is_taken_without_the_pool),
        T(idle_ones_have_a_limit),
        T(a_runner_that_stops_leaves_none_in_the_queue),
        T(after_a_restart_of_the_runner_others_are_started),
        T(without_a_client_they_stay_for_a_moment),
        T(another_runner_has_instances_of_its_own),
    };

    return cmocka_run_group_tests(tests, runner_setup, runner_teardown);
}
