/* The end of a reply whose client reads slowly: handed to the process that holds streams, or
 * sent as long as the client reads. */
#include "unit.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "../pool/fcgi_wire.h"
#include "base/clock.h"
#include "web/fcgi.h"

#define REPLY_MS 10000
#define SILENCE_MS 5000
#define BIG (1 << 20)
#define SECRET "a token that was in the request"
#define STEP (BIG / 8)
#define PAUSE_MS 40 /* between two steps of a slow reader: longer in all than SHORT_MS */
#define SHORT_MS 100

static struct fcgi *f;
static struct reply rp;
static struct fcgi_unsent got; /* copies of its descriptors */
static bool takes;
static unsigned asked;
static int peer;
static char big[BIG];

static bool take(void *arg, const struct fcgi_unsent *rest) {
    assert_ptr_equal(arg, &got);
    asked++;
    if (!takes)
        return false;
    got = *rest;
    got.fd = dup(rest->fd);
    got.file = dup(rest->file);
    return true;
}

static void request(struct arena *a, int total_ms) {
    struct request rq = {.arena = a, .started_ms = clock_monotonic_ms()};
    struct wire w = {0};
    struct err e;
    int ends[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    peer = ends[0];
    fcgi_set_timeouts(f, SILENCE_MS, total_ms);
    wire_request(&w, "POST", "/mcp", SECRET, sizeof SECRET - 1);
    assert_true(wire_send(peer, w.p, w.len));
    assert_int_equal(fcgi_read(f, ends[1], 100, &rq, &e), OK);
    wire_free(&w);
    reply_init(&rp, a);
    rp.sink = fcgi_sink(f);
    rp.status = 200;
}

static int made(void **state) {
    if (arena_setup(state) || !(f = fcgi_new(take, NULL, &got)))
        return -1;
    for (size_t i = 0; i < BIG; i++)
        big[i] = (char)(i * 7 + i / 251);
    got = (struct fcgi_unsent){0};
    asked = 0;
    takes = true;
    return 0;
}

static int unmade(void **state) {
    fcgi_free(f);
    return arena_teardown(state);
}

/* Reads in another process, in steps with pauses if it is to be slow. */
static pid_t reader(size_t before, bool slow) {
    pid_t pid = fork();

    if (pid == 0) {
        struct wire_reply r = {0};
        char buf[STEP];
        ssize_t n;

        (void)close(rp.sink->fd); /* ours, so that its end is seen */
        if (got.file)
            (void)close(got.fd);
        while (slow && (n = read(peer, buf, sizeof buf)) > 0) {
            wire_raw(&r.raw, buf, (size_t)n);
            usleep(PAUSE_MS * 1000);
        }
        if (slow)
            r.closed = true, wire_parse(&r);
        else
            wire_read(peer, &r, REPLY_MS);
        _exit(wire_whole(&r) && r.body_len == before + BIG && !memcmp(r.body + before, big, BIG)
                  ? 0
                  : 1);
    }
    return pid;
}

static void has_it_all(pid_t pid) {
    int status;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    (void)close(peer);
}

/* What the one who waits does. */
static void send_rest(void) {
    static char rest[BIG + 4096];
    ssize_t len = pread(got.file, rest, sizeof rest, 0);

    assert_true(len > 0 && len < (ssize_t)sizeof rest);
    assert_true(wire_send(got.fd, rest, (size_t)len));
    (void)close(got.fd);
    (void)close(got.file);
}

static void next_is_served(struct arena *a) {
    struct wire_reply r = {0};

    request(a, SILENCE_MS);
    rp.body = "next";
    rp.body_len = 4;
    assert_int_equal(fcgi_reply(f, &rp), OK);
    wire_read(peer, &r, REPLY_MS);
    assert_true(wire_whole(&r));
    assert_int_equal(r.body_len, 4);
    wire_reply_free(&r);
    (void)close(peer);
    assert_int_equal(asked, 1);
}

static void it_is_given_away(void **state) {
    pid_t pid;

    request(*state, SILENCE_MS);
    rp.body = big;
    rp.body_len = BIG;
    assert_int_equal(fcgi_reply(f, &rp), OK);
    assert_int_equal(asked, 1);
    pid = reader(0, false);
    send_rest();
    has_it_all(pid);
    next_is_served(*state);
}

/* The last piece of a stream is given away with its end; one before it is sent first. */
static void the_last_of_a_stream_is_given_away(void **state) {
    pid_t pid;

    request(*state, SILENCE_MS);
    assert_int_equal(reply_stream_begin(&rp), OK);
    assert_int_equal(reply_stream_write(&rp, "first", 5), OK);
    rp.sink->last = true;
    assert_int_equal(reply_stream_write(&rp, big, BIG), OK);
    assert_int_equal(asked, 0);
    assert_int_equal(fcgi_reply(f, &rp), OK);
    assert_int_equal(asked, 1);
    pid = reader(5, false);
    send_rest();
    has_it_all(pid);
    next_is_served(*state);
}

/* Nobody takes it: as long as the reader goes on, so does the worker, however long that is. */
static void a_slow_reader_gets_all(void **state) {
    int64_t began = clock_monotonic_ms();
    pid_t pid;

    takes = false;
    request(*state, SHORT_MS);
    pid = reader(0, true);
    rp.body = big;
    rp.body_len = BIG;
    assert_int_equal(fcgi_reply(f, &rp), OK);
    assert_true(clock_monotonic_ms() - began > SHORT_MS);
    has_it_all(pid);
    next_is_served(*state);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, made, unmade)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(it_is_given_away),
        CASE(the_last_of_a_stream_is_given_away),
        CASE(a_slow_reader_gets_all),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
