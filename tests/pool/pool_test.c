/* The process pool, from outside: a real daemon with a toy application (stub_app.c), real sockets,
 * real signals.   pool_test STUB_DAEMON [PATTERN] */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "daemon.h"

#define BIG_REPLY (1 << 20)

int setup(void **state) {
    struct daemon *d = malloc(sizeof *d);

    if (!d)
        return -1;
    daemon_init(d);
    *state = d;
    return 0;
}

/* A build with sanitizers reports in the daemon's log. */
int teardown(void **state) {
    struct daemon *d = *state;
    int reports = log_count(d, "Sanitizer") + log_count(d, "runtime error");

    if (reports)
        log_show(d);
    daemon_clean(d);
    free(d);
    return reports ? -1 : 0;
}

void assert_stops(struct daemon *d, int signo) {
    struct stat st;

    kill(d->pid, signo);
    assert_int_equal(daemon_wait(d), 0);
    assert_int_equal(log_count(d, "event=stopping"), 1);
    assert_int_equal(log_count(d, "event=stopped status=0"), 1);
    assert_int_equal(log_count(d, "event=worker_killed"), 0);
    assert_int_equal(lstat(d->sock, &st), -1);
}

/* --- Serving ------------------------------------------------------------------------------- */

static void serves_and_stops(void **state) {
    struct daemon *d = *state;
    struct wire_reply r;
    struct stat st;

    daemon_start(d, "WORKERS_MIN=2\nWORKERS_MAX=2\n");
    assert_int_equal(stat(d->sock, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0660);
    assert_int_equal(log_count(d, "event=started workers_min=2"), 1);
    assert_true(kids_wait(d, 2, 2));
    assert_true(ask(d, "/echo", "hello", 5, &r));
    assert_int_equal(r.status, 200);
    assert_string_equal(r.body, "hello");
    wire_reply_free(&r);
    assert_true(ask(d, "/big", "", 0, &r));
    assert_int_equal(r.body_len, BIG_REPLY);
    wire_reply_free(&r);
    assert_stops(d, SIGTERM);
    assert_int_equal(log_count(d, "event=worker_exited status=0"), 2);
}

/* Another process of the same user, such as a tool, cannot read a worker's keys. */
static void workers_are_not_dumpable(void **state) {
    struct daemon *d = *state;
    struct wire_reply r;

    daemon_start(d, "");
    assert_true(ask(d, "/dumpable", "", 0, &r));
#ifndef WITH_SANITIZERS
    assert_string_equal(r.body, "0");
#endif
    wire_reply_free(&r);
    assert_stops(d, SIGTERM);
}

static void int_stops_too(void **state) {
    daemon_start(*state, "");
    assert_stops(*state, SIGINT);
}

static void body_over_the_limit(void **state) {
    struct daemon *d = *state;
    char *body = calloc(1, 200000);
    struct wire_reply r;

    assert_non_null(body);
    daemon_start(d, "MAX_BODY_BYTES=100000\n");
    assert_true(ask(d, "/echo", body, 200000, &r));
    assert_int_equal(r.status, 413);
    wire_reply_free(&r);
    assert_true(ask(d, "/echo", body, 100000, &r));
    assert_int_equal(r.status, 200);
    wire_reply_free(&r);
    free(body);
}

static void usr1_is_nothing(void **state) {
    struct daemon *d = *state;

    daemon_start(d, "");
    kill(d->pid, SIGUSR1);
    kill(d->pid, SIGUSR2);
    assert_true(asks_fine(d, "/echo"));
    assert_stops(d, SIGTERM);
}

static void silent_connection_does_not_block_others(void **state) {
    struct daemon *d = *state;
    int silent[3];

    daemon_start(d, "WORKERS_MIN=1\nWORKERS_MAX=4\n");
    for (int i = 0; i < 3; i++)
        assert_true((silent[i] = dial(d)) >= 0);
    for (int i = 0; i < 20; i++)
        assert_true(asks_fine(d, "/echo"));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(write(silent[i], "\1", 1), 1);
        close(silent[i]);
    }
    assert_true(log_wait(d, "event=connection_dropped closed", 3));
    assert_stops(d, SIGTERM);
}

/* Whoever asks only whether somebody listens is not worth a line. */
static void a_connection_without_a_byte_is_not_logged(void **state) {
    struct daemon *d = *state;
    int fd;

    daemon_start(d, "WORKERS_MIN=1\nWORKERS_MAX=1\n");
    assert_true((fd = dial(d)) >= 0);
    close(fd);
    assert_true((fd = dial(d)) >= 0); /* after the first, since there is one worker */
    assert_int_equal(write(fd, "\1", 1), 1);
    close(fd);
    assert_true(log_wait(d, "event=connection_dropped closed", 1));
    assert_stops(d, SIGTERM);
    assert_int_equal(log_count(d, "event=connection_dropped"), 1);
}

