/* A streamed reply that continues without its worker: its client gets nothing before the
 * subscription is watched. */
#include "unit.h"

#include <errno.h>
#include <sys/socket.h>

#include "../pool/fcgi_wire.h"
#include "base/arena.h"
#include "web/fcgi.h"
#include "web/fcgi_conn.h"

#define REPLY_MS 10000

static struct arena *a;
static struct fcgi *f;
static struct reply rp;
static struct buf subscriptions;
static int peer;

/* A request has been read, and its reply is a stream that has begun. */
static int begun(void **state) {
    struct request rq = {.started_ms = clock_monotonic_ms()};
    struct wire w = {0};
    struct err e;
    int ends[2];

    if (arena_setup(state) || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) ||
        !(f = fcgi_new(NULL, NULL, NULL)))
        return -1;
    peer = ends[0];
    rq.arena = a = *state;
    wire_request(&w, "POST", "/mcp", "", 0);
    if (!wire_send(peer, w.p, w.len) || fcgi_read(f, ends[1], 100, &rq, &e))
        return -1;
    wire_free(&w);
    reply_init(&rp, a);
    rp.sink = fcgi_sink(f);
    rp.status = 200;
    rp.subscriptions = &subscriptions;
    return reply_stream_begin(&rp) ? -1 : 0;
}

static int ended(void **state) {
    fcgi_free(f);
    (void)close(peer);
    return arena_teardown(state);
}

static bool has_heard(void) {
    char c;

    return recv(peer, &c, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

static void assert_body(const char *body, size_t len) {
    struct wire_reply r;

    wire_read(peer, &r, REPLY_MS);
    assert_true(wire_whole(&r));
    assert_int_equal(r.status, 200);
    assert_int_equal(r.body_len, len);
    assert_memory_equal(r.body, body, len);
    wire_reply_free(&r);
}

static void nothing_is_sent_before_it_is_given_away(void **state) {
    struct fcgi_detached detached;

    (void)state;
    assert_int_equal(reply_stream_write(&rp, "one,", 4), OK);
    assert_int_equal(reply_stream_write(&rp, "two,", 4), OK);
    assert_false(has_heard());
    detached = fcgi_detach(f, a);
    assert_true(detached.fd >= 0);
    assert_false(has_heard());
    assert_true(wire_send(detached.fd, detached.records, detached.records_len));
    assert_true(fcgi_send_now(detached.fd, detached.id, "three", 5, true));
    assert_int_equal(close(detached.fd), 0);
    assert_body("one,two,three", 13);
}

static void what_is_too_long_is_sent(void **state) {
    const size_t len = FCGI_DETACHED_MAX;
    char *text = memset(arena_alloc(a, len + 3), 'x', len + 3);
    struct fcgi_detached detached;

    (void)state;
    assert_int_equal(reply_stream_write(&rp, text, len), OK);
    assert_true(has_heard());
    assert_int_equal(reply_stream_write(&rp, "y", 1), OK);
    detached = fcgi_detach(f, a);
    assert_int_equal(detached.records_len, 0);
    assert_true(fcgi_send_now(detached.fd, detached.id, "z", 1, true));
    assert_int_equal(close(detached.fd), 0);
    text[len] = 'y';
    text[len + 1] = 'z';
    assert_body(text, len + 2);
}

static void one_that_is_not_given_away_is_sent_whole(void **state) {
    (void)state;
    assert_int_equal(reply_stream_write(&rp, "one,", 4), OK);
    assert_int_equal(reply_stream_write(&rp, "two", 3), OK);
    assert_int_equal(fcgi_reply(f, &rp), OK);
    assert_body("one,two", 7);
}

static void one_that_ends_is_sent_whole(void **state) {
    (void)state;
    assert_int_equal(reply_stream_write(&rp, "one", 3), OK);
    reply_stream_end(&rp);
    assert_body("one", 3);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, begun, ended)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(nothing_is_sent_before_it_is_given_away),
        CASE(what_is_too_long_is_sent),
        CASE(one_that_is_not_given_away_is_sent_whole),
        CASE(one_that_ends_is_sent_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
