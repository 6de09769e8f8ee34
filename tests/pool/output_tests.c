/* What the daemon writes to: a log whose reader goes away or stands still, a full device, a FIFO.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "daemon.h"

#define SMALL_PIPE 4096
#define MANY_LINES 120 /* of more than a hundred bytes: several times what the pipe holds */

/* What was read of the log so far. */
struct reader {
    int fd;
    char text[1 << 20];
    size_t len;
};

/* Reads on until `words` are there. */
static const char *read_until(struct reader *r, const char *words) {
    int64_t until = wire_now_ms() + PATIENCE_MS;
    const char *at;

    while (!(at = strstr(r->text, words))) {
        ssize_t n = read(r->fd, r->text + r->len, sizeof r->text - 1 - r->len);
        if (n > 0)
            r->text[r->len += (size_t)n] = 0;
        else
            usleep(5000);
        if (wire_now_ms() > until)
            fail_msg("no %s in %s", words, r->text);
    }
    return at;
}

/* Something that a worker logs: a connection on which no FastCGI is spoken. */
static void make_a_line(const struct daemon *d) {
    struct wire_reply r = {0};
    int fd = dial(d);

    assert_true(fd >= 0);
    assert_true(wire_send(fd, "GET / HTTP/1.0\r\n\r\n", 18));
    wire_read(fd, &r, PATIENCE_MS);
    assert_true(r.closed);
    wire_reply_free(&r);
    close(fd);
}

static struct reader *start_with(struct daemon *d, const int ends[2], const char *lines) {
    struct reader *r = calloc(1, sizeof *r);

    assert_non_null(r);
    r->fd = ends[0];
    (void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
    d->log_fd = ends[1];
    daemon_write(d, lines);
    daemon_spawn(d);
    (void)read_until(r, "event=ready");
    return r;
}

static void ends_well(struct daemon *d) {
    kill(d->pid, SIGTERM);
    assert_int_equal(daemon_wait(d), 0);
}

/* The reader goes away; the daemon logs, serves, reloads and stops. */
static void goes_away(struct daemon *d, const int ends[2]) {
    struct reader *r = start_with(d, ends, "WORKERS_MAX=1\nWORKERS_MIN=1\n");
    int64_t until = wire_now_ms() + PATIENCE_MS;
    pid_t before, now;

    close(ends[1]);
    close(ends[0]);
    make_a_line(d);
    before = answered_by(d);
    kill(d->pid, SIGHUP); /* which the master logs */
    while ((now = answered_by(d)) == before || !now)
        assert_true(wire_now_ms() < until);
    ends_well(d);
    free(r);
}

static void reader_of_a_pipe_goes_away(void **state) {
    int ends[2];

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    goes_away(*state, ends);
}

static void reader_of_a_socket_goes_away(void **state) {
    int ends[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    goes_away(*state, ends);
}

/* Nobody reads; then somebody does, and is told how many lines there were. */
static void stands_still(struct daemon *d, const int ends[2]) {
    struct reader *r = start_with(d, ends, "WORKERS_MIN=2\n");
    int64_t began = wire_now_ms();

    for (int i = 0; i < MANY_LINES; i++)
        make_a_line(d);
    kill(d->pid, SIGHUP);
    assert_true(asks_fine(d, "/echo"));
    assert_true(wire_now_ms() - began < PATIENCE_MS);
    assert_true(atoi(read_until(r, "event=lines_lost output=log lines=") + 34) > 0);
    assert_true(strlen(r->text) == r->len);
    for (const char *line = r->text; *line; line = strchr(line, '\n') + 1)
        assert_true(!strncmp(line, "ts=", 3) && strchr(line, '\n')); /* none in part */
    ends_well(d);
    close(ends[0]);
    close(ends[1]);
    free(r);
}

static void nobody_reads_a_pipe(void **state) {
    int ends[2];

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_true(fcntl(ends[1], F_SETPIPE_SZ, SMALL_PIPE) >= SMALL_PIPE);
    stands_still(*state, ends);
}

static void nobody_reads_a_socket(void **state) {
    int ends[2], small = SMALL_PIPE;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    assert_int_equal(setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
    stands_still(*state, ends);
}

/* As a shell has it: its own descriptor of the pipe blocks as before. */
static void a_pipe_stays_as_it_was_for_others(void **state) {
    struct daemon *d = *state;
    struct reader *r;
    int ends[2], flags;

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    flags = fcntl(ends[1], F_GETFL);
    r = start_with(d, ends, "");
    assert_int_equal(fcntl(ends[1], F_GETFL), flags);
    ends_well(d);
    free(r);
    close(ends[0]);
    close(ends[1]);
}

static void metrics_to(struct daemon *d, const char *path) {
    char lines[300];

    (void)snprintf(lines, sizeof lines,
                   "METRICS_EMF=yes\nMETRICS_INTERVAL_S=1\nMETRICS_EMF_FILE=%s\n", path);
    daemon_start(d, lines);
    assert_true(log_wait(d, "event=metrics_not_written", 1));
    assert_true(log_wait(d, "event=lines_lost output=metrics", 1));
    assert_true(asks_fine(d, "/echo"));
    ends_well(d);
}

static void metrics_to_a_fifo_without_a_reader(void **state) {
    struct daemon *d = *state;
    char path[128];

    (void)snprintf(path, sizeof path, "%s/fifo", d->dir);
    assert_int_equal(mkfifo(path, 0600), 0);
    metrics_to(d, path);
    assert_int_equal(log_count(d, "FIFO nobody reads"), 1);
    (void)unlink(path);
}

static void metrics_to_a_full_device(void **state) {
    metrics_to(*state, "/dev/full");
}

/* The name under which the status is written first is taken by something that blocks. */
static void status_beside_a_fifo(void **state) {
    struct daemon *d = *state;
    char lines[300], path[128];

    (void)snprintf(path, sizeof path, "%s/status.new", d->dir);
    (void)snprintf(lines, sizeof lines, "STATUS_FILE=%s/status\n", d->dir);
    assert_int_equal(mkfifo(path, 0600), 0);
    daemon_start(d, lines);
    assert_true(log_wait(d, "event=status_not_written", 1));
    ends_well(d);
    (void)unlink(path);
}

int run_output_tests(void) {
    const struct CMUnitTest tests[] = {
        TEST(reader_of_a_pipe_goes_away),
        TEST(reader_of_a_socket_goes_away),
        TEST(nobody_reads_a_pipe),
        TEST(nobody_reads_a_socket),
        TEST(a_pipe_stays_as_it_was_for_others),
        TEST(metrics_to_a_fifo_without_a_reader),
        TEST(metrics_to_a_full_device),
        TEST(status_beside_a_fifo),
    };

    return cmocka_run_group_tests_name("outputs", tests, NULL, NULL);
}
