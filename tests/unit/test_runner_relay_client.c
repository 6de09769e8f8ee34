/* A caller's side of a relay: what it learns of its request, and which connections it keeps. */
#include "unit.h"

#include <sys/socket.h>
#include <sys/wait.h>

#include "runner/relay_client.h"

#define WAIT_MS 10000
#define LINE "a request\n"

static struct arena *a;
/* The relay's end; -1: it is closed. */
static int relay = -1;

static struct exchange_test {
    bool answered;
    unsigned lines;
    size_t longest;
    const char *says;   /* once the request was sent; NULL: nothing */
    bool reads, closes; /* … before that, and after it */
    bool waits_no_more;
    int wakes; /* a descriptor that is readable; -1: none */
    bool is_renewed;
} x;

static struct instance_key key_of(uint8_t id, uint8_t revision) {
    return (struct instance_key){.id = {id}, .revision = {revision}};
}

static void take_line(void *arg, const char *line, size_t len) {
    (void)arg;
    x.lines++;
    x.longest = len > x.longest ? len : x.longest;
    x.answered = line[0] == 'A';
}

/* What the relay does while the caller waits. */
static int act(void *arg) {
    char read_bytes[64];

    (void)arg;
    if (x.waits_no_more)
        return -1;
    if (relay >= 0 && x.reads)
        (void)!recv(relay, read_bytes, sizeof read_bytes, MSG_DONTWAIT);
    if (relay >= 0 && x.says)
        assert_int_equal(send(relay, x.says, strlen(x.says), MSG_NOSIGNAL), strlen(x.says));
    x.says = NULL;
    if (relay >= 0 && x.closes) {
        (void)close(relay);
        relay = -1;
    }
    return WAIT_MS;
}

static struct relay_connection *connect_as(struct instance_key key) {
    int ends[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    if (relay >= 0)
        (void)close(relay);
    relay = ends[1];
    return relay_connection_make(&key, ends[0]);
}

static enum exchange_end run_for(struct relay_connection *c, int64_t ms) {
    const struct relay_exchange spec = {.request = TEXT_LITERAL(LINE),
                                        .file = -1,
                                        .until_ms = clock_monotonic_ms() + ms,
                                        .on_line = take_line,
                                        .answered = &x.answered,
                                        .waiter.watch = &x.wakes,
                                        .waiter.before_wait = act};

