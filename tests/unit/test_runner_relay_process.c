/* The limits of a relay's process: its callers, and what it reads and keeps of each and of the
 * server. */
#include "unit.h"

#include <sys/mman.h>
#include <sys/socket.h>

#include "runner/relay.c"

static struct relay r;
static struct relay_figures figures;
static struct relay_record record;
static int far_control;

static int setup(void **state) {
    int ends[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    far_control = ends[1];
    r = (struct relay){.control = ends[0],
                       .state = RELAY_RUNNING,
                       .deadline_ms = INT64_MAX,
                       .lists_file = -1,
                       .in = open("/dev/null", O_WRONLY | O_CLOEXEC),
                       .out = -1,
                       .err = -1,
                       .run = -1,
                       .key = {.call_ms = 60000, .name = "test"},
                       .initialize = "{}",
                       .place = {&record, &figures}};
    r.arena = arena_new(ARENA_MAX);
    r.keep = arena_new((size_t)1 << 20);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    for (unsigned i = 0; i < r.callers_used; i++)
        if (r.callers[i].fd >= 0)
            close_caller(&r, &r.callers[i]);
    descriptor_clear(&r.in);
    descriptor_clear(&r.out);
    descriptor_clear(&r.err);
    relay_queue_free(&r.to_server);
    relay_queue_free(&r.from_server);
    relay_queue_free(&r.errors);
    (void)close(r.control);
    (void)close(far_control);
    arena_free(r.arena);
    arena_free(r.keep);
    return 0;
}

/* Returns its own end. */
static int add_caller(void) {
    int ends[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    assert_true(packet_send(far_control, RELAY_WORD_CALLER, 1, &ends[1], 1));
    (void)close(ends[1]);
    read_control(&r);
    return ends[0];
}

static bool is_closed(int fd) {
    char c;

    return recv(fd, &c, 1, MSG_DONTWAIT | MSG_PEEK) == 0;
}

/* One more takes the place of a caller that rests, if there is one. */
static void so_many_callers_are_connected(void **state) {
    int ends[RELAY_CALLERS_MAX], other;

    (void)state;
    for (int i = 0; i < RELAY_CALLERS_MAX; i++)
        ends[i] = add_caller();
    assert_int_equal(r.callers_used, RELAY_CALLERS_MAX);
    assert_false(is_closed(ends[0]) || is_closed(ends[RELAY_CALLERS_MAX - 1]));
    other = add_caller();
    assert_true(is_closed(other));
    (void)close(other);
    r.callers[7].has_asked = true; /* and was answered */
    other = add_caller();
    assert_false(is_closed(other));
    assert_true(is_closed(ends[7]));
    (void)close(other);
    for (int i = 0; i < RELAY_CALLERS_MAX; i++)
        (void)close(ends[i]);
}

/* A file in memory with so many bytes, of which the last is `end`, read from its beginning. */
static int file_of(size_t len, char end) {
    const int fd = memfd_create("lines", MFD_CLOEXEC);
    char *bytes = malloc(len);

    assert_non_null(bytes);
    memset(bytes, ' ', len);
    bytes[len - 1] = end;
    assert_int_equal(write(fd, bytes, len), len);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    free(bytes);
    return fd;
}

static void read_all(size_t len) {
    r.out = file_of(len, '\n');
    while (r.out >= 0)
        read_server(&r);
}

static void a_line_of_the_server_has_so_many_bytes(void **state) {
    (void)state;
    read_all(RELAY_MESSAGE_MAX + 1); /* with its newline */
    assert_null(r.why);
    read_all(RELAY_MESSAGE_MAX + 2);
    assert_non_null(strstr(r.why, "a message of more than 8388608 bytes"));
}

/* Puts so many bytes into the queue of caller 0, and lets it be looked at. */
static bool reads_with(size_t len) {
    const int end = add_caller();
    char *bytes = calloc(1, len - 1);
    bool ok;

    assert_non_null(bytes);
    memset(bytes, ' ', len - 1);
    relay_queue_add(&r.callers[0].in, bytes, len - 1);
    free(bytes);
    assert_int_equal(send(end, " ", 1, 0), 1);
    ok = read_caller(&r, &r.callers[0]);
    (void)close(end);
    close_caller(&r, &r.callers[0]);
    return ok;
}

static void a_line_of_a_caller_has_so_many_bytes(void **state) {
    (void)state;
    assert_true(reads_with(RELAY_MESSAGE_MAX));
    assert_false(reads_with(RELAY_MESSAGE_MAX + 1));
}

/* Of a caller that keeps its connection. */
static void a_long_line_that_was_read_takes_no_memory(void **state) {
    static const char request[] = "{\"method\":\"x\",\"id\":1}";
    struct relay_queue *in = &r.callers[0].in;
    const int end = add_caller();
    char *spaces = malloc(RELAY_MESSAGE_MAX);

    (void)state;
    assert_non_null(spaces);
    memset(spaces, ' ', RELAY_MESSAGE_MAX);
    relay_queue_add(in, request, sizeof request - 1);
    relay_queue_add(in, spaces, RELAY_MESSAGE_MAX - sizeof request);
    free(spaces);
    assert_int_equal(send(end, "\n", 1, 0), 1);
    assert_true(read_caller(&r, &r.callers[0]));
    assert_int_equal(in->len, 0);
    assert_in_range(in->cap, 0, RELAY_MESSAGE_MAX / 8);
    (void)close(end);
}

/* Of a caller that reads nothing. */
static void so_many_bytes_wait_for_a_caller(void **state) {
    const int end = add_caller();
    char *bytes = calloc(1, CALLER_QUEUE_MAX);
    struct relay_caller *c = &r.callers[0];

    (void)state;
    assert_non_null(bytes);
    c->greeted = true;
    while (send(c->fd, bytes, 65536, MSG_DONTWAIT) > 0)
        ;
    relay_queue_add(&c->out, bytes, CALLER_QUEUE_MAX);
    (void)finish_round(&r);
    assert_int_equal(c->out.len, CALLER_QUEUE_MAX);
    assert_true(c->fd >= 0);
    relay_queue_add(&c->out, bytes, 1);
    (void)finish_round(&r);
    assert_int_equal(c->fd, -1);
    free(bytes);
    (void)close(end);
}

/* What is logged of so many bytes of stderr. */
static const char *logged(int file) {
    static char text[1 << 20];
    const int kept = dup(STDERR_FILENO), out = memfd_create("log", MFD_CLOEXEC);
    ssize_t n;

    log_set_level(LOG_INFO);
    assert_int_equal(dup2(out, STDERR_FILENO), STDERR_FILENO);
    r.err = file;
    while (r.err >= 0)
        read_errors(&r);
    assert_int_equal(dup2(kept, STDERR_FILENO), STDERR_FILENO);
    log_set_level(LOG_ERROR);
    n = pread(out, text, sizeof text - 1, 0);
    assert_true(n >= 0);
    text[n] = 0;
    (void)close(kept);
    (void)close(out);
    return text;
}

static unsigned count(const char *text, const char *part) {
    unsigned n = 0;

    while ((text = strstr(text, part))) {
        text += strlen(part);
        n++;
    }
    return n;
}

static int file_of_lines(unsigned lines) {
    const int fd = memfd_create("lines", MFD_CLOEXEC);

    for (unsigned i = 0; i < lines; i++)
        assert_int_equal(write(fd, "x\n", 2), 2);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

static void so_many_lines_of_stderr_are_logged_in_a_second(void **state) {
    (void)state;
    r.errors_from_ms = clock_monotonic_ms() + 60000; /* so that the second is not over */
    assert_int_equal(count(logged(file_of_lines(STDERR_LINES_MAX)), "server_stderr"),
                     STDERR_LINES_MAX);
    assert_int_equal(count(logged(file_of_lines(1)), "server_stderr"), 0);
    r.errors_from_ms = clock_monotonic_ms() - 1000;
    assert_int_equal(count(logged(file_of_lines(STDERR_LINES_MAX + 1)), "server_stderr"),
                     STDERR_LINES_MAX);
}

/* Its end is not waited for then. */
static void a_line_of_stderr_has_so_many_bytes(void **state) {
    (void)state;
    assert_int_equal(count(logged(file_of(STDERR_LINE_MAX, ' ')), "server_stderr"), 0);
    assert_int_equal(r.errors.len, STDERR_LINE_MAX);
    assert_int_equal(count(logged(file_of(1, ' ')), "server_stderr"), 1);
    assert_int_equal(r.errors.len, 0);
}

/* ---- the service's JWT ---- */

static void send_service(size_t len) {
    const int file = file_of(len, 'y');

    assert_true(packet_send(far_control, RELAY_WORD_SERVICE, 1, &file, 1));
    (void)close(file);
    read_control(&r);
}

static void a_jwt_for_the_bridge_has_so_many_bytes(void **state) {
    (void)state;
    send_service(SERVER_SERVICE_MAX + 1);
    assert_int_equal(r.to_server.len, 0);
    send_service(SERVER_SERVICE_MAX);
    assert_int_equal(r.to_server.len,
                     strlen("{\"mcp-authd/service\":\"\"}\n") + SERVER_SERVICE_MAX);
    assert_int_equal(r.callers_used, 0);
    assert_false(r.retired);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(so_many_callers_are_connected),
        TEST(a_line_of_the_server_has_so_many_bytes),
        TEST(a_line_of_a_caller_has_so_many_bytes),
        TEST(a_long_line_that_was_read_takes_no_memory),
        TEST(so_many_bytes_wait_for_a_caller),
        TEST(so_many_lines_of_stderr_are_logged_in_a_second),
        TEST(a_line_of_stderr_has_so_many_bytes),
        TEST(a_jwt_for_the_bridge_has_so_many_bytes),
    };

    log_set_level(LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
