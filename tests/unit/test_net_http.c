/* The HTTP client against a real server: methods, headers both ways, kept connections, deadlines.
 */
#include "unit.h"

#include "loopback.h"

#include <dlfcn.h>
#include <netdb.h>
#include <stdatomic.h>
#include <time.h>

#include "base/clock.h"
#include "base/url.h"
#include "metrics/metrics.h"
#include "net/http.h"

/* A name service that does not answer for as long as the test wants, in place of the C library's:
 * what libcurl calls is found here first. */
#define SLOW_HOST "slow.test"
static _Atomic bool names_wait, name_asked, name_done;

#define SOON_MS 3000 /* far from the limit that a fetch has */
#define TRIES 3      /* to be quick, on a machine that may pause */

static void pause_shortly(void) {
    nanosleep(&(struct timespec){0, 5000000}, NULL);
}

__attribute__((visibility("default"))) int getaddrinfo(const char *node, const char *service,
                                                       const struct addrinfo *hints,
                                                       struct addrinfo **out) {
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);

    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    if (!node || strcmp(node, SLOW_HOST) != 0)
        return real(node, service, hints, out);
    name_asked = true;
    while (names_wait)
        pause_shortly();
    name_done = true;
    return EAI_AGAIN;
}

static struct loopback *server;
static struct http_client *client;

static int start(void **state) {
    struct err e = {0};

    loopback_reset(server);
    *state = arena_new(64 << 20);
    return http_client_new(&(struct http_options){.proxy = ""}, &client, &e) != OK;
}

static int stop(void **state) {
    http_client_free(client);
    arena_free(*state);
    return 0;
}

static struct http_request request(struct arena *a) {
    return (struct http_request){
        .method = "GET",
        .url = arena_printf(a, "http://127.0.0.1:%d/path", server->port),
        .max_reply_bytes = 1000,
        .timeout_ms = 5000,
    };
}

static void reply_headers_can_be_read(void **state) {
    struct http_request rq = request(*state);
    struct http_reply reply;
    struct err e = {0};

    loopback_answer(server, "200 OK",
                    "Date: Sun, 30 Aug 2015 12:36:00 GMT\r\nX-Amz-Crc32:  17 \r\nEmpty:\r\n"
                    "Twice: 1\r\nTwice: 2\r\n",
                    "body");
    assert_int_equal(http_fetch(client, *state, &rq, &reply, &e), OK);
    assert_string_equal(http_reply_header(&reply, "date"), "Sun, 30 Aug 2015 12:36:00 GMT");
    assert_string_equal(http_reply_header(&reply, "x-amz-crc32"), "17");
    assert_string_equal(http_reply_header(&reply, "Empty"), "");
    assert_string_equal(http_reply_header(&reply, "Twice"), "1");
    assert_null(http_reply_header(&reply, "HTTP/1.1 200 OK"));
    assert_null(http_reply_header(&reply, "Absent"));
    assert_string_equal(reply.body, "body");
}

static void a_provisional_answer_leaves_no_headers(void **state) {
    struct http_request rq = request(*state);
    struct http_reply reply;
    struct err e = {0};

    snprintf(server->answers[0], LOOPBACK_TEXT_MAX,
             "HTTP/1.1 103 Early Hints\r\nEarly: 1\r\n\r\n"
             "HTTP/1.1 200 OK\r\nLate: 2\r\nContent-Length: 0\r\n\r\n");
    server->answer_count = 1;
    assert_int_equal(http_fetch(client, *state, &rq, &reply, &e), OK);
    assert_null(http_reply_header(&reply, "Early"));
    assert_string_equal(http_reply_header(&reply, "Late"), "2");
}

static void too_many_headers_are_refused(void **state) {
    struct http_request rq = request(*state);
    struct http_reply reply;
    struct err e = {0};
    char *many = arena_alloc(*state, HTTP_REPLY_HEADERS_MAX + 100);

    for (size_t len = 0; len < HTTP_REPLY_HEADERS_MAX;)
        len += (size_t)sprintf(many + len, "X: %060d\r\n", 1);
    loopback_answer(server, "200 OK", many, "");
    assert_int_equal(http_fetch(client, *state, &rq, &reply, &e), ERR_TOO_LARGE);
}