    x.answered = false;
    return relay_exchange(a, c, &spec);
}

#define RENEWAL "newer\n"
static struct text renewal(void *arg) {
    (void)arg;
    x.is_renewed = true;
    return TEXT_LITERAL(RENEWAL);
}

/* The relay ends with a renewal that it has not read. */
static int end_after_renewal(void *arg) {
    (void)arg;
    if (x.is_renewed && relay >= 0) {
        (void)close(relay);
        relay = -1;
    }
    return 5;
}

static enum exchange_end run(struct relay_connection *c) {
    return run_for(c, WAIT_MS);
}

static int setup_exchange(void **state) {
    const struct instance_key key = key_of(1, 1);
    struct relay_connection *c = relay_connection_find(&key);

    (void)state;
    if (c)
        relay_connection_close(c);
    a = arena_new(UNIT_ARENA_BYTES);
    x = (struct exchange_test){.reads = true, .wakes = -1};
    return 0;
}

static int teardown_exchange(void **state) {
    (void)state;
    arena_free(a);
    return 0;
}

static void a_connection_on_which_was_answered_is_kept(void **state) {
    const struct instance_key key = key_of(1, 1), other = key_of(2, 1), changed = key_of(1, 2);
    struct relay_connection *c = connect_as(key);

    (void)state;
    x.says = "ready\nA\n";
    assert_int_equal(run(c), EXCHANGE_ANSWERED);
    assert_int_equal(x.lines, 2);
    assert_ptr_equal(relay_connection_find(&key), c);
    assert_null(relay_connection_find(&other));
    assert_null(relay_connection_find(&changed));
    x.says = "A\n";
    assert_int_equal(run(c), EXCHANGE_ANSWERED);
    relay_connection_close(c);
    assert_null(relay_connection_find(&key));
}

static void nothing_is_passed_on_after_the_answer(void **state) {
    struct relay_connection *c = connect_as(key_of(1, 1));

    (void)state;
    x.says = "A\nlate\n";
    assert_int_equal(run(c), EXCHANGE_ANSWERED);
    assert_int_equal(x.lines, 1);
}

static void a_request_that_nobody_has_read_may_be_sent_again(void **state) {
    const struct instance_key key = key_of(1, 1);
    struct relay_connection *c = connect_as(key);

    (void)state;
    x.reads = false;
    x.closes = true; /* with the request in it */
    assert_int_equal(run(c), EXCHANGE_UNREAD);
    assert_null(relay_connection_find(&key));

    c = connect_as(key);
    x = (struct exchange_test){.reads = true, .closes = true, .wakes = -1}; /* and said nothing */
    assert_int_equal(run(c), EXCHANGE_UNREAD);

    c = connect_as(key);
    x = (struct exchange_test){.reads = true, .says = "A\n", .wakes = -1};
    assert_int_equal(run(c), EXCHANGE_ANSWERED);
    (void)close(relay); /* while nobody waits */
    relay = -1;
    assert_int_equal(run(c), EXCHANGE_UNREAD);

    c = connect_as(key);
    x = (struct exchange_test){.reads = true, .says = "A\n", .wakes = -1};
    assert_int_equal(run(c), EXCHANGE_ANSWERED);
    x = (struct exchange_test){.closes = true, .wakes = -1}; /* with the second request in it */
    assert_int_equal(run(c), EXCHANGE_UNREAD);
}

static void a_request_that_was_read_is_lost(void **state) {
    struct relay_connection *c = connect_as(key_of(1, 1));

    (void)state;
    x.says = "A\n";
    assert_int_equal(run(c), EXCHANGE_ANSWERED);
    x.closes = true;
    assert_int_equal(run(c), EXCHANGE_LOST);
}

static struct relay_exchange renewed_exchange(int (*before_wait)(void *arg)) {
    return (struct relay_exchange){.request = TEXT_LITERAL(LINE),
                                   .file = -1,
                                   .until_ms = clock_monotonic_ms() + 500,
                                   .on_line = take_line,
                                   .answered = &x.answered,
                                   .waiter.before_wait = before_wait,
                                   .renew = renewal,
                                   .renew_ms = 20};
}

static void a_caller_that_waits_sends_newer_lines(void **state) {
    const struct relay_exchange spec = renewed_exchange(NULL);
    struct relay_connection *c = connect_as(key_of(1, 1));
    char sent[64];

    (void)state;
    assert_int_equal(send(relay, "ready\n", 6, 0), 6);
    assert_int_equal(relay_exchange(a, c, &spec), EXCHANGE_TIMED_OUT);
    assert_int_equal(recv(relay, sent, sizeof sent, 0), sizeof sent);
    assert_memory_equal(sent, LINE RENEWAL RENEWAL, strlen(LINE RENEWAL RENEWAL));
}

/* Who has not begun to read gets nothing but the request. */
static void a_relay_that_has_not_spoken_is_sent_no_newer_line(void **state) {
    const struct relay_exchange spec = renewed_exchange(NULL);
    struct relay_connection *c = connect_as(key_of(1, 1));
    char sent[64];

    (void)state;
    assert_int_equal(relay_exchange(a, c, &spec), EXCHANGE_TIMED_OUT);
    assert_int_equal(recv(relay, sent, sizeof sent, 0), strlen(LINE));
}

/* The request may have been read: it must not be sent to another relay. */
static void a_request_is_lost_when_only_a_newer_line_was_not_read(void **state) {
    const struct relay_exchange spec = renewed_exchange(end_after_renewal);
    struct relay_connection *c = connect_as(key_of(1, 1));
    enum exchange_end end;

    (void)state;
    assert_int_equal(send(relay, "ready\n", 6, 0), 6);
    end = relay_exchange(a, c, &spec);
    assert_true(x.is_renewed);
    assert_int_equal(end, EXCHANGE_LOST);
}

static void what_is_said_before_the_end_is_heard(void **state) {
    const struct instance_key key = key_of(1, 1);
    struct relay_connection *c = connect_as(key);

    (void)state;
    assert_int_equal(send(relay, "A\n", 2, MSG_NOSIGNAL), 2);
    (void)close(relay);
    relay = -1;
    assert_int_equal(run(c), EXCHANGE_ANSWERED);
}

static void a_line_has_a_limit(void **state) {
    char *text = arena_alloc(a, RELAY_MESSAGE_MAX + 3);

    (void)state;
    for (size_t over = 0; over < 2; over++) {
        struct relay_connection *c = connect_as(key_of(1, 1));
        int size = 2 * (int)RELAY_MESSAGE_MAX;
        pid_t pid;

        memset(text, 'A', RELAY_MESSAGE_MAX + over);
        text[RELAY_MESSAGE_MAX + over] = '\n';
        (void)setsockopt(relay, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
        pid = fork();
        if (pid == 0) {
            for (size_t sent = 0, len = RELAY_MESSAGE_MAX + over + 1; sent < len;) {
                const ssize_t n = send(relay, text + sent, len - sent, MSG_NOSIGNAL);

                if (n <= 0)
                    break;
                sent += (size_t)n;
            }
            _exit(0);
        }
        assert_true(pid > 0);
        x = (struct exchange_test){.wakes = -1};
        assert_int_equal(run(c), over ? EXCHANGE_TOO_LONG : EXCHANGE_ANSWERED);
        assert_int_equal(x.longest, over ? 0 : RELAY_MESSAGE_MAX);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
    }
}

static void a_request_that_nobody_waits_for_closes_its_connection(void **state) {
    const struct instance_key key = key_of(1, 1);
    char byte;
    int ends[2];

    (void)state;
    x.waits_no_more = true;
    assert_int_equal(run(connect_as(key)), EXCHANGE_CANCELLED);
    assert_null(relay_connection_find(&key));

    x = (struct exchange_test){.wakes = -1};
    assert_int_equal(run_for(connect_as(key), 20), EXCHANGE_TIMED_OUT);
    assert_null(relay_connection_find(&key));

    assert_int_equal(pipe(ends) || write(ends[1], "x", 1) != 1, 0);
    x = (struct exchange_test){.wakes = ends[0]};
    assert_int_equal(run(connect_as(key)), EXCHANGE_CANCELLED);
    assert_int_equal(recv(relay, &byte, 1, 0), 1);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

static void as_many_connections_are_kept_as_may_be(void **state) {
    const struct instance_key first = key_of(10, 0), last = key_of(10 + RELAY_KEPT_MAX, 0);

    (void)state;
    for (uint8_t i = 0; i < RELAY_KEPT_MAX; i++)
        (void)connect_as(key_of((uint8_t)(10 + i), 0));
    assert_non_null(relay_connection_find(&first));
    (void)connect_as(last);
    assert_null(relay_connection_find(&first));
    assert_non_null(relay_connection_find(&last));
}

static void a_forked_process_has_none(void **state) {
    const struct instance_key key = key_of(1, 1);
    int status = -1;
    pid_t pid;

    (void)state;
    (void)connect_as(key);
    pid = fork();
    if (pid == 0)
        _exit(relay_connection_find(&key) ? 1 : 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_non_null(relay_connection_find(&key));
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_exchange, teardown_exchange)
    const struct CMUnitTest tests[] = {
        TEST(a_connection_on_which_was_answered_is_kept),
        TEST(nothing_is_passed_on_after_the_answer),
        TEST(a_request_that_nobody_has_read_may_be_sent_again),
        TEST(a_request_that_was_read_is_lost),
        TEST(a_caller_that_waits_sends_newer_lines),
        TEST(a_relay_that_has_not_spoken_is_sent_no_newer_line),
        TEST(a_request_is_lost_when_only_a_newer_line_was_not_read),
        TEST(what_is_said_before_the_end_is_heard),
        TEST(a_line_has_a_limit),
        TEST(a_request_that_nobody_waits_for_closes_its_connection),
        TEST(as_many_connections_are_kept_as_may_be),
        TEST(a_forked_process_has_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
