/* The process pool when processes hang, crash, or are killed, the master too: a real daemon with a
 * toy application (stub_app.c), real sockets, real signals. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "daemon.h"

/* A file in the daemon's folder, by which the test says how workers are to start. */
struct order {
    char path[128], lines[400];
};

static void order_init(struct order *o, const struct daemon *d, const char *what,
                       const char *lines) {
    (void)snprintf(o->path, sizeof o->path, "%s/%s", d->dir, what);
    (void)snprintf(o->lines, sizeof o->lines, "TOOLS_DIR=%s\n%s", o->path, lines);
}

static void make_file(const char *path) {
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    close(fd);
}

/* --- Workers that do not come up ----------------------------------------------------------- */

static void worker_that_hangs_in_its_start_is_replaced(void **state) {
    struct daemon *d = *state;
    pid_t pids[KIDS_MAX];
    struct order hang;

    order_init(&hang, d, "hang-start", "WORKERS_MIN=1\nWORKERS_MAX=1\n");
    daemon_start(d, hang.lines);
    make_file(hang.path);
    assert_int_equal(kids(d, pids), 1);
    kill(pids[0], SIGKILL);
    assert_true(log_wait(d, "level=error event=worker_start_failed in time", 1));
    assert_true(log_wait(d, "event=worker_exited signal=SIGKILL", 2));
    unlink(hang.path);
    assert_true(asks_fine(d, "/echo"));
    assert_stops(d, SIGTERM);
}

static void reload_whose_workers_hang_is_refused(void **state) {
    struct daemon *d = *state;
    pid_t before[KIDS_MAX], after[KIDS_MAX];

    daemon_start(d, "WORKERS_MIN=1\nWORKERS_MAX=1\n");
    assert_int_equal(kids(d, before), 1);
    daemon_write(d, "TOOLS_DIR=hang-start\nWORKERS_MIN=3\n");
    kill(d->pid, SIGHUP);
    assert_true(log_wait(d, "level=error event=reload_failed time", 1));
    assert_true(kids_wait(d, 1, 1)); /* those that hung are gone */
    assert_int_equal(kids(d, after), 1);
    assert_int_equal(before[0], after[0]);
    assert_true(asks_fine(d, "/echo"));
    daemon_write(d, "WORKERS_MIN=2\nWORKERS_MAX=2\n");
    kill(d->pid, SIGHUP);
    assert_true(log_wait(d, "event=reload_ok", 1));
    assert_true(asks_fine(d, "/echo"));
    assert_stops(d, SIGTERM);
}

/* Far sooner than workers that answer somebody are killed. */
static void term_ends_workers_that_hang_in_their_start(void **state) {
    struct daemon *d = *state;

    daemon_write(d, "TOOLS_DIR=hang-start\nWORKERS_MIN=2\n");
    daemon_spawn(d);
    assert_true(log_wait(d, "event=started", 1));
    assert_true(kids_wait(d, 2, 2));
    assert_stops(d, SIGTERM);
    assert_int_equal(log_count(d, "event=workers_killed"), 0);
    assert_int_equal(log_count(d, "event=worker_exited signal=SIGKILL"), 2);
}

/* --- When the next worker is started ------------------------------------------------------- */

static void failing_starts_back_off(void **state) {
    struct daemon *d = *state;
    pid_t pids[KIDS_MAX];
    struct order fail;

    order_init(&fail, d, "bad-start", "WORKERS_MIN=1\nWORKERS_MAX=1\n");
    daemon_start(d, fail.lines);
    make_file(fail.path);
    assert_int_equal(kids(d, pids), 1);
    kill(pids[0], SIGKILL);
    for (int ms = 25; ms <= 400; ms *= 2) {
        char words[64];

        (void)snprintf(words, sizeof words, "event=respawn_delayed ms=%d", ms);
        assert_true(log_wait(d, words, 1));
    }
    unlink(fail.path);
    assert_true(asks_fine(d, "/echo"));
    assert_int_equal(log_count(d, "event=no_worker_started"), 0);
    /* All is forgotten as soon as one has come up. */
    make_file(fail.path);
    assert_int_equal(kids(d, pids), 1);
    kill(pids[0], SIGKILL);
    assert_true(log_wait(d, "event=respawn_delayed ms=25", 2));
    unlink(fail.path);
    assert_stops(d, SIGTERM);
}