static void worker_leaves_after_its_requests(void **state) {
    struct daemon *d = *state;
    struct load *l;

    daemon_start(d, "WORKERS_MIN=2\nWORKERS_MAX=2\nWORKER_MAX_REQUESTS=10\n");
    l = load_start(d, 3, "/echo");
    assert_true(load_reaches(l, 100));
    load_end(l);
    assert_int_equal(l->failed + l->refused, 0);
    load_free(l);
    assert_true(log_wait(d, "event=worker_exited status=0 requests=10", 5));
    assert_true(kids_wait(d, 2, 2));
    assert_int_equal(log_count(d, "event=respawn_delayed"), 0);
}

/* --- Size ---------------------------------------------------------------------------------- */

static void grows_under_load_and_shrinks(void **state) {
    struct daemon *d = *state;
    struct load *l;
    int n;

    daemon_start(d, "WORKERS_MIN=1\nWORKERS_MAX=5\n");
    l = load_start(d, 8, "/slow?ms=50");
    assert_true(kids_wait(d, 5, 5));
    assert_true(load_reaches(l, 100));
    assert_true(kids_wait(d, 5, 5));
    load_end(l);
    assert_int_equal(l->failed + l->refused, 0);
    load_free(l);
    assert_true(kids_wait(d, 1, 1));
    assert_true(asks_fine(d, "/echo"));
    assert_stops(d, SIGTERM);
    /* Said once, and once more for each time that one of the five left for want of work, as when
     * the clients had no turn: the five leave at the end, and those were more. */
    n = log_count(d, "event=workers_max_reached workers=5");
    assert_in_range(n, 1, 1 + log_count(d, "event=worker_exited") - 5);
}

/* --- Deaths -------------------------------------------------------------------------------- */

static void killed_worker_under_load(void **state) {
    struct daemon *d = *state;
    pid_t pids[KIDS_MAX];
    struct load *l;

    daemon_start(d, "WORKERS_MIN=3\nWORKERS_MAX=3\n");
    l = load_start(d, 6, "/slow?ms=2");
    for (int i = 1; i <= 3; i++) {
        int before = l->answered;

        assert_true(kids_wait(d, 3, 3));
        assert_int_equal(kids(d, pids), 3);
        kill(pids[0], SIGKILL);
        assert_true(log_wait(d, "event=worker_exited signal=SIGKILL lifetime_ms= requests=", i));
        assert_true(load_reaches(l, before + 50));
    }
    assert_true(kids_wait(d, 3, 3));
    load_end(l);
    /* Nothing but what was in the hands of the three. */
    assert_true(l->failed <= 3);
    assert_int_equal(l->refused, 0);
    load_free(l);
    assert_stops(d, SIGTERM);
}

static void crash_is_replaced(void **state) {
    struct daemon *d = *state;
    struct wire_reply r;

    daemon_start(d, "WORKERS_MIN=1\nWORKERS_MAX=1\n");
    assert_false(ask(d, "/crash", "", 0, &r));
    assert_true(r.closed);
    wire_reply_free(&r);
    assert_true(asks_fine(d, "/echo")); /* waits in the queue until there is a worker */
    assert_int_equal(log_count(d, "event=worker_exited signal=SIGABRT"), 1);
}

static void never_ready(struct daemon *d, const char *why) {
    int deaths, status;

    daemon_write(d, why);
    daemon_spawn(d);
    status = daemon_wait(d);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 1);
    assert_int_equal(log_count(d, "event=no_worker_started"), 1);
    deaths = log_count(d, "event=worker_exited");
    assert_in_range(deaths, 8, 10);
    assert_int_equal(log_count(d, "event=ready"), 0);
}

static void gives_up_if_none_ever_starts(void **state) {
    struct daemon *d = *state;

    never_ready(d, "TOOLS_DIR=bad-start\nWORKERS_MIN=2\n");
    assert_true(log_count(d, "event=worker_start_failed told") >= 8);
    assert_true(log_count(d, "event=worker_exited status=3") >= 8);
}

static void gives_up_if_all_crash_at_start(void **state) {
    never_ready(*state, "TOOLS_DIR=crash-start\nWORKERS_MIN=2\n");
}

