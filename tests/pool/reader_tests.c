/* Readers that are slow, or do not read at all: no worker waits for them, and they get what is
 * theirs also when the daemon reloads or stops. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "daemon.h"

#define READERS 4
#define BIG_REPLY (1 << 20)
#define SOON_MS 5000 /* less than a worker waits for one of them */

/* Asks for more than a socket holds, and reads nothing yet. */
static int ask_for_much(const struct daemon *d) {
    struct wire w = {0};
    int fd = dial(d);

    assert_true(fd >= 0);
    wire_request(&w, "GET", "/big", NULL, 0);
    assert_true(wire_send(fd, w.p, w.len));
    wire_free(&w);
    return fd;
}

static void gets_all(int fd) {
    struct wire_reply r = {0};

    wire_read(fd, &r, PATIENCE_MS);
    assert_true(wire_whole(&r));
    assert_int_equal(r.body_len, BIG_REPLY);
    wire_reply_free(&r);
    close(fd);
}

static void one_worker(struct daemon *d, int readers[READERS]) {
    daemon_start(d, "WORKERS_MIN=1\nWORKERS_MAX=1\n");
    for (int i = 0; i < READERS; i++)
        readers[i] = ask_for_much(d);
}

static void no_worker_waits_for_them(void **state) {
    struct daemon *d = *state;
    int readers[READERS];
    int64_t began = wire_now_ms();

    one_worker(d, readers);
    assert_true(asks_fine(d, "/echo"));
    assert_true(wire_now_ms() - began < SOON_MS);
    for (int i = 0; i < READERS; i++)
        gets_all(readers[i]);
    kill(d->pid, SIGTERM);
    assert_int_equal(daemon_wait(d), 0);
    assert_int_equal(log_count(d, "event=reply_lost"), 0);
}

static void those_who_go_away_are_forgotten(void **state) {
    struct daemon *d = *state;
    int readers[READERS];

    one_worker(d, readers);
    assert_true(asks_fine(d, "/echo")); /* after them: they are all given away */
    for (int i = 0; i < READERS; i++)
        close(readers[i]);
    assert_true(log_wait(d, "event=reply_lost", READERS));
    assert_true(asks_fine(d, "/echo"));
    kill(d->pid, SIGTERM);
    assert_int_equal(daemon_wait(d), 0);
}

static void a_reload_and_the_end_wait_for_them(void **state) {
    struct daemon *d = *state;
    int readers[READERS];

    one_worker(d, readers);
    assert_true(asks_fine(d, "/echo"));
    kill(d->pid, SIGHUP);
    assert_true(log_wait(d, "event=reload_ok", 1));
    assert_true(asks_fine(d, "/echo"));
    gets_all(readers[0]);
    kill(d->pid, SIGTERM);
    assert_true(log_wait(d, "event=stopping", 1));
    assert_true(log_wait(d, "event=worker_exited", 2));
    assert_int_equal(log_count(d, "event=stopped"), 0);
    for (int i = 1; i < READERS; i++)
        gets_all(readers[i]);
    assert_int_equal(daemon_wait(d), 0);
    assert_int_equal(log_count(d, "event=reply_lost"), 0);
    assert_int_equal(log_count(d, "event=worker_killed"), 0);
}

static void they_are_answered_though_the_master_was_killed(void **state) {
    struct daemon *d = *state;
    int readers[READERS];

    one_worker(d, readers);
    assert_true(asks_fine(d, "/echo"));
    kill(d->pid, SIGKILL);
    assert_true(WIFSIGNALED(daemon_wait(d)));
    for (int i = 0; i < READERS; i++)
        gets_all(readers[i]);
    assert_int_equal(log_count(d, "event=reply_lost"), 0);
}

int run_reader_tests(void) {
    const struct CMUnitTest tests[] = {
        TEST(no_worker_waits_for_them),
        TEST(those_who_go_away_are_forgotten),
        TEST(a_reload_and_the_end_wait_for_them),
        TEST(they_are_answered_though_the_master_was_killed),
    };

    return cmocka_run_group_tests_name("readers", tests, NULL, NULL);
}