static void crashes_of_those_that_came_up_delay_nobody(void **state) {
    struct daemon *d = *state;
    struct wire_reply r;

    daemon_start(d, "WORKERS_MIN=1\nWORKERS_MAX=1\n");
    for (int i = 0; i < 10; i++) {
        (void)ask(d, "/crash", "", 0, &r);
        wire_reply_free(&r);
    }
    assert_true(asks_fine(d, "/echo"));
    assert_int_equal(log_count(d, "event=worker_exited signal=SIGABRT"), 10);
    assert_int_equal(log_count(d, "event=respawn_delayed"), 0);
    assert_stops(d, SIGTERM);
}

/* As the system does that is short of memory, and as one who tries how much it takes. Also while
 * they start. */
static void killing_them_again_and_again_delays_nobody(void **state) {
    struct daemon *d = *state;
    pid_t pids[KIDS_MAX];

    daemon_start(d, "WORKERS_MIN=3\nWORKERS_MAX=3\n");
    for (int i = 0; i < 12; i++) {
        int n;

        assert_true(kids_wait(d, 3, 3));
        n = kids(d, pids);
        for (int k = 0; k < n; k++)
            kill(pids[k], SIGKILL);
        for (int k = 0; k < n; k++)
            assert_true(gone_wait(pids[k]));
    }
    assert_true(asks_fine(d, "/echo"));
    assert_int_equal(log_count(d, "event=respawn_delayed"), 0);
    assert_int_equal(log_count(d, "event=no_worker_started"), 0);
    assert_stops(d, SIGTERM);
}

/* Nor is a daemon given up whose workers somebody kills before any has come up. */
static void killing_them_in_their_start_is_no_fault_of_theirs(void **state) {
    struct daemon *d = *state;
    pid_t pids[KIDS_MAX];
    struct order hang;

    order_init(&hang, d, "hang-start", "WORKERS_MIN=1\nWORKERS_MAX=1\n");
    make_file(hang.path);
    daemon_write(d, hang.lines);
    daemon_spawn(d);
    for (int i = 0; i < 10; i++) {
        assert_true(kids_wait(d, 1, 1));
        if (kids(d, pids) == 1) {
            kill(pids[0], SIGKILL);
            assert_true(gone_wait(pids[0]));
        }
    }
    unlink(hang.path);
    assert_true(kids_wait(d, 1, 1));
    if (kids(d, pids) == 1 && log_count(d, "event=ready") == 0)
        kill(pids[0], SIGKILL); /* one that still hangs */
    assert_true(log_wait(d, "event=ready", 1));
    assert_true(asks_fine(d, "/echo"));
    assert_int_equal(log_count(d, "event=no_worker_started"), 0);
    assert_stops(d, SIGTERM);
}

/* --- A master that is killed --------------------------------------------------------------- */

/* A request that its worker answers when a file is there. */
struct slow {
    int fd;
    pid_t worker;
    char path[128];
};

static struct slow slow_begin(const struct daemon *d) {
    int64_t until = wire_now_ms() + PATIENCE_MS;
    pid_t pids[KIDS_MAX];
    struct slow s;
    struct wire w = {0};
    char uri[160];

    (void)snprintf(s.path, sizeof s.path, "%s/answer", d->dir);
    (void)snprintf(uri, sizeof uri, "/wait?%s", s.path);
    assert_int_equal(kids(d, pids), 1);
    s.worker = pids[0];
    wire_request(&w, "POST", uri, "slow", 4);
    assert_true((s.fd = dial(d)) >= 0);
    assert_true(wire_send(s.fd, w.p, w.len));
    wire_free(&w);
    (void)snprintf(uri, sizeof uri, "%s.begun", s.path);
    while (access(uri, F_OK)) {
        assert_true(wire_now_ms() < until);
        usleep(5000);
    }
    return s;
}

static void slow_is_answered(const struct slow *s) {
    struct wire_reply r;

    make_file(s->path);
    wire_read(s->fd, &r, PATIENCE_MS);
    assert_true(wire_whole(&r));
    assert_string_equal(r.body, "slow");
    wire_reply_free(&r);
    close(s->fd);
    unlink(s->path);
    assert_true(gone_wait(s->worker));
}