static void stuck_worker_is_killed(void **state) {
    struct daemon *d = *state;
    struct wire_reply r;

    daemon_start(d, "WORKERS_MIN=1\nWORKERS_MAX=1\n");
    assert_false(ask(d, "/hang", "", 0, &r));
    wire_reply_free(&r);
    assert_true(asks_fine(d, "/echo"));
    assert_int_equal(log_count(d, "event=worker_stuck"), 1);
    assert_int_equal(log_count(d, "event=worker_killed"), 1);
    assert_true(log_wait(d, "event=worker_exited signal=SIGKILL", 1));
}

static void a_request_has_a_limit_of_its_own(void **state) {
    struct daemon *d = *state;
    struct wire_reply r;

    daemon_start(d, "TOOLS_DIR=patient\nWORKERS_MIN=1\nWORKERS_MAX=1\n");
    assert_false(ask(d, "/hang-short", "", 0, &r));
    wire_reply_free(&r);
    assert_int_equal(log_count(d, "event=worker_stuck"), 1);
    assert_true(asks_fine(d, "/echo"));
}

static void workers_do_not_outlive_the_master(void **state) {
    struct daemon *d = *state;
    pid_t pids[KIDS_MAX];
    int n;

    daemon_start(d, "WORKERS_MIN=3\n");
    assert_true(kids_wait(d, 3, 3));
    n = kids(d, pids);
    kill(d->pid, SIGKILL);
    assert_true(daemon_wait(d) > 0);
    for (int i = 0; i < n; i++)
        assert_true(gone_wait(pids[i]));
}

/* --- Stopping ------------------------------------------------------------------------------ */

static void term_under_load(void **state) {
    struct daemon *d = *state;
    struct load *l;

    daemon_start(d, "WORKERS_MIN=2\nWORKERS_MAX=2\n");
    l = load_start(d, 30, "/slow?ms=10"); /* far more than workers: the queue is never empty */
    assert_true(load_reaches(l, 60));
    assert_stops(d, SIGTERM);
    assert_true(load_is_refused(l, 30)); /* every client was told cleanly, in the end */
    load_end(l);
    assert_int_equal(l->failed, 0);
    load_free(l);
}

static void term_answers_the_queue(void **state) {
    struct daemon *d = *state;
    struct wire_reply r;
    struct wire w = {0};
    int fds[8];

    daemon_start(d, "WORKERS_MIN=1\nWORKERS_MAX=1\n");
    for (int i = 0; i < 8; i++) {
        wire_free(&w);
        wire_request(&w, "POST", i ? "/echo" : "/slow?ms=500", "queued", 6);
        assert_true((fds[i] = dial(d)) >= 0);
        assert_true(wire_send(fds[i], w.p, w.len));
    }
    assert_true(unread_wait(fds[0]));
    assert_stops(d, SIGTERM);
    for (int i = 0; i < 8; i++) {
        wire_read(fds[i], &r, PATIENCE_MS);
        assert_true(wire_whole(&r));
        assert_string_equal(r.body, "queued");
        wire_reply_free(&r);
        close(fds[i]);
    }
    wire_free(&w);
}

static void term_in_the_middle_of_a_body(void **state) {
    struct daemon *d = *state;
    struct wire_reply r;
    struct wire w = {0};
    size_t half;
    int fd, kept;

    daemon_start(d, "WORKERS_MIN=1\nWORKERS_MAX=1\n");
    kept = open(d->sock, O_PATH | O_CLOEXEC);
    wire_request(&w, "POST", "/echo", "0123456789", 10);
    half = w.len - 8 - 6 - 5; /* end of stream, padding, five bytes of the body */
    assert_true((fd = dial(d)) >= 0);
    assert_true(wire_send(fd, w.p, half));
    assert_true(unread_wait(fd));
    kill(d->pid, SIGTERM);
    assert_true(log_wait(d, "event=stopping", 1));
    /* Nobody new, not even one who found the path just before it went away. */
    assert_int_equal(dial(d), -1);
    assert_int_equal(errno, ENOENT);
    (void)snprintf(d->listen, sizeof d->listen, "/proc/self/fd/%d", kept);
    assert_int_equal(dial(d), -1);
    assert_int_equal(errno, ECONNREFUSED);
    close(kept);
    assert_true(wire_send(fd, w.p + half, w.len - half));
    wire_read(fd, &r, PATIENCE_MS);
    assert_true(wire_whole(&r));
    assert_string_equal(r.body, "0123456789");
    assert_int_equal(daemon_wait(d), 0);
    close(fd);
    wire_reply_free(&r);
    wire_free(&w);
}