static void put_sends_its_body_and_no_type_of_its_own(void **state) {
    static const char *const headers[] = {"X-A: 1", "X-Empty:", "X-Blank: ", NULL};
    struct http_request rq = request(*state);
    struct http_reply reply;
    struct err e = {0};

    loopback_answer(server, "201 Created", "", "");
    rq.method = "PUT";
    rq.headers = headers;
    rq.body = "text";
    rq.body_len = 4;
    assert_int_equal(http_fetch(client, *state, &rq, &reply, &e), OK);
    assert_int_equal(reply.status, 201);
    assert_int_equal(strncmp(server->requests[0], "PUT /path HTTP/1.1\r\n", 20), 0);
    assert_non_null(strstr(server->requests[0], "\r\nX-A: 1\r\n"));
    assert_non_null(strstr(server->requests[0], "\r\nX-Empty:\r\n"));
    assert_non_null(strstr(server->requests[0], "\r\nX-Blank:\r\n"));
    assert_non_null(strstr(server->requests[0], "\r\nContent-Length: 4\r\n"));
    assert_null(strcasestr(server->requests[0], "Content-Type"));
    assert_non_null(strstr(server->requests[0], "\r\n\r\ntext"));
}

static void one_connection_serves_many_requests(void **state) {
    struct http_request rq = request(*state);
    struct http_reply reply;
    struct err e = {0};

    loopback_answer(server, "200 OK", "", "");
    assert_int_equal(server->connection_count, 0);
    for (int i = 0; i < 5; i++) {
        rq.method = i % 2 ? "POST" : "GET";
        assert_int_equal(http_fetch(client, *state, &rq, &reply, &e), OK);
        assert_int_equal(server->connection_count, 1);
    }
    assert_int_equal(server->request_count, 5);
}

static void a_server_that_hangs_is_left_in_time(void **state) {
    struct http_request rq = request(*state);
    int64_t least_ms = INT64_MAX;

    loopback_fault(server, HANGS);
    rq.timeout_ms = 200;
    rq.connect_timeout_ms = 100;
    for (unsigned tries = 0; tries < TRIES && least_ms >= SOON_MS; tries++) {
        int64_t before_ms = clock_monotonic_ms(), took_ms;
        struct http_reply reply;
        struct err e = {0};

        assert_int_equal(http_fetch(client, *state, &rq, &reply, &e), ERR_UPSTREAM);
        took_ms = clock_monotonic_ms() - before_ms;
        assert_true(took_ms >= 150);
        least_ms = took_ms < least_ms ? took_ms : least_ms;
        /* What was given up is read by the server before the next answers are set. */
        for (int i = 0; i < 10000 && server->request_count <= tries; i++)
            pause_shortly();
        assert_int_equal(server->request_count, tries + 1);
    }
    assert_true(least_ms < SOON_MS);
}

/* Whoever publishes a client document chooses the name server too. */
static void a_name_server_that_hangs_is_left_in_time(void **state) {
    struct http_request rq = request(*state);
    struct http_reply reply;
    struct err e = {0};
    int64_t start = clock_monotonic_ms(), took;

    rq.url = "http://" SLOW_HOST "/";
    rq.timeout_ms = 200;
    names_wait = true;
    name_asked = name_done = false;
    alarm(20); /* without the limit the fetch waits for the name, and the name for us */
    assert_int_equal(http_fetch(client, *state, &rq, &reply, &e), ERR_UPSTREAM);
    took = clock_monotonic_ms() - start;
    alarm(0);
    assert_true(name_asked && !name_done);
    assert_in_range(took, 150, 15000);
    names_wait = false;
    while (!name_done)
        pause_shortly();
    rq = request(*state); /* and the client goes on as ever */
    loopback_answer(server, "200 OK", "", "body");
    assert_int_equal(http_fetch(client, *state, &rq, &reply, &e), OK);
}

static void a_broken_connection_is_a_failure(void **state) {
    struct http_request rq = request(*state);
    struct http_reply reply;
    struct err e = {0};

    loopback_fault(server, RESETS);
    rq.method = "POST";
    assert_int_equal(http_fetch(client, *state, &rq, &reply, &e), ERR_UPSTREAM);
    assert_true(*e.detail);
}

static void what_is_sent_again_is_counted(void **state) {
    struct http_request rq = request(*state);
    struct http_reply reply;
    struct err e = {0};

    assert_true(metrics_open(0));
    rq.counted_as = 1 + UPSTREAM_KEYS;
    loopback_answer(server, "200 OK", "", "");
    loopback_fault(server, RESETS); /* of the kept connection: curl opens another one */
    loopback_answer(server, "200 OK", "", "");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(metrics_value(METRIC_RETRIES, UPSTREAM_KEYS, 0), 0);
        assert_int_equal(http_fetch(client, *state, &rq, &reply, &e), OK);
        assert_int_equal(reply.times_sent, 1 + i);
    }
    assert_int_equal(metrics_value(METRIC_RETRIES, UPSTREAM_KEYS, 0), 1);
    assert_int_equal(metrics_value(METRIC_RETRIES, UPSTREAM_TOKEN, 0), 0);
    assert_int_equal(metrics_value(METRIC_UPSTREAM_CALLS, UPSTREAM_KEYS, OUTCOME_OK), 2);
    metrics_close();
}