static bool is_unanswered(const struct slow *s) {
    char c;

    return recv(s->fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

static bool is_refused(const struct daemon *d) {
    int64_t until = wire_now_ms() + PATIENCE_MS;
    int fd;

    while ((fd = dial(d)) >= 0 && wire_now_ms() < until)
        close(fd);
    return fd < 0;
}

static void kill_master(struct daemon *d) {
    kill(d->pid, SIGKILL);
    assert_true(daemon_wait(d) > 0);
}

/* A free port of the loopback. */
static int free_port(void) {
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof sa;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
    close(fd);
    return ntohs(sa.sin_port);
}

/* The worker is busy, but it keeps neither clients waiting nor the next daemon from its addresses.
 */
static void the_next_daemon_has_the_address(struct daemon *d) {
    char lines[128];
    struct slow s;

    (void)snprintf(lines, sizeof lines,
                   "WORKERS_MIN=1\nWORKERS_MAX=1\nMETRICS_LISTEN=127.0.0.1:%d\n", free_port());
    daemon_start(d, lines);
    s = slow_begin(d);
    kill_master(d);
    assert_true(is_refused(d));
    daemon_spawn(d);
    assert_true(log_wait(d, "event=ready", 2));
    assert_true(asks_fine(d, "/echo"));
    assert_true(is_unanswered(&s));
    slow_is_answered(&s);
    kill(d->pid, SIGTERM);
    assert_int_equal(daemon_wait(d), 0);
}

static void killed_master_on_a_socket(void **state) {
    the_next_daemon_has_the_address(*state);
}

static void killed_master_on_a_port(void **state) {
    struct daemon *d = *state;

    (void)snprintf(d->listen, sizeof d->listen, "127.0.0.1:%d", free_port());
    the_next_daemon_has_the_address(d);
}

/* With systemd's socket what waits is answered by the next daemon. */
static void killed_master_of_an_activated_daemon(void **state) {
    struct daemon *d = *state;
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    struct wire w = {0};
    struct wire_reply r;
    struct slow s;
    int fd;

    d->fd3 = socket(AF_UNIX, SOCK_STREAM, 0);
    (void)snprintf(sa.sun_path, sizeof sa.sun_path, "%s", d->sock);
    assert_int_equal(bind(d->fd3, (struct sockaddr *)&sa, sizeof sa), 0);
    assert_int_equal(listen(d->fd3, 64), 0);
    daemon_start(d, "WORKERS_MIN=1\nWORKERS_MAX=1\n");
    s = slow_begin(d);
    wire_request(&w, "POST", "/echo", "waits", 5);
    assert_true((fd = dial(d)) >= 0);
    assert_true(wire_send(fd, w.p, w.len));
    kill_master(d);
    daemon_spawn(d);
    wire_read(fd, &r, PATIENCE_MS);
    assert_true(wire_whole(&r));
    assert_string_equal(r.body, "waits");
    assert_true(is_unanswered(&s));
    slow_is_answered(&s);
    assert_true(asks_fine(d, "/echo"));
    wire_reply_free(&r);
    wire_free(&w);
    close(fd);
    kill(d->pid, SIGTERM);
    assert_int_equal(daemon_wait(d), 0);
}

/* --- What programs leave behind ------------------------------------------------------------ */

/* A worker that runs a program; *fd is its connection. */
static void program_begin(struct daemon *d, const char *lines, int *fd, pid_t pids[2]) {
    int64_t until = wire_now_ms() + PATIENCE_MS;
    char path[128], uri[160];
    struct wire w = {0};

    (void)snprintf(path, sizeof path, "%s/pids", d->dir);
    (void)snprintf(uri, sizeof uri, "/program?%s", path);
    daemon_start(d, lines);
    wire_request(&w, "POST", uri, "", 0);
    assert_true((*fd = dial(d)) >= 0);
    assert_true(wire_send(*fd, w.p, w.len));
    wire_free(&w);
    for (int n = 0; n < 2;) {
        FILE *f = fopen(path, "r");

        assert_true(wire_now_ms() < until);
        for (n = 0; f && n < 2 && fscanf(f, "%d\n", &pids[n]) == 1;)
            n++;
        if (f)
            (void)fclose(f);
        usleep(5000);
    }
    unlink(path);
}

static void programs_end_with_a_worker_that_is_killed(void **state) {
    struct daemon *d = *state;
    pid_t pids[2], workers[KIDS_MAX];
    int fd;

    program_begin(d, "WORKERS_MIN=1\nWORKERS_MAX=1\n", &fd, pids);
    assert_int_equal(kids(d, workers), 1);
    kill(workers[0], SIGKILL);
    assert_true(gone_wait(pids[0]));
    assert_true(gone_wait(pids[1]));
    assert_true(asks_fine(d, "/echo"));
    close(fd);
    assert_stops(d, SIGTERM);
}

static void programs_end_with_the_daemon(void **state) {
    struct daemon *d = *state;
    pid_t pids[2];
    int fd;

    program_begin(d, "WORKERS_MIN=1\nWORKERS_MAX=1\n", &fd, pids);
    kill(d->pid, SIGTERM);
    assert_true(log_wait(d, "event=stopping", 1));
    kill(d->pid, SIGTERM);
    assert_int_equal(daemon_wait(d), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(kill(pids[i], 0), -1); /* before the daemon itself */
    close(fd);
}

/* --- Other processes that hang ------------------------------------------------------------- */

static void hanging_processes_are_replaced(void **state) {
    static const char *const names[] = {"mcp-streams", "mcp-metrics"};
    struct daemon *d = *state;
    char lines[400];
    pid_t old[2];

    (void)snprintf(lines, sizeof lines, "STATUS_FILE=%s/status\nMETRICS_LISTEN=127.0.0.1:%d\n",
                   d->dir, free_port());
    daemon_start(d, lines);
    for (int i = 0; i < 2; i++) {
        assert_true((old[i] = kid_named(d, names[i])) > 0);
        kill(old[i], SIGSTOP);
    }
    assert_true(log_wait(d, "level=error event=process_stuck", 2));
    for (int i = 0; i < 2; i++) {
        assert_true(gone_wait(old[i]));
        assert_true(kid_named(d, names[i]) > 0);
    }
    assert_true(asks_fine(d, "/echo"));
    assert_int_equal(log_count(d, "event=process_stuck"), 2);
    assert_stops(d, SIGTERM);
}

static void worker_that_is_stopped_is_replaced(void **state) {
    struct daemon *d = *state;
    pid_t pids[KIDS_MAX];

    daemon_start(d, "WORKERS_MIN=1\nWORKERS_MAX=1\n");
    assert_int_equal(kids(d, pids), 1);
    kill(pids[0], SIGSTOP);
    assert_true(asks_fine(d, "/echo")); /* it was idle */
    assert_true(gone_wait(pids[0]));
    assert_int_equal(log_count(d, "level=error event=worker_stuck stopped"), 1);
    assert_stops(d, SIGTERM);
}

static void term_ends_a_daemon_whose_processes_hang(void **state) {
    struct daemon *d = *state;
    char lines[128];

    (void)snprintf(lines, sizeof lines, "METRICS_LISTEN=127.0.0.1:%d\n", free_port());
    daemon_start(d, lines);
    kill(kid_named(d, "mcp-streams"), SIGSTOP);
    kill(kid_named(d, "mcp-metrics"), SIGSTOP);
    assert_stops(d, SIGTERM);
    assert_int_equal(log_count(d, "event=workers_killed"), 0);
}

int run_faults_tests(void) {
    const struct CMUnitTest tests[] = {
        TEST(worker_that_hangs_in_its_start_is_replaced),
        TEST(reload_whose_workers_hang_is_refused),
        TEST(term_ends_workers_that_hang_in_their_start),
        TEST(failing_starts_back_off),
        TEST(crashes_of_those_that_came_up_delay_nobody),
        TEST(killing_them_again_and_again_delays_nobody),
        TEST(killing_them_in_their_start_is_no_fault_of_theirs),
        TEST(killed_master_on_a_socket),
        TEST(killed_master_on_a_port),
        TEST(killed_master_of_an_activated_daemon),
        TEST(programs_end_with_a_worker_that_is_killed),
        TEST(programs_end_with_the_daemon),
        TEST(hanging_processes_are_replaced),
        TEST(worker_that_is_stopped_is_replaced),
        TEST(term_ends_a_daemon_whose_processes_hang),
    };

    return cmocka_run_group_tests_name("faults", tests, NULL, NULL);
}