static void second_term_means_now(void **state) {
    struct daemon *d = *state;
    struct wire w = {0};
    int fd;

    daemon_start(d, "WORKERS_MIN=1\nWORKERS_MAX=1\n");
    wire_request(&w, "POST", "/slow?ms=60000", "", 0);
    assert_true((fd = dial(d)) >= 0);
    assert_true(wire_send(fd, w.p, w.len));
    assert_true(unread_wait(fd));
    kill(d->pid, SIGTERM);
    assert_true(log_wait(d, "event=stopping", 1));
    kill(d->pid, SIGTERM);
    assert_int_equal(daemon_wait(d), 0);
    assert_int_equal(log_count(d, "event=workers_killed second"), 1);
    close(fd);
    wire_free(&w);
}

/* A worker told to leave does so between requests, even if there is always another one waiting. */
static void worker_told_to_leave_under_load(void **state) {
    struct daemon *d = *state;
    pid_t pids[KIDS_MAX];
    struct load *l;

    daemon_start(d, "WORKERS_MIN=1\nWORKERS_MAX=1\n");
    l = load_start(d, 20, "/slow?ms=5");
    assert_true(load_reaches(l, 20));
    assert_int_equal(kids(d, pids), 1);
    kill(pids[0], SIGQUIT);
    assert_true(log_wait(d, "event=worker_exited status=0", 1));
    assert_true(load_reaches(l, l->answered + 20));
    load_end(l);
    assert_int_equal(l->failed + l->refused, 0);
    load_free(l);
}

/* --- Reloading ----------------------------------------------------------------------------- */

static void reload_is_refused(struct daemon *d, const char *lines, const char *why) {
    pid_t before[KIDS_MAX], after[KIDS_MAX];

    daemon_start(d, "WORKERS_MIN=1\nWORKERS_MAX=1\n");
    assert_int_equal(kids(d, before), 1);
    daemon_write(d, lines);
    kill(d->pid, SIGHUP);
    assert_true(log_wait(d, why, 1));
    assert_true(asks_fine(d, "/echo"));
    assert_true(kids_wait(d, 1, 1));
    assert_int_equal(kids(d, after), 1);
    assert_int_equal(before[0], after[0]); /* it was never touched */
    assert_int_equal(log_count(d, "event=reload_ok"), 0);
    /* And a good one is still taken afterwards. */
    daemon_write(d, "WORKERS_MIN=1\nWORKERS_MAX=1\n");
    kill(d->pid, SIGHUP);
    assert_true(log_wait(d, "event=reload_ok", 1));
    assert_true(gone_wait(before[0]));
    assert_true(asks_fine(d, "/echo"));
    assert_stops(d, SIGTERM);
}

static void reload_of_a_broken_file(void **state) {
    reload_is_refused(*state, "WORKERS_MIN=many\n", "level=error event=reload_failed WORKERS_MIN");
}

static void reload_that_fails_the_check(void **state) {
    reload_is_refused(*state, "TOOLS_DIR=bad-check\n", "level=error event=reload_failed tools");
}

/* What no check can see: the workers of the new configuration do not come up. */
static void reload_whose_workers_do_not_start(void **state) {
    reload_is_refused(*state, "TOOLS_DIR=bad-start\n", "level=error event=reload_failed workers");
}

static void reload_under_load(void **state) {
    struct daemon *d = *state;
    pid_t before[KIDS_MAX];
    struct load *l;

    daemon_start(d, "WORKERS_MIN=2\nWORKERS_MAX=2\n");
    l = load_start(d, 10, "/slow?ms=3");
    for (int i = 1; i <= 3; i++) {
        int n, answered = l->answered;

        assert_true(kids_wait(d, 2, 2));
        n = kids(d, before);
        kill(d->pid, SIGHUP);
        assert_true(log_wait(d, "event=reload_ok", i));
        for (int k = 0; k < n; k++)
            assert_true(gone_wait(before[k]));
        assert_true(load_reaches(l, answered + 50));
    }
    load_end(l);
    assert_int_equal(l->failed + l->refused, 0);
    load_free(l);
    assert_stops(d, SIGTERM);
}

