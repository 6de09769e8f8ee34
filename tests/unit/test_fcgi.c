/* The FastCGI side against raw records, over a socket pair. Also tests the behaviour of the
 * installed libfcgi that web/fcgi.c relies on. */
#include "unit.h"

#include <signal.h>
#include <sys/wait.h>

#include "../pool/fcgi_wire.h"
#include "web/fcgi.h"

#define BODY_MAX (256 * 1024)
/* Limits that no pause of a busy machine reaches, for what is not about them; and one that fires
 * soon, for what is. */
#define SILENCE_MS 10000
#define TOTAL_MS 30000
#define SOON_MS 150
#define REPLY_MS 10000 /* until a reply is there, whole and closed */
#define TRIES 3        /* where the code under test has a limit of its own that a pause can pass */
#define BIG (1024 * 1024)

struct fixture {
    struct fcgi *f;
    struct arena *arena;
    struct request rq;
    struct err e;
    struct wire w;
    int peer, ours; /* two ends of a connection */
};

static int open_fds(void) {
    int n = 0;

    for (int fd = 0; fd < 256; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

static void fresh_connection(struct fixture *x) {
    int ends[2];

    if (x->peer >= 0)
        close(x->peer);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    x->peer = ends[0];
    x->ours = ends[1];
    wire_free(&x->w);
}

static int setup(void **state) {
    struct fixture *x = xcalloc(1, sizeof *x);

    x->f = fcgi_new(NULL, NULL, NULL);
    assert_non_null(x->f);
    fcgi_set_timeouts(x->f, SILENCE_MS, TOTAL_MS);
    x->arena = arena_new(64 << 20);
    x->peer = -1;
    fresh_connection(x);
    *state = x;
    return 0;
}

static int teardown(void **state) {
    struct fixture *x = *state;

    if (x->peer >= 0)
        close(x->peer);
    wire_free(&x->w);
    arena_free(x->arena);
    fcgi_free(x->f);
    free(x);
    return 0;
}

static enum rc read_request_that_waited(struct fixture *x, bool waited) {
    arena_reset(x->arena);
    memset(&x->e, 0, sizeof x->e);
    memset(&x->rq, 0, sizeof x->rq);
    x->rq.arena = x->arena;
    x->rq.waited = waited;
    x->rq.started_ms = clock_monotonic_ms();
    return fcgi_read(x->f, x->ours, BODY_MAX, &x->rq, &x->e);
}

static enum rc read_request(struct fixture *x) {
    return read_request_that_waited(x, false);
}

/* What was built is sent by a process of its own, so that neither side waits for the other. */
static pid_t send_beside(struct fixture *x, int step, int pause_ms) {
    pid_t pid = fork();

    if (pid == 0) {
        close(x->ours);
        for (size_t at = 0; at < x->w.len; at += (size_t)step) {
            size_t n = x->w.len - at < (size_t)step ? x->w.len - at : (size_t)step;

            if (!wire_send(x->peer, x->w.p + at, n))
                _exit(1);
            if (pause_ms)
                usleep((useconds_t)pause_ms * 1000);
        }
        _exit(0);
    }
    assert_true(pid > 0);
    return pid;
}

static void gone(pid_t pid) {
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static enum rc send_and_read(struct fixture *x) {
    pid_t pid = send_beside(x, 100000, 0);
    enum rc rc = read_request(x);

    gone(pid);
    return rc;
}

/* Sends what was built, then ends the stream of bytes. */
static enum rc send_close_and_read(struct fixture *x) {
    assert_true(wire_send(x->peer, x->w.p, x->w.len));
    shutdown(x->peer, SHUT_WR);
    return read_request(x);
}

static void assert_dropped(struct fixture *x, enum rc rc) {
    struct wire_reply r;

    assert_int_equal(rc, ERR_MISSING);
    assert_true(*x->e.text);
    wire_read(x->peer, &r, REPLY_MS);
    assert_true(r.closed);
    assert_int_equal(r.status, 0);
    wire_reply_free(&r);
}

static enum rc reply_with(struct fixture *x, int status, const char *body, size_t len) {
    struct reply rp;

    reply_init(&rp, x->arena);
    rp.status = status;
    rp.body = body;
    rp.body_len = len;
    reply_header(&rp, "X-Test", "yes");
    return fcgi_reply(x->f, &rp);
}

/* After anything, the next client is served, and no descriptor was lost. */
static void assert_serves_next(struct fixture *x) {
    struct wire_reply r;

    fcgi_set_timeouts(x->f, SILENCE_MS, TOTAL_MS);
    fresh_connection(x);
    wire_request(&x->w, "POST", "/next", "abc", 3);
    assert_int_equal(send_and_read(x), OK);
    assert_string_equal(x->rq.path, "/next");
    assert_string_equal(x->rq.body, "abc");
    assert_int_equal(reply_with(x, 200, "fine", 4), OK);
    wire_read(x->peer, &r, REPLY_MS);
    assert_true(wire_whole(&r));
    assert_string_equal(r.body, "fine");
    wire_reply_free(&r);
}

static void whole_request_and_reply(void **state) {
    struct fixture *x = *state;
    struct wire_reply r;

    wire_request(&x->w, "POST", "/mcp/a%20b?x=%31&y", "hello", 5);
    assert_int_equal(send_and_read(x), OK);
    assert_string_equal(x->rq.method, "POST");
    assert_string_equal(x->rq.path, "/mcp/a b");
    assert_string_equal(x->rq.query, "x=%31&y");
    assert_string_equal(x->rq.remote_addr, "192.0.2.7");
    assert_string_equal(x->rq.content_type, "");
    assert_int_equal(x->rq.body_len, 5);
    assert_string_equal(x->rq.body, "hello");
    assert_int_equal(strlen(x->rq.id), 16);
    assert_string_equal(request_param(&x->rq, "REQUEST_URI"), "/mcp/a%20b?x=%31&y");
    assert_int_equal(reply_with(x, 404, "gone\0!", 6), OK);
    wire_read(x->peer, &r, REPLY_MS);
    assert_true(wire_whole(&r));
    assert_false(r.reset);
    assert_int_equal(r.status, 404);
    assert_int_equal(r.app_status, 0);
    assert_int_equal(r.body_len, 6);
    assert_memory_equal(r.body, "gone\0!", 6);
    assert_non_null(strstr((char *)r.out.p, "Status: 404 Not Found\r\n"));
    assert_non_null(strstr((char *)r.out.p, "X-Test: yes\r\n"));
    assert_non_null(strstr((char *)r.out.p, "Content-Length: 6\r\n"));
    wire_reply_free(&r);
}

/* The peer has not closed, and nobody waits until it does: that would be a second each time. */
/* One that has waited for a worker may have nobody left to answer. Half a close is not gone. */
static void a_peer_that_has_gone_is_not_served(void **state) {
    struct fixture *x = *state;

    for (int waited = 0; waited < 2; waited++) {
        fresh_connection(x);
        wire_request(&x->w, "POST", "/x", "abc", 3);
        assert_true(wire_send(x->peer, x->w.p, x->w.len));
        assert_int_equal(shutdown(x->peer, SHUT_WR), 0);
        assert_int_equal(read_request_that_waited(x, waited), OK);
        assert_int_equal(reply_with(x, 200, "fine", 4), OK);

        fresh_connection(x);
        wire_request(&x->w, "POST", "/x", "abc", 3);
        assert_true(wire_send(x->peer, x->w.p, x->w.len));
        close(x->peer);
        x->peer = -1;
        assert_int_equal(read_request_that_waited(x, waited), waited ? ERR_MISSING : OK);
        if (!waited)
            (void)!reply_with(x, 200, "fine", 4);
    }
    assert_non_null(strstr(x->e.text, "went away"));
    assert_serves_next(x);
}

static void reply_waits_for_no_close(void **state) {
    struct fixture *x = *state;
    int64_t least = INT64_MAX;

    for (int i = 0; i < TRIES && least >= 500; i++) {
        int64_t before, took;

        fresh_connection(x);
        wire_request(&x->w, "POST", "/x", "12345", 5);
        assert_int_equal(send_and_read(x), OK);
        before = wire_now_ms();
        assert_int_equal(reply_with(x, 200, "", 0), OK);
        took = wire_now_ms() - before;
        least = took < least ? took : least;
    }
    assert_true(least < 500);
}

static void ids_differ(void **state) {
    struct fixture *x = *state;
    char first[32];

    wire_request(&x->w, "GET", "/", NULL, 0);
    assert_int_equal(send_and_read(x), OK);
    (void)snprintf(first, sizeof first, "%s", x->rq.id);
    assert_int_equal(reply_with(x, 200, "", 0), OK);
    assert_serves_next(x);
    assert_string_not_equal(first, x->rq.id);
}

static void bad_escape_stays_raw(void **state) {
    struct fixture *x = *state;

    wire_request(&x->w, "GET", "/mcp%zz?q", NULL, 0);
    assert_int_equal(send_and_read(x), OK);
    assert_string_equal(x->rq.path, "/mcp%zz");
    assert_string_equal(x->rq.query, "q");
    assert_int_equal(reply_with(x, 200, "", 0), OK);
    fresh_connection(x);
    wire_request(&x->w, "GET", "/mcp%00", NULL, 0);
    assert_int_equal(send_and_read(x), OK);
    assert_string_equal(x->rq.path, "/mcp%00");
    assert_int_equal(reply_with(x, 200, "", 0), OK);
}

static void one_byte_records(void **state) {
    struct fixture *x = *state;
    struct wire pairs = {0};
    char big[300];

    memset(big, 'v', sizeof big - 1);
    big[sizeof big - 1] = 0;
    wire_begin(&x->w, W_RESPONDER, 0);
    wire_pairs(&pairs, "POST", "/x", "5");
    wire_pair(&pairs, "HTTP_X_BIG", big); /* a length of four bytes */
    wire_stream(&x->w, W_PARAMS, pairs.p, pairs.len, 1);
    wire_stream(&x->w, W_STDIN, "12345", 5, 1);
    assert_int_equal(send_and_read(x), OK);
    assert_string_equal(request_param(&x->rq, "HTTP_X_BIG"), big);
    assert_string_equal(x->rq.body, "12345");
    assert_int_equal(reply_with(x, 200, "", 0), OK);
    wire_free(&pairs);
}

static void bytes_one_at_a_time(void **state) {
    struct fixture *x = *state;
    pid_t pid;

    wire_request(&x->w, "POST", "/x", "12345", 5);
    pid = send_beside(x, 1, 0);
    assert_int_equal(read_request(x), OK);
    gone(pid);
    assert_string_equal(x->rq.body, "12345");
    assert_int_equal(reply_with(x, 200, "", 0), OK);
}

static void head_has_length_but_no_body(void **state) {
    struct fixture *x = *state;
    struct wire_reply r;

    wire_request(&x->w, "HEAD", "/x", NULL, 0);
    assert_int_equal(send_and_read(x), OK);
    assert_string_equal(x->rq.method, "HEAD");
    assert_int_equal(reply_with(x, 200, "12345", 5), OK);
    wire_read(x->peer, &r, REPLY_MS);
    assert_true(wire_whole(&r));
    assert_non_null(strstr((char *)r.out.p, "Content-Length: 5\r\n"));
    assert_int_equal(r.body_len, 0);
    wire_reply_free(&r);
}

static void no_content_has_neither(void **state) {
    struct fixture *x = *state;
    struct wire_reply r;

    wire_request(&x->w, "GET", "/x", NULL, 0);
    assert_int_equal(send_and_read(x), OK);
    assert_int_equal(reply_with(x, 204, "12345", 5), OK);
    wire_read(x->peer, &r, REPLY_MS);
    assert_true(wire_whole(&r));
    assert_null(strstr((char *)r.out.p, "Content-Length"));
    assert_int_equal(r.body_len, 0);
    wire_reply_free(&r);
}

/* A real Apache with enablereuse asks for this, and would keep the worker to itself. */
static void kept_connection_does_not_pin(void **state) {
    struct fixture *x = *state;
    struct wire pairs = {0};
    struct wire_reply r;

    wire_begin(&x->w, W_RESPONDER, W_KEEP_CONN);
    wire_pairs(&pairs, "GET", "/kept", NULL);
    wire_stream(&x->w, W_PARAMS, pairs.p, pairs.len, 65535);
    wire_stream(&x->w, W_STDIN, NULL, 0, 1);
    assert_int_equal(send_and_read(x), OK);
    assert_int_equal(reply_with(x, 200, "a", 1), OK);
    wire_read(x->peer, &r, REPLY_MS);
    assert_true(wire_whole(&r));
    wire_reply_free(&r);
    wire_free(&pairs);
    assert_serves_next(x);
}

static void half_params(struct fixture *x) {
    struct wire pairs = {0};

    wire_begin(&x->w, W_RESPONDER, 0);
    wire_pairs(&pairs, "GET", "/half", NULL);
    wire_record(&x->w, W_PARAMS, 1, pairs.p, pairs.len, 0); /* whole pairs, but no end */
    wire_free(&pairs);
}

/* libfcgi by itself would dispatch these. */
static void params_that_end_early_are_dropped(void **state) {
    struct fixture *x = *state;

    half_params(x);
    assert_dropped(x, send_close_and_read(x));
    assert_serves_next(x);
    fresh_connection(x);
    half_params(x);
    x->w.len -= 3; /* inside a pair */
    assert_dropped(x, send_close_and_read(x));
    assert_serves_next(x);
}

/* What was built is sent, and then nothing. */
static void assert_silence_is_dropped(struct fixture *x) {
    int64_t before = wire_now_ms();

    fcgi_set_timeouts(x->f, SOON_MS, TOTAL_MS);
    assert_dropped(x, send_and_read(x));
    assert_non_null(strstr(x->e.text, "stopped sending"));
    assert_true(wire_now_ms() - before >= SOON_MS);
    assert_serves_next(x);
}

static void params_that_stop_are_dropped(void **state) {
    struct fixture *x = *state;

    half_params(x);
    assert_silence_is_dropped(x);
}

static void silence_is_dropped(void **state) {
    assert_silence_is_dropped(*state);
}

/* A byte now and then is never silence, and yet must not hold the worker. */
static void drip_is_dropped(void **state) {
    struct fixture *x = *state;
    int64_t before;
    pid_t pid;

    wire_request(&x->w, "POST", "/x", "12345", 5);
    assert_true(x->w.len > 100);
    pid = send_beside(x, 1, 50); /* for more than five seconds, if it is let */
    before = wire_now_ms();
    fcgi_set_timeouts(x->f, SILENCE_MS, SOON_MS);
    assert_int_equal(read_request(x), ERR_MISSING);
    assert_non_null(strstr(x->e.text, "took too long to arrive"));
    assert_true(wire_now_ms() - before >= SOON_MS);
    gone(pid);
    assert_serves_next(x);
}

static void malformed_pairs_are_dropped(void **state) {
    static const struct {
        const char *bytes;
        size_t len;
    } bad[] = {{"\x05\x05short", 7},                         /* ends inside a value */
               {"\x80\x00", 2},                              /* inside a length */
               {"\x01", 1},                                  /* no length of the value */
               {"\xff\xff\xff\xff\xff\xff\xff\xffname", 12}, /* 2^31 - 1 each */
               {"\xea\xea\xea\xea\xea\xea\xea\xeaname", 12}, /* together below 0 in an int */
               {"\x80\x00\x00\x04\xff\xff\xff\xf0namevalu", 16},
               /* What libfcgi would read as another name or value. */
               {"\x06\x03HTTP_X"
                "a\0b",
                11},
               {"\x08\x01HTTP_X\0Y"
                "a",
                11},
               {"\x08\x01HTTP_X=Y"
                "a",
                11}};
    static const size_t steps[] = {65535, 1};
    struct fixture *x = *state;

    for (size_t i = 0; i < 2 * (sizeof bad / sizeof *bad); i++) {
        fresh_connection(x);
        wire_begin(&x->w, W_RESPONDER, 0);
        wire_stream(&x->w, W_PARAMS, bad[i / 2].bytes, bad[i / 2].len, steps[i % 2]);
        wire_stream(&x->w, W_STDIN, NULL, 0, 1);
        assert_dropped(x, send_and_read(x));
        assert_serves_next(x);
    }
}

static enum rc read_with(struct fixture *x, const char *const *headers) {
    struct wire pairs = {0};
    enum rc rc;

    fresh_connection(x);
    wire_begin(&x->w, W_RESPONDER, 0);
    wire_pairs(&pairs, "POST", "/x", NULL);
    for (; *headers; headers += 2)
        wire_pair(&pairs, headers[0], headers[1]);
    wire_stream(&x->w, W_PARAMS, pairs.p, pairs.len, 65535);
    wire_stream(&x->w, W_STDIN, NULL, 0, 1);
    wire_free(&pairs);
    rc = send_and_read(x);
    if (rc != ERR_MISSING) {
        struct reply rp;

        reply_init(&rp, x->arena);
        reply_empty(&rp, 204);
        assert_int_equal(fcgi_reply(x->f, &rp), OK);
    }
    return rc;
}

/* As lighttpd gives X-Y and X_Y. */
static void a_header_has_one_value(void **state) {
    struct fixture *x = *state;

    assert_int_equal(read_with(x, (const char *const[]){"HTTP_MCP_METHOD", "a", "HTTP_X", "1",
                                                        "HTTP_MCP_METHOD", "b", NULL}),
                     ERR_INVALID_REQUEST);
    assert_string_equal(request_header(&x->rq, "mcp-method"), "a");
    assert_int_equal(read_with(x, (const char *const[]){"HTTP_X", "", "HTTP_X", "1", NULL}),
                     ERR_INVALID_REQUEST);
    assert_int_equal(read_with(x, (const char *const[]){"HTTP_X", "1", "HTTP_X", "1", NULL}), OK);
    assert_int_equal(read_with(x, (const char *const[]){"HTTP_X", "1", "HTTP_XY", "2", "HTTP_Y_X",
                                                        "3", "HTTP_", "4", "HTTP", "5", NULL}),
                     OK);
    assert_serves_next(x);
}

static void too_many_params_are_dropped(void **state) {
    struct fixture *x = *state;
    char value[1024];

    memset(value, 'v', sizeof value - 1);
    value[sizeof value - 1] = 0;
    wire_begin(&x->w, W_RESPONDER, 0);
    for (size_t n = 0; n <= FCGI_PARAMS_MAX; n += sizeof value) {
        struct wire pairs = {0};

        wire_pair(&pairs, "HTTP_X", value);
        wire_record(&x->w, W_PARAMS, 1, pairs.p, pairs.len, 0);
        wire_free(&pairs);
    }
    assert_dropped(x, send_and_read(x));
    assert_serves_next(x);
}

static void no_method_is_dropped(void **state) {
    struct fixture *x = *state;

    wire_begin(&x->w, W_RESPONDER, 0);
    wire_stream(&x->w, W_PARAMS, NULL, 0, 1);
    wire_stream(&x->w, W_STDIN, NULL, 0, 1);
    assert_dropped(x, send_and_read(x));
    assert_serves_next(x);
}

static void request_with_length(struct fixture *x, const char *length, const char *body) {
    struct wire pairs = {0};

    fresh_connection(x);
    wire_begin(&x->w, W_RESPONDER, 0);
    wire_pairs(&pairs, "POST", "/x", length);
    wire_stream(&x->w, W_PARAMS, pairs.p, pairs.len, 65535);
    wire_stream(&x->w, W_STDIN, body, strlen(body), 65535);
    wire_free(&pairs);
}

static void body_must_have_its_length(void **state) {
    static const char *const wrong[] = {
        "4", "6", "0", "-5", "5x", "+5", "", NULL, "18446744073709551621"}; /* 2^64 + 5 */
    struct fixture *x = *state;

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        request_with_length(x, wrong[i], "12345");
        assert_dropped(x, send_and_read(x));
        assert_serves_next(x);
    }
}

static void body_cut_short_is_dropped(void **state) {
    struct fixture *x = *state;

    request_with_length(x, "5", "12345");
    x->w.len -= 8; /* whole body, but not its end */
    assert_dropped(x, send_close_and_read(x));
    request_with_length(x, "5", "12345");
    x->w.len -= 8 + 3 + 2; /* padding, end, and two bytes */
    assert_dropped(x, send_close_and_read(x));
    request_with_length(x, "5", "12345");
    x->w.len -= 8 + 3 + 2;
    assert_silence_is_dropped(x);
}

static void body_at_the_limit(void **state) {
    struct fixture *x = *state;
    static char body[BODY_MAX];

    memset(body, 'x', BODY_MAX);
    wire_request(&x->w, "POST", "/x", body, BODY_MAX);
    assert_int_equal(send_and_read(x), OK);
    assert_int_equal(x->rq.body_len, BODY_MAX);
    assert_memory_equal(x->rq.body, body, BODY_MAX);
    assert_int_equal(reply_with(x, 200, "", 0), OK);
}

static bool refusal_arrives_whole(struct fixture *x) {
    static char body[4 * BODY_MAX]; /* static: a child that leaves does not lose it */
    struct wire_reply r;
    bool whole = true;

    fresh_connection(x);
    wire_request(&x->w, "POST", "/big", body, 4 * BODY_MAX);
    (void)send_beside(x, 100000, 0);
    assert_int_equal(read_request(x), ERR_TOO_LARGE);
    assert_string_equal(x->rq.path, "/big");
    assert_int_equal(x->rq.body_len, 0);
    if (fork() == 0) {
        close(x->ours);
        wire_read(x->peer, &r, REPLY_MS);
        _exit(wire_whole(&r) && !r.reset && r.status == 413 ? 0 : 1);
    }
    close(x->peer); /* only the two children hold it now */
    x->peer = -1;
    assert_int_equal(reply_with(x, 413, "too large", 9), OK);
    for (int i = 0; i < 2; i++) {
        int status;

        assert_true(waitpid(-1, &status, 0) > 0);
        whole = whole && status == 0;
    }
    return whole;
}

/* The reply reaches a peer that is still sending; it is not lost to a reset. The peer has a second
 * for the rest, and may be kept from using it. */
static void body_over_the_limit_is_refused(void **state) {
    struct fixture *x = *state;
    bool whole = false;

    for (int i = 0; i < TRIES && !whole; i++)
        whole = refusal_arrives_whole(x);
    assert_true(whole);
    assert_serves_next(x);
}

static void garbage_is_dropped(void **state) {
    static const char *const garbage[] = {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "\x01",
                                          "\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01"};
    struct fixture *x = *state;

    for (size_t i = 0; i < sizeof garbage / sizeof *garbage; i++) {
        fresh_connection(x);
        wire_raw(&x->w, garbage[i], strlen(garbage[i]));
        assert_dropped(x, send_close_and_read(x));
        assert_serves_next(x);
    }
}

static void other_roles_are_refused(void **state) {
    struct fixture *x = *state;
    struct wire pairs = {0};
    struct wire_reply r;

    wire_begin(&x->w, W_AUTHORIZER, 0);
    wire_pairs(&pairs, "GET", "/", NULL);
    wire_stream(&x->w, W_PARAMS, pairs.p, pairs.len, 65535);
    assert_int_equal(send_and_read(x), ERR_MISSING);
    wire_read(x->peer, &r, REPLY_MS);
    assert_int_equal(r.ends, 1);
    assert_int_equal(r.protocol_status, 3); /* FCGI_UNKNOWN_ROLE */
    wire_reply_free(&r);
    wire_free(&pairs);
    assert_serves_next(x);
}

static void abort_is_dropped(void **state) {
    struct fixture *x = *state;

    half_params(x);
    wire_record(&x->w, W_ABORT, 1, NULL, 0, 0);
    assert_dropped(x, send_and_read(x));
    request_with_length(x, "5", "12345");
    x->w.len -= 8;
    wire_record(&x->w, W_ABORT, 1, NULL, 0, 0);
    assert_dropped(x, send_and_read(x));
    assert_serves_next(x);
}

/* Four repeated names overflow a buffer on libfcgi's stack: it must never see such a record. */
static void management_records_are_refused(void **state) {
    struct fixture *x = *state;
    struct wire pairs = {0};

    for (int i = 0; i < 12; i++)
        wire_pair(&pairs, "FCGI_MAX_CONNS", "");
    wire_record(&x->w, W_GET_VALUES, 0, pairs.p, pairs.len, 0);
    assert_dropped(x, send_and_read(x));
    assert_serves_next(x);
    fresh_connection(x);
    half_params(x);
    wire_record(&x->w, W_GET_VALUES, 0, pairs.p, pairs.len, 0);
    assert_dropped(x, send_and_read(x));
    assert_serves_next(x);
    wire_free(&pairs);
}

static void second_request_on_a_connection_is_turned_down(void **state) {
    static const unsigned char begin[8] = {0, W_RESPONDER, W_KEEP_CONN};
    struct fixture *x = *state;
    struct wire pairs = {0};
    struct wire_reply r;

    wire_begin(&x->w, W_RESPONDER, 0);
    wire_record(&x->w, W_BEGIN, 2, begin, sizeof begin, 0);
    wire_pairs(&pairs, "POST", "/first", "1");
    wire_record(&x->w, W_PARAMS, 2, "skipped", 7, 1);
    wire_stream(&x->w, W_PARAMS, pairs.p, pairs.len, 65535);
    wire_stream(&x->w, W_STDIN, "1", 1, 65535);
    assert_int_equal(send_and_read(x), OK);
    assert_string_equal(x->rq.path, "/first");
    assert_int_equal(reply_with(x, 200, "", 0), OK);
    wire_read(x->peer, &r, REPLY_MS);
    assert_int_equal(r.ends, 2); /* FCGI_CANT_MPX_CONN for the other, and ours */
    assert_int_equal(r.status, 200);
    wire_reply_free(&r);
    wire_free(&pairs);
}

/* Bytes after the request, as of a client that pipelines, are left alone; the reply still comes. */
static void bytes_after_the_request(void **state) {
    struct fixture *x = *state;
    struct wire_reply r;

    wire_request(&x->w, "GET", "/x", NULL, 0);
    wire_request(&x->w, "GET", "/y", NULL, 0);
    assert_int_equal(send_and_read(x), OK);
    assert_string_equal(x->rq.path, "/x");
    assert_int_equal(reply_with(x, 200, "one", 3), OK);
    wire_read(x->peer, &r, REPLY_MS);
    assert_true(wire_whole(&r));
    assert_false(r.reset);
    wire_reply_free(&r);
    assert_serves_next(x);
}

static void megabyte_reply_arrives_whole(void **state) {
    struct fixture *x = *state;
    static char body[BIG];
    int status;

    for (size_t i = 0; i < BIG; i++)
        body[i] = (char)(i * 7 + i / 251);
    wire_request(&x->w, "GET", "/x", NULL, 0);
    assert_int_equal(send_and_read(x), OK);
    if (fork() == 0) {
        struct wire_reply r;

        close(x->ours);
        wire_read(x->peer, &r, REPLY_MS);
        _exit(wire_whole(&r) && r.body_len == BIG && memcmp(r.body, body, BIG) == 0 ? 0 : 1);
    }
    assert_int_equal(reply_with(x, 200, body, BIG), OK);
    assert_true(wait(&status) > 0);
    assert_int_equal(status, 0);
    assert_serves_next(x);
}

static void peer_that_does_not_read_is_left(void **state) {
    struct fixture *x = *state;
    static char body[4 * BIG];
    int64_t before;

    /* The limits of a reply are those of its request, which is there before it is read. */
    fcgi_set_timeouts(x->f, SOON_MS, TOTAL_MS);
    wire_request(&x->w, "GET", "/x", NULL, 0);
    assert_true(wire_send(x->peer, x->w.p, x->w.len));
    assert_int_equal(read_request(x), OK);
    before = wire_now_ms();
    assert_int_equal(reply_with(x, 200, body, 4 * BIG), ERR_MISSING);
    assert_in_range(wire_now_ms() - before, SOON_MS, TOTAL_MS - 1);
    assert_serves_next(x);
}

static void peer_that_went_away(void **state) {
    struct fixture *x = *state;

    wire_request(&x->w, "GET", "/x", NULL, 0);
    assert_int_equal(send_and_read(x), OK);
    close(x->peer);
    x->peer = -1;
    assert_int_equal(reply_with(x, 200, "a", 1), ERR_MISSING); /* and no SIGPIPE */
    assert_serves_next(x);
}

static volatile sig_atomic_t signals_seen;

static void count_signal(int signo) {
    (void)signo;
    signals_seen = signals_seen + 1;
}

/* Sends what was built as send_beside() does, with a signal to us before each step. */
static pid_t send_with_signals(struct fixture *x, size_t step) {
    pid_t parent = getpid(), pid = fork();

    if (pid == 0) {
        close(x->ours);
        for (size_t at = 0; at < x->w.len; at += step) {
            size_t n = x->w.len - at < step ? x->w.len - at : step;

            if (kill(parent, SIGTERM) != 0 || !wire_send(x->peer, x->w.p + at, n))
                _exit(1);
            usleep(500);
        }
        _exit(0);
    }
    assert_true(pid > 0);
    return pid;
}

/* A signal that comes, blocked or not, while a request is read does not cut it. The body is larger
 * than what the socket holds: some signals come during the read. */
static void signals_do_not_cut_a_read(void **state) {
    struct fixture *x = *state;
    struct sigaction sa = {.sa_handler = count_signal}, before;
    static char body[BODY_MAX];
    pid_t pid;

    memset(body, 's', BODY_MAX);
    signals_seen = 0;
    sigemptyset(&sa.sa_mask);
    sigaction(SIGTERM, &sa, &before);
    wire_request(&x->w, "POST", "/x", body, BODY_MAX);
    pid = send_with_signals(x, 2048);
    assert_int_equal(read_request(x), OK);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    sigaction(SIGTERM, &before, NULL);
    assert_true(signals_seen > 0);
    assert_int_equal(x->rq.body_len, BODY_MAX);
    assert_memory_equal(x->rq.body, body, BODY_MAX);
    assert_int_equal(reply_with(x, 200, "", 0), OK);
}

static void handlers_are_left_alone(void **state) {
    struct sigaction sa;

    (void)state;
    sigaction(SIGTERM, NULL, &sa);
    assert_ptr_equal(sa.sa_handler, SIG_DFL);
    sigaction(SIGUSR1, NULL, &sa);
    assert_ptr_equal(sa.sa_handler, SIG_DFL);
    sigaction(SIGPIPE, NULL, &sa);
    assert_ptr_equal(sa.sa_handler, SIG_DFL);
}

static void no_descriptor_is_lost(void **state) {
    struct fixture *x = *state;
    int before;

    assert_serves_next(x);
    before = open_fds();
    for (int i = 0; i < 3; i++) {
        fresh_connection(x);
        half_params(x);
        assert_dropped(x, send_close_and_read(x));
        fresh_connection(x);
        wire_begin(&x->w, W_RESPONDER, 0);
        wire_stream(&x->w, W_PARAMS, "\x05", 1, 1); /* a length, and nothing of it */
        assert_dropped(x, send_and_read(x));
        request_with_length(x, "6", "12345");
        assert_dropped(x, send_and_read(x));
        assert_serves_next(x);
    }
    assert_int_equal(open_fds(), before);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(whole_request_and_reply),
        TEST(a_peer_that_has_gone_is_not_served),
        TEST(reply_waits_for_no_close),
        TEST(ids_differ),
        TEST(bad_escape_stays_raw),
        TEST(one_byte_records),
        TEST(bytes_one_at_a_time),
        TEST(head_has_length_but_no_body),
        TEST(no_content_has_neither),
        TEST(kept_connection_does_not_pin),
        TEST(params_that_end_early_are_dropped),
        TEST(params_that_stop_are_dropped),
        TEST(silence_is_dropped),
        TEST(drip_is_dropped),
        TEST(malformed_pairs_are_dropped),
        TEST(a_header_has_one_value),
        TEST(too_many_params_are_dropped),
        TEST(no_method_is_dropped),
        TEST(body_must_have_its_length),
        TEST(body_cut_short_is_dropped),
        TEST(body_at_the_limit),
        TEST(body_over_the_limit_is_refused),
        TEST(garbage_is_dropped),
        TEST(other_roles_are_refused),
        TEST(abort_is_dropped),
        TEST(management_records_are_refused),
        TEST(second_request_on_a_connection_is_turned_down),
        TEST(bytes_after_the_request),
        TEST(megabyte_reply_arrives_whole),
        TEST(peer_that_does_not_read_is_left),
        TEST(peer_that_went_away),
        TEST(signals_do_not_cut_a_read),
        TEST(handlers_are_left_alone),
        TEST(no_descriptor_is_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
