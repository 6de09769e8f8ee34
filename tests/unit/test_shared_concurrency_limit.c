/* Limits on waiting for a slow service: with callers in other processes, and a clock of the
 * test. */
#include "unit.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "base/clock.h"
#include "shared/concurrency_limit.h"

#define SLOW_MS 2000

static char path[] = "/tmp/limit-XXXXXX";
static _Atomic int64_t now_ms;

/* In place of the clock's: tests wait for no time. */
int64_t clock_monotonic_ms(void) {
    return now_ms;
}

int64_t clock_now_s(const struct clock *clock) {
    return clock->fixed_s;
}

static void (*while_waiting)(void);

/* In place of libc's: a step of a wait. */
int nanosleep(const struct timespec *step, struct timespec *left) {
    (void)left;
    now_ms += step->tv_sec * 1000 + step->tv_nsec / 1000000;
    if (while_waiting)
        while_waiting();
    return 0;
}

static int fresh(void **state) {
    int fd;

    memcpy(path, "/tmp/limit-XXXXXX", sizeof path);
    fd = mkstemp(path);
    now_ms = 1000000;
    while_waiting = NULL;
    return fd < 0 || close(fd) ? -1 : arena_setup(state);
}

static int gone(void **state) {
    (void)unlink(path);
    return arena_teardown(state);
}

static struct concurrency_limit *opened_with(const struct concurrency_options *options) {
    struct concurrency_limit *l;
    struct err e;

    if (concurrency_limit_open(path, options, &l, &e))
        fail_msg("%s", e.text);
    return l;
}

/* `few` while it is slow, else `most`. */
static struct concurrency_limit *opened(unsigned few, unsigned most) {
    const struct concurrency_options options = {
        .limit = most, .slow_limit = few, .slow_ms = SLOW_MS};

    return opened_with(&options);
}

/* The other process has come so far, and said what was expected. */
static pid_t has_said(pid_t pid, int from[2], char expected) {
    char c;

    (void)close(from[1]);
    assert_int_equal(read(from[0], &c, 1), 1);
    (void)close(from[0]);
    if (c != expected)
        (void)kill(pid, SIGKILL);
    assert_int_equal(c, expected);
    return pid;
}