static void reload_changes_the_size_but_not_the_address(void **state) {
    struct daemon *d = *state;

    daemon_start(d, "WORKERS_MIN=1\nWORKERS_MAX=1\n");
    (void)snprintf(d->listen, sizeof d->listen, "%s/other", d->dir);
    daemon_write(d, "WORKERS_MIN=3\nWORKERS_MAX=3\n");
    (void)snprintf(d->listen, sizeof d->listen, "%s", d->sock);
    kill(d->pid, SIGHUP);
    assert_true(log_wait(d, "event=reload_ok", 1));
    assert_int_equal(log_count(d, "level=warn event=listen_unchanged"), 1);
    assert_true(kids_wait(d, 3, 3));
    assert_true(asks_fine(d, "/echo"));
    assert_stops(d, SIGTERM);
}

/* --- Listening ----------------------------------------------------------------------------- */

static void assert_refuses_to_start(struct daemon *d, const char *why) {
    int status;

    daemon_spawn(d);
    status = daemon_wait(d);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 1);
    assert_int_equal(log_count(d, why), 1);
}

static void live_socket_is_not_taken(void **state) {
    struct daemon *d = *state, second;

    daemon_start(d, "");
    daemon_init(&second);
    (void)snprintf(second.listen, sizeof second.listen, "%s", d->sock);
    daemon_write(&second, "");
    assert_refuses_to_start(&second, "level=error event=listen_failed answers");
    daemon_clean(&second);
    assert_true(asks_fine(d, "/echo"));
}

static void dead_socket_is_replaced(void **state) {
    struct daemon *d = *state;
    pid_t pids[KIDS_MAX];
    struct stat st;
    int n;

    daemon_start(d, "");
    n = kids(d, pids);
    kill(d->pid, SIGKILL);
    assert_true(daemon_wait(d) > 0);
    for (int i = 0; i < n; i++)
        assert_true(gone_wait(pids[i]));
    assert_int_equal(lstat(d->sock, &st), 0);
    daemon_spawn(d);
    assert_true(log_wait(d, "event=ready", 2));
    assert_true(asks_fine(d, "/echo"));
}

static void other_files_are_not_removed(void **state) {
    struct daemon *d = *state;
    struct stat st;
    FILE *f = fopen(d->sock, "w");

    assert_non_null(f);
    (void)fclose(f);
    daemon_write(d, "");
    assert_refuses_to_start(d, "level=error event=listen_failed socket");
    assert_int_equal(lstat(d->sock, &st), 0);
}

static void missing_folders_are_explained(void **state) {
    struct daemon *d = *state;

    (void)snprintf(d->listen, sizeof d->listen, "%s/none/sock", d->dir);
    daemon_write(d, "");
    assert_refuses_to_start(d, "level=error event=listen_failed LISTEN= make directory");
    unlink(d->log);
    (void)snprintf(d->listen, sizeof d->listen, "%s", d->sock);
    daemon_write(d, "METRICS_LISTEN=/none/metrics\n");
    assert_refuses_to_start(d, "level=error event=metrics_listen_failed METRICS_LISTEN= make");
}

static int listening(const char *path) {
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    (void)snprintf(sa.sun_path, sizeof sa.sun_path, "%s", path);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    assert_int_equal(listen(fd, 64), 0);
    return fd;
}

/* As lighttpd and spawn-fcgi start it. The socket stays theirs. */
static void inherited_as_descriptor_0(void **state) {
    struct daemon *d = *state;
    struct stat st;
    struct load *l;

    d->fd0 = listening(d->sock);
    daemon_start(d, "WORKERS_MIN=2\nWORKERS_MAX=2\n");
    assert_int_equal(log_count(d, "event=started listen=inherited"), 1);
    l = load_start(d, 4, "/slow?ms=2");
    assert_true(load_reaches(l, 50));
    load_end(l);
    assert_int_equal(l->failed + l->refused, 0);
    load_free(l);
    kill(d->pid, SIGTERM);
    assert_int_equal(daemon_wait(d), 0);
    assert_int_equal(lstat(d->sock, &st), 0);
    /* The next one goes on with it: what connects in between waits. */
    daemon_spawn(d);
    assert_true(asks_fine(d, "/echo"));
}

static void inherited_from_systemd(void **state) {
    struct daemon *d = *state;
    struct stat st;

    d->fd3 = listening(d->sock);
    daemon_start(d, "");
    assert_int_equal(log_count(d, "event=started listen=inherited"), 1);
    assert_true(asks_fine(d, "/echo"));
    kill(d->pid, SIGTERM);
    assert_int_equal(daemon_wait(d), 0);
    assert_int_equal(lstat(d->sock, &st), 0);
}