#define FAR "192.0.2.1" /* RFC 5737: nobody */

/* The answer of the loopback server, as a proxy, to a request for url; *asked: how many it got. */
static struct err ask_through_proxy(struct arena *a, struct http_request rq, const char *no_proxy,
                                    unsigned *asked) {
    const char *proxy = arena_printf(a, "http://127.0.0.1:%d", server->port);
    struct http_client *c = NULL;
    struct http_reply reply;
    struct err e = {0};

    loopback_reset(server);
    loopback_answer(server, "403 Forbidden", "", "");
    assert_int_equal(
        http_client_new(&(struct http_options){.proxy = proxy, .no_proxy = no_proxy}, &c, &e), OK);
    rq.method = "GET";
    rq.max_reply_bytes = 1000;
    rq.timeout_ms = 500;
    assert_int_equal(http_fetch(c, a, &rq, &reply, &e), ERR_UPSTREAM);
    http_client_free(c);
    *asked = server->request_count;
    return e;
}

static void https_goes_through_the_proxy(void **state) {
    const struct http_request rq = {.url = "https://" FAR "/"};
    unsigned asked;
    struct err e = ask_through_proxy(*state, rq, "other.test", &asked);

    assert_int_equal(asked, 1);
    assert_memory_equal(server->requests[0], "CONNECT " FAR ":443 HTTP/1.1\r\n",
                        sizeof "CONNECT " FAR ":443 HTTP/1.1\r\n" - 1);
    assert_string_equal(e.detail, arena_printf(*state,
                                               "the proxy http://127.0.0.1:%d refuses with status "
                                               "403",
                                               server->port));
}

static void what_is_near_or_excepted_does_not(void **state) {
    const struct {
        struct http_request rq;
        const char *no_proxy;
    } all[] = {
        {{.url = "https://" FAR "/"}, "other.test " FAR},
        {{.url = "https://" FAR "/", .is_local = true}, ""}, /* as metadata endpoints */
        {{.url = "http://" FAR "/"}, ""},
        {{.url = "https://127.0.0.1:9/"}, ""},
        {{.url = "https://localhost:9/"}, ""},
        {{.url = "https://[::1]:9/"}, ""},
    };

    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        unsigned asked;
        const struct err e = ask_through_proxy(*state, all[i].rq, all[i].no_proxy, &asked);

        assert_int_equal(asked, 0);
        assert_null(strstr(e.detail, "proxy"));
    }
}

static void exceptions_are_whole_labels(void **state) {
    static const char list[] = "example.com  .internal 10.0.0.1 [fd00::1]";

    (void)state;
    assert_true(url_host_is_among(list, "example.com"));
    assert_true(url_host_is_among(list, "A.Example.COM."));
    assert_true(url_host_is_among(list, "a.b.internal"));
    assert_true(url_host_is_among(list, "internal"));
    assert_true(url_host_is_among(list, "10.0.0.1"));
    assert_true(url_host_is_among(list, "[FD00::1]"));
    assert_false(url_host_is_among(list, "notexample.com"));
    assert_false(url_host_is_among(list, "example.com.test"));
    assert_false(url_host_is_among(list, "com"));
    assert_false(url_host_is_among(list, "[fd00::11]"));
    assert_false(url_host_is_among(list, ""));
    assert_false(url_host_is_among("", "example.com"));
    assert_false(url_host_is_among(" . ", "example.com"));
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, start, stop)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(reply_headers_can_be_read),
        CASE(a_provisional_answer_leaves_no_headers),
        CASE(too_many_headers_are_refused),
        CASE(put_sends_its_body_and_no_type_of_its_own),
        CASE(one_connection_serves_many_requests),
        CASE(a_server_that_hangs_is_left_in_time),
        CASE(a_broken_connection_is_a_failure),
        CASE(what_is_sent_again_is_counted),
        CASE(a_name_server_that_hangs_is_left_in_time),
        CASE(https_goes_through_the_proxy),
        CASE(what_is_near_or_excepted_does_not),
        cmocka_unit_test(exceptions_are_whole_labels),
    };
    int failed;

    server = loopback_start();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    loopback_stop(server);
    return failed;
}