/* Enters in another process, and stays until that is killed. */
static pid_t somebody_enters(unsigned few, unsigned most, enum concurrency_answer expected) {
    int ready[2];
    char c = 0;
    pid_t pid;

    assert_int_equal(pipe(ready), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (!pid) {
        c = concurrency_limit_try(opened(few, most)) == expected ? 'y' : 'n';
        (void)alarm(60);
        (void)!write(ready[1], &c, 1);
        for (;;)
            pause();
    }
    return has_said(pid, ready, 'y');
}

static void ends(pid_t pid) {
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void most_at_once_while_all_is_well(void **state) {
    struct concurrency_limit *l = opened(1, 2);
    pid_t a = somebody_enters(1, 2, CONCURRENCY_ENTERED);

    (void)state;
    assert_int_equal(concurrency_limit_try(l), CONCURRENCY_ENTERED);
    assert_int_equal(concurrency_limit_try(l), CONCURRENCY_FULL); /* one at a time */
    ends(somebody_enters(1, 2, CONCURRENCY_FULL));
    concurrency_limit_leave(l, true);
    assert_int_equal(concurrency_limit_try(l), CONCURRENCY_ENTERED);
    concurrency_limit_leave(l, true);
    ends(a);
    concurrency_limit_close(l);
}

static void few_while_somebody_waits_for_long(void **state) {
    struct concurrency_limit *l = opened(1, 4);
    pid_t a = somebody_enters(1, 4, CONCURRENCY_ENTERED);

    (void)state;
    now_ms += SLOW_MS - 1;
    assert_int_equal(concurrency_limit_try(l), CONCURRENCY_ENTERED);
    concurrency_limit_leave(l, true);
    now_ms += 1;
    assert_int_equal(concurrency_limit_try(l),
                     CONCURRENCY_ENTERED); /* the one before was served in time */
    now_ms += SLOW_MS - 2;
    concurrency_limit_leave(l, true);
    now_ms += SLOW_MS - 1;
    assert_int_equal(concurrency_limit_try(l), CONCURRENCY_ENTERED);
    now_ms += SLOW_MS;
    concurrency_limit_leave(l, true);
    assert_int_equal(concurrency_limit_try(l), CONCURRENCY_SLOW);
    now_ms += CONCURRENCY_SLOW_FOR_MS; /* what is left is the one who still waits */
    assert_int_equal(concurrency_limit_try(l), CONCURRENCY_SLOW);
    ends(a); /* killed: it waits no longer */
    assert_int_equal(concurrency_limit_try(l), CONCURRENCY_ENTERED);
    concurrency_limit_leave(l, true);
    concurrency_limit_close(l);
}

static void it_is_remembered_until_somebody_is_served_in_time(void **state) {
    struct concurrency_limit *l = opened(1, 4);
    struct concurrency_limit *none = opened(0, 4);
    pid_t a;

    (void)state;
    assert_int_equal(concurrency_limit_try(l), CONCURRENCY_ENTERED);
    now_ms += SLOW_MS;
    concurrency_limit_leave(l, true);
    a = somebody_enters(1, 4, CONCURRENCY_ENTERED); /* one of few */
    assert_int_equal(concurrency_limit_try(l), CONCURRENCY_SLOW);
    ends(a);
    now_ms += CONCURRENCY_SLOW_FOR_MS - 1;
    assert_int_equal(concurrency_limit_try(none), CONCURRENCY_SLOW);
    assert_int_equal(concurrency_limit_try(l), CONCURRENCY_ENTERED);
    concurrency_limit_leave(l, true);
    assert_int_equal(concurrency_limit_try(none), CONCURRENCY_ENTERED);
    concurrency_limit_leave(none, true);
    concurrency_limit_close(none);
    concurrency_limit_close(l);
}

static int queued[2];

static void say_so_and_stay(void) {
    (void)!write(queued[1], "q", 1);
    for (;;)
        pause();
}

/* Waits in another process, until that is killed. */
static pid_t somebody_waits(unsigned workers) {
    const struct concurrency_options service = concurrency_of_service(workers, SLOW_MS);
    pid_t pid;

    assert_int_equal(pipe(queued), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (!pid) {
        while_waiting = say_so_and_stay;
        (void)alarm(60);
        (void)!concurrency_limit_enter(opened_with(&service));
        (void)!write(queued[1], "n", 1);
        for (;;)
            pause();
    }
    return has_said(pid, queued, 'q');
}

static pid_t leaves_soon;

static void one_leaves(void) {
    ends(leaves_soon);
    while_waiting = NULL;
}

static void while_it_is_slow_a_quarter_waits_for_a_quarter(void **state) {
    const struct concurrency_options service = concurrency_of_service(8, SLOW_MS);
    struct concurrency_limit *l = opened_with(&service);
    pid_t inside[] = {somebody_enters(2, 6, CONCURRENCY_ENTERED),
                      somebody_enters(2, 6, CONCURRENCY_ENTERED)};
    pid_t waiting[2];
    int64_t start_ms;

    (void)state;
    now_ms += SLOW_MS;
    start_ms = now_ms;
    assert_int_equal(concurrency_limit_enter(l), ERR_UPSTREAM);
    assert_int_equal(now_ms, start_ms + SLOW_MS);
    waiting[0] = somebody_waits(8);
    waiting[1] = somebody_waits(8);
    assert_int_equal(concurrency_limit_enter(l), ERR_UPSTREAM);
    assert_int_equal(now_ms, start_ms + SLOW_MS); /* at once */
    ends(waiting[0]);
    leaves_soon = inside[0];
    while_waiting = one_leaves;
    assert_int_equal(concurrency_limit_enter(l), OK);
    assert_true(now_ms < start_ms + SLOW_MS + SLOW_MS / 2);
    waiting[0] = somebody_waits(8); /* the place in the queue was given back */
    concurrency_limit_leave(l, true);
    ends(waiting[0]);
    ends(waiting[1]);
    ends(inside[1]);
    concurrency_limit_close(l);
}

static void what_an_earlier_boot_left_does_not_count(void **state) {
    struct concurrency_limit *l = opened(1, 4);

    (void)state;
    assert_int_equal(concurrency_limit_try(l), CONCURRENCY_ENTERED);
    now_ms += SLOW_MS;
    concurrency_limit_leave(l, true);
    concurrency_limit_close(l);
    now_ms = 5000; /* the monotonic clock begins again */
    l = opened(0, 4);
    assert_false(concurrency_limit_is_slow(l));
    assert_int_equal(concurrency_limit_try(l), CONCURRENCY_ENTERED);
    concurrency_limit_leave(l, true);
    concurrency_limit_close(l);
}

static void a_failure_lowers_the_limit_unless_others_succeed(void **state) {
    struct concurrency_limit *l = opened(1, 4);

    (void)state;
    assert_int_equal(concurrency_limit_try(l), CONCURRENCY_ENTERED);
    concurrency_limit_leave(l, false);
    assert_true(concurrency_limit_is_slow(l));
    assert_int_equal(concurrency_limit_try(l), CONCURRENCY_ENTERED);
    concurrency_limit_leave(l, true);
    assert_false(concurrency_limit_is_slow(l));
    assert_int_equal(concurrency_limit_try(l), CONCURRENCY_ENTERED);
    now_ms += SLOW_MS - 1;
    concurrency_limit_leave(l, false);
    assert_false(concurrency_limit_is_slow(l));
    now_ms += 1;
    assert_int_equal(concurrency_limit_try(l), CONCURRENCY_ENTERED);
    concurrency_limit_leave(l, false);
    assert_true(concurrency_limit_is_slow(l));
    concurrency_limit_close(l);
}

/* However long they take. */
static void a_fixed_limit_is_never_lowered(void **state) {
    const struct concurrency_options fixed = {.limit = 2, .slow_limit = 2};
    struct concurrency_limit *l = opened_with(&fixed);
    pid_t a = somebody_enters(2, 2, CONCURRENCY_ENTERED);

    (void)state;
    now_ms += SLOW_MS;
    assert_int_equal(concurrency_limit_try(l), CONCURRENCY_ENTERED);
    now_ms += SLOW_MS;
    ends(somebody_enters(2, 2, CONCURRENCY_SLOW));
    concurrency_limit_leave(l, true);
    assert_int_equal(concurrency_limit_try(l), CONCURRENCY_ENTERED);
    concurrency_limit_leave(l, true);
    ends(a); /* killed: it counts no longer */
    ends(somebody_enters(2, 2, CONCURRENCY_ENTERED));
    concurrency_limit_close(l);
}

static void without_a_limit_all_enter(void **state) {
    (void)state;
    assert_int_equal(concurrency_limit_try(NULL), CONCURRENCY_ENTERED);
    assert_int_equal(concurrency_limit_enter(NULL), OK);
    assert_false(concurrency_limit_is_slow(NULL));
    concurrency_limit_leave(NULL, true);
    concurrency_limit_close(NULL);
}

/* Reading of it beyond its end would end the process. */
static void a_file_that_is_cut_is_whole_again(void **state) {
    struct concurrency_limit *l = opened(1, 1);
    pid_t inside;

    (void)state;
    assert_int_equal(concurrency_limit_try(l), CONCURRENCY_ENTERED);
    assert_int_equal(truncate(path, 0), 0);
    concurrency_limit_leave(l, true);
    assert_int_equal(truncate(path, 0), 0);
    inside = somebody_enters(1, 1, CONCURRENCY_ENTERED);
    assert_int_equal(concurrency_limit_try(l), CONCURRENCY_FULL);
    ends(inside);
    concurrency_limit_close(l);
}

/* One goes on, the others wait for it, and no longer than until it is slow. */
static void alone_or_told_in_time(void **state) {
    const struct concurrency_options alone = concurrency_exclusive(8, SLOW_MS);
    struct concurrency_limit *l = opened_with(&alone);
    int64_t began_ms;
    pid_t pid;
    int ready[2];
    char c;

    (void)state;
    assert_int_equal(pipe(ready), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (!pid) {
        c = concurrency_limit_enter(opened_with(&alone)) == OK ? 'y' : 'n';
        (void)alarm(60);
        (void)!write(ready[1], &c, 1);
        for (;;)
            pause();
    }
    pid = has_said(pid, ready, 'y');
    began_ms = now_ms;
    assert_int_equal(concurrency_limit_enter(l), ERR_UPSTREAM);
    assert_in_range(now_ms - began_ms, SLOW_MS, SLOW_MS + 100);
    began_ms = now_ms;
    assert_int_equal(concurrency_limit_enter(l), ERR_UPSTREAM); /* it is known now */
    assert_int_equal(now_ms, began_ms);
    ends(pid);
    assert_int_equal(concurrency_limit_enter(l), OK);
    concurrency_limit_leave(l, true);
    assert_int_equal(concurrency_limit_enter(l), OK);
    concurrency_limit_leave(l, true);
    concurrency_limit_close(l);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, fresh, gone)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(most_at_once_while_all_is_well),
        CASE(a_failure_lowers_the_limit_unless_others_succeed),
        CASE(a_fixed_limit_is_never_lowered),
        CASE(without_a_limit_all_enter),
        CASE(few_while_somebody_waits_for_long),
        CASE(it_is_remembered_until_somebody_is_served_in_time),
        CASE(while_it_is_slow_a_quarter_waits_for_a_quarter),
        CASE(what_an_earlier_boot_left_does_not_count),
        CASE(a_file_that_is_cut_is_whole_again),
        CASE(alone_or_told_in_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