static void loopback_port(void **state) {
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof sa;
    struct daemon *d = *state;
    struct wire_reply r;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    /* A free port; SO_REUSEADDR of the daemon lets it follow at once. */
    assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
    close(fd);
    (void)snprintf(d->listen, sizeof d->listen, "127.0.0.1:%d", ntohs(sa.sin_port));
    daemon_start(d, "");
    assert_int_equal(log_count(d, "event=listen_not_loopback"), 0);
    assert_true(ask(d, "/big", "", 0, &r));
    assert_int_equal(r.body_len, BIG_REPLY);
    wire_reply_free(&r);
    assert_stops(d, SIGTERM);
}

/* ---- what systemd hears ---- */

/* A datagram socket in systemd's place. */
static int notify_socket(struct daemon *d, bool abstract) {
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    socklen_t len;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct timeval patience = {.tv_sec = PATIENCE_MS / 1000};

    (void)snprintf(d->notify, sizeof d->notify, abstract ? "@%s/n" : "%s/n", d->dir);
    (void)snprintf(sa.sun_path, sizeof sa.sun_path, "%s", d->notify);
    len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(d->notify) + !abstract);
    if (abstract)
        sa.sun_path[0] = 0;
    assert_int_equal(bind(fd, (struct sockaddr *)&sa, len), 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return fd;
}

/* Waits for a message with this line, and gives how many others came before it. */
static int heard(int fd, const char *line) {
    char text[600];
    ssize_t n;
    size_t len = strlen(line);

    for (int others = 0; (n = recv(fd, text, sizeof text - 1, 0)) >= 0 || errno == EINTR;
         others += n >= 0) {
        text[n > 0 ? n : 0] = 0;
        for (char *p = text; (p = strstr(p, line)); p++)
            if ((p == text || p[-1] == '\n') && (!p[len] || p[len] == '\n' || line[len - 1] == '='))
                return others;
    }
    fail_msg("nobody said %s", line);
    return -1;
}

static void systemd_hears(struct daemon *d, bool abstract) {
    int fd = notify_socket(d, abstract);

    daemon_start(d, "");
    assert_int_equal(heard(fd, "READY=1"), 0);
    kill(d->pid, SIGHUP);
    assert_int_equal(heard(fd, "RELOADING=1"), 0);
    assert_int_equal(heard(fd, "READY=1"), 0);
    daemon_write(d, "NO_SUCH_KEY=1\n");
    kill(d->pid, SIGHUP);
    assert_int_equal(heard(fd, "RELOADING=1"), 0);
    assert_int_equal(heard(fd, "STATUS=the last reload was refused: the configuration from before "
                               "it is in force"),
                     0);
    kill(d->pid, SIGTERM);
    assert_int_equal(heard(fd, "STOPPING=1"), 0);
    assert_int_equal(daemon_wait(d), 0);
    close(fd);
    unlink(d->notify);
}

static void systemd_is_told_by_path(void **state) {
    systemd_hears(*state, false);
}

static void systemd_is_told_by_abstract_name(void **state) {
    systemd_hears(*state, true);
}

static void the_watchdog_hears_signs_of_life(void **state) {
    struct daemon *d = *state;
    int fd = notify_socket(d, false);

    d->watchdog_ms = 200;
    daemon_start(d, "");
    for (int i = 0; i < 5; i++)
        (void)heard(fd, "WATCHDOG=1");
    /* A master that hangs says nothing. */
    kill(d->pid, SIGSTOP);
    assert_int_equal(waitpid(d->pid, NULL, WUNTRACED), d->pid);
    while (recv(fd, (char[600]){0}, 600, MSG_DONTWAIT) >= 0)
        ;
    usleep(400000);
    assert_int_equal(recv(fd, (char[600]){0}, 600, MSG_DONTWAIT), -1);
    kill(d->pid, SIGCONT);
    (void)heard(fd, "WATCHDOG=1");
    assert_stops(d, SIGTERM);
    close(fd);
    unlink(d->notify);
}

/* ---- a restart with a socket that stays ---- */

static void restart_of_an_activated_daemon_refuses_nobody(void **state) {
    struct daemon *d = *state;
    struct load *load;
    int before;

    d->fd3 = listening(d->sock);
    daemon_start(d, "WORKERS_MIN=2\nWORKERS_MAX=2\n");
    load = load_start(d, 8, "/slow?ms=5");
    assert_true(load_reaches(load, 20));
    for (int i = 0; i < 3; i++) {
        kill(d->pid, SIGTERM);
        assert_int_equal(daemon_wait(d), 0);
        before = load->answered;
        daemon_spawn(d);
        assert_true(load_reaches(load, before + 40));
    }
    load_end(load);
    assert_int_equal(load->refused, 0);
    assert_int_equal(load->failed, 0);
    load_free(load);
    kill(d->pid, SIGTERM);
    assert_int_equal(daemon_wait(d), 0);
}

/* ---- the status file ---- */

static void status_file_follows_the_pool(void **state) {
    struct daemon *d = *state;
    char lines[300], path[128], text[1200] = "";
    int64_t until = wire_now_ms() + PATIENCE_MS;
    FILE *f;

    (void)snprintf(path, sizeof path, "%s/status", d->dir);
    (void)snprintf(lines, sizeof lines, "WORKERS_MIN=3\nSTATUS_FILE=%s\n", path);
    daemon_start(d, lines);
    for (int i = 0; i < 7; i++)
        assert_true(asks_fine(d, "/echo"));
    kill(d->pid, SIGHUP);
    assert_true(log_wait(d, "event=reload_ok", 1));
    while (!strstr(text, "\"requests\":7,\"errors\":0,\"reloads\":1") ||
           !strstr(text, "\"alive\":3,\"idle\":3")) {
        if (wire_now_ms() > until)
            fail_msg("the status is %s", text);
        f = fopen(path, "r");
        if (f) {
            text[fread(text, 1, sizeof text - 1, f)] = 0;
            (void)fclose(f);
        }
        usleep(10000);
    }
    kill(d->pid, SIGTERM);
    assert_int_equal(daemon_wait(d), 0);
    assert_int_equal(access(path, F_OK), -1);
}

/* Until the file says so. */
static void status_has(const char *path, const char *what) {
    int64_t until = wire_now_ms() + PATIENCE_MS;
    char text[1200] = "";

    while (!strstr(text, what)) {
        FILE *f = fopen(path, "r");

        if (wire_now_ms() > until)
            fail_msg("the status is %s", text);
        if (f) {
            text[fread(text, 1, sizeof text - 1, f)] = 0;
            (void)fclose(f);
        }
        usleep(10000);
    }
}

static void a_damaged_status_file_is_written_again(void **state) {
    struct daemon *d = *state;
    char path[128];
    FILE *f;

    (void)snprintf(path, sizeof path, "%s/status.json", d->dir);
    daemon_start(d, "");
    status_has(path, "\"state\":\"ready\"");
    f = fopen(path, "r+");
    assert_non_null(f);
    assert_true(fputs("garbage", f) >= 0);
    assert_int_equal(fclose(f), 0);
    status_has(path, "{\"version\":");
    assert_int_equal(truncate(path, 5), 0);
    status_has(path, "\"state\":\"ready\"");
    assert_int_equal(unlink(path), 0);
    status_has(path, "\"state\":\"ready\"");
    assert_stops(d, SIGTERM);
}

static void
a_status_file_that_cannot_be_written_is_tried_again_and_reported_each_time(void **state) {
    struct daemon *d = *state;
    char lines[300], folder[128], path[160];

    (void)snprintf(folder, sizeof folder, "%s/folder", d->dir);
    (void)snprintf(path, sizeof path, "%s/status", folder);
    (void)snprintf(lines, sizeof lines, "STATUS_FILE=%s\n", path);
    daemon_start(d, lines);
    for (int times = 1; times <= 2; times++) {
        assert_true(log_wait(d, "event=status_not_written", times));
        assert_int_equal(mkdir(folder, 0700), 0);
        status_has(path, "\"state\":\"ready\"");
        assert_int_equal(unlink(path), 0);
        while (rmdir(folder)) /* it is written again meanwhile */
            (void)unlink(path);
    }
    assert_stops(d, SIGTERM);
}

/* ---- two daemons ---- */

static void a_second_one_with_the_same_state_does_not_start(void **state) {
    struct daemon *d = *state, second;
    char lines[160], path[128];

    (void)snprintf(path, sizeof path, "%s/status.json", d->dir);
    daemon_start(d, "");
    status_has(path, "\"state\":\"ready\"");
    daemon_init(&second);
    (void)snprintf(lines, sizeof lines, "STATE_DIR=%s\n", d->dir);
    daemon_write(&second, lines);
    (void)snprintf(lines, sizeof lines,
                   "level=error event=start_failed process %d, STATE_DIR=%s:", (int)d->pid, d->dir);
    assert_refuses_to_start(&second, lines);
    assert_true(asks_fine(d, "/echo"));
    assert_int_equal(access(path, F_OK), 0); /* it is the first one's */

    kill(d->pid, SIGKILL); /* the lock goes with the master */
    assert_true(daemon_wait(d) > 0);
    daemon_spawn(&second);
    assert_true(log_wait(&second, "event=ready", 1));
    kill(second.pid, SIGTERM);
    assert_int_equal(daemon_wait(&second), 0);
    daemon_clean(&second);
}

/* Who is to stop has work to finish; who comes next takes over the folder at once. */
static void one_that_stops_gives_its_state_to_the_next(void **state) {
    struct daemon *d = *state, second;
    char lines[160], path[128];
    int fd;

    daemon_start(d, "WORKERS_MIN=1\nWORKERS_MAX=1\n");
    fd = dial(d); /* a request that does not come to its end */
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "\1\1", 2), 2);
    assert_true(unread_wait(fd));
    kill(d->pid, SIGTERM);
    assert_true(log_wait(d, "event=stopping", 1));
    daemon_init(&second);
    (void)snprintf(lines, sizeof lines, "STATE_DIR=%s\n", d->dir);
    daemon_start(&second, lines);
    (void)snprintf(path, sizeof path, "%s/status.json", d->dir);
    (void)snprintf(lines, sizeof lines, "\"pid\":%d,", (int)second.pid);
    status_has(path, lines);
    (void)close(fd);
    assert_int_equal(daemon_wait(d), 0);
    status_has(path, lines); /* the first one has not removed it */
    kill(second.pid, SIGTERM);
    assert_int_equal(daemon_wait(&second), 0);
    daemon_clean(&second);
}

static void reload_does_not_change_the_state_dir(void **state) {
    reload_is_refused(*state, "STATE_DIR=/tmp\n",
                      "level=error event=reload_failed STATE_DIR restart");
}

static void a_state_dir_that_cannot_be_used_is_said(void **state) {
    struct daemon *d = *state;

    daemon_write(d, "STATE_DIR=/nonexistent\n");
    assert_refuses_to_start(d, "level=error event=start_failed STATE_DIR /nonexistent user");
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        TEST(serves_and_stops),
        TEST(workers_are_not_dumpable),
        TEST(int_stops_too),
        TEST(body_over_the_limit),
        TEST(usr1_is_nothing),
        TEST(silent_connection_does_not_block_others),
        TEST(a_connection_without_a_byte_is_not_logged),
        TEST(worker_leaves_after_its_requests),
        TEST(grows_under_load_and_shrinks),
        TEST(killed_worker_under_load),
        TEST(crash_is_replaced),
        TEST(gives_up_if_none_ever_starts),
        TEST(gives_up_if_all_crash_at_start),
        TEST(stuck_worker_is_killed),
        TEST(a_request_has_a_limit_of_its_own),
        TEST(workers_do_not_outlive_the_master),
        TEST(term_under_load),
        TEST(term_answers_the_queue),
        TEST(term_in_the_middle_of_a_body),
        TEST(second_term_means_now),
        TEST(worker_told_to_leave_under_load),
        TEST(reload_of_a_broken_file),
        TEST(reload_that_fails_the_check),
        TEST(reload_whose_workers_do_not_start),
        TEST(reload_under_load),
        TEST(reload_changes_the_size_but_not_the_address),
        TEST(live_socket_is_not_taken),
        TEST(dead_socket_is_replaced),
        TEST(other_files_are_not_removed),
        TEST(missing_folders_are_explained),
        TEST(inherited_as_descriptor_0),
        TEST(inherited_from_systemd),
        TEST(systemd_is_told_by_path),
        TEST(systemd_is_told_by_abstract_name),
        TEST(the_watchdog_hears_signs_of_life),
        TEST(restart_of_an_activated_daemon_refuses_nobody),
        TEST(status_file_follows_the_pool),
        TEST(a_damaged_status_file_is_written_again),
        TEST(a_status_file_that_cannot_be_written_is_tried_again_and_reported_each_time),
        TEST(a_second_one_with_the_same_state_does_not_start),
        TEST(one_that_stops_gives_its_state_to_the_next),
        TEST(reload_does_not_change_the_state_dir),
        TEST(a_state_dir_that_cannot_be_used_is_said),
        TEST(loopback_port),
    };

    if (argc < 2) {
        (void)fprintf(stderr, "usage: pool_test STUB_DAEMON [PATTERN]\n");
        return 2;
    }
    stub_path = argv[1];
    signal(SIGPIPE, SIG_IGN);
    if (argc > 2)
        cmocka_set_test_filter(argv[2]);
    return cmocka_run_group_tests_name("pool", tests, NULL, NULL) + run_output_tests() +
           run_faults_tests() + run_reader_tests();
}
