/* The bridge's limits on headers and messages, and whose JWT a message has. */
#include "unit.h"

#include <sys/mman.h>
#include <sys/wait.h>

#include "bridge/bridge.h"
#include "bridge/session.h"

static struct bridge b;

static int setup(void **state) {
    (void)state;
    b = (struct bridge){.url = "http://127.0.0.1:1/", .arena = arena_new((size_t)192 << 20)};
    return 0;
}

static int teardown(void **state) {
    (void)state;
    while (b.posts)
        post_free(b.posts);
    arena_free(b.arena);
    return 0;
}

/* What is written to this descriptor between the two. */
static struct { int fd, kept, file; } caught;

static void catch_begin(int fd) {
    (void)fflush(NULL);
    caught.fd = fd;
    caught.kept = dup(fd);
    caught.file = memfd_create("caught", 0);
    assert_true(dup2(caught.file, fd) == fd);
}

static const char *catch_end(void) {
    static char text[65536];
    ssize_t n;

    (void)fflush(NULL);
    assert_true(dup2(caught.kept, caught.fd) == caught.fd);
    n = pread(caught.file, text, sizeof text - 1, 0);
    assert_true(n >= 0);
    text[n] = 0;
    (void)close(caught.kept);
    (void)close(caught.file);
    return text;
}

static unsigned count_lines(const char *text) {
    unsigned n = 0;

    for (; *text; text++)
        n += *text == '\n';
    return n;
}

/* A letter, so many times. */
static char *repeat(size_t count) {
    char *text = arena_alloc(b.arena, count + 1);

    memset(text, 'x', count);
    text[count] = 0;
    return text;
}

/* ---- messages ---- */

static void too_many_requests_are_refused(void **state) {
    const char *said;

    (void)state;
    catch_begin(STDOUT_FILENO);
    for (int64_t id = 1; id <= BRIDGE_REQUESTS_MAX; id++)
        if (!post_new(&b, id, TEXT_LITERAL("{}")))
            fail();
    assert_string_equal(catch_end(), "");
    catch_begin(STDOUT_FILENO);
    assert_null(post_new(&b, 9999, TEXT_LITERAL("{}")));
    said = catch_end();
    assert_non_null(strstr(said, "\"id\":9999,"));
    assert_non_null(strstr(said, "too many requests wait for the server"));
    assert_int_equal(b.requests, BRIDGE_REQUESTS_MAX);
    assert_non_null(post_new(&b, 0, TEXT_LITERAL("{}"))); /* these are counted apart */
    post_free(post_find(&b, 7));
    assert_non_null(post_new(&b, 9999, TEXT_LITERAL("{}")));
}

static void too_many_notifications_are_left_out(void **state) {
    (void)state;
    for (int i = 0; i < BRIDGE_OTHERS_MAX; i++)
        assert_non_null(post_new(&b, 0, TEXT_LITERAL("{}")));
    catch_begin(STDERR_FILENO);
    assert_null(post_new(&b, 0, TEXT_LITERAL("{}")));
    assert_non_null(strstr(catch_end(), "a notification is left out"));
    assert_int_equal(b.others, BRIDGE_OTHERS_MAX);
}

/* ---- headers of a message ---- */

/* A call with so many headers, the first of which has a value of this length. */
static struct json *message(size_t count, size_t len) {
    struct json *headers = json_new_object(b.arena);
    struct json *meta = json_new_member(b.arena, SERVER_META_HEADERS, headers);
    struct json *o = json_new_member(b.arena, "params", json_new_member(b.arena, "_meta", meta));

    json_put_str(o, "method", "tools/call");
    for (size_t i = 0; i < count; i++)
        json_put_str(headers, arena_printf(b.arena, "h%02zu", i), i ? "v" : repeat(len));
    return o;
}

static void a_message_has_so_many_headers(void **state) {
    struct json *m = message(BRIDGE_MESSAGE_HEADERS_MAX, 1);
    struct bridge_post *p = post_new(&b, 1, TEXT_LITERAL("{}"));
    const char *lines, *const none[] = {NULL}, *const * all;
    size_t n = 0;

    (void)state;
    b.is_stateless = true;
    json_put_str(json_get(m, "params"), "name", "t");
    lines = headers_of_message(&b, m);
    assert_int_equal(count_lines(lines), BRIDGE_MESSAGE_HEADERS_MAX + 2);
    assert_int_equal(json_size(json_get(json_get(m, "params"), "_meta")), 0);
    bridge_keep(&p->headers, text_of(lines));
    for (size_t i = 0; i < BRIDGE_HEADERS_MAX; i++)
        b.headers[i] = "a: b";
    strcpy(b.session, "s");
    strcpy(b.version, "1");
    b.service = xstrdup("jwt");
    for (all = bridge_headers(&b, none, p); all[n]; n++)
        ;
    free(b.service);
    assert_int_equal(n, BRIDGE_HEADERS_MAX + BRIDGE_MESSAGE_HEADERS_MAX + 5);
    assert_null(headers_of_message(&b, message(BRIDGE_MESSAGE_HEADERS_MAX + 1, 1)));
}

static void headers_of_a_message_have_so_many_bytes(void **state) {
    const size_t rest = strlen("h00: \n");
    const char *lines = headers_of_message(&b, message(1, BRIDGE_LINES_MAX - rest));

    (void)state;
    assert_int_equal(strlen(lines), BRIDGE_LINES_MAX);
    assert_null(headers_of_message(&b, message(1, BRIDGE_LINES_MAX - rest + 1)));
}

/* ---- headers of the manifest ---- */

static void a_header_has_so_many_bytes(void **state) {
    const char *const groups[] = {repeat(HEADER_BYTES_MAX - 3), repeat(HEADER_BYTES_MAX - 2)};
    char *header = repeat(HEADER_BYTES_MAX);

    (void)state;
    assert_string_equal(header_with_secrets(b.arena, header), header);
    assert_null(header_with_secrets(b.arena, repeat(HEADER_BYTES_MAX + 1)));
    for (int i = 0; i < 2; i++) {
        struct json *caller =
            json_new_member(b.arena, "username", json_new_string(b.arena, groups[i]));
        const char *made = header_with_caller(b.arena, "x: ${caller.username}", caller);

        if (i)
            assert_null(made);
        else
            assert_int_equal(strlen(made), HEADER_BYTES_MAX);
    }
}

static void a_secret_has_so_many_bytes(void **state) {
    char path[UNIT_PATH_MAX];

    (void)state;
    file_make(path);
    assert_int_equal(setenv("KEY_FILE", path, 1), 0);
    file_write(path, repeat(HEADER_SECRET_MAX), 0600);
    assert_int_equal(strlen(header_with_secrets(b.arena, "x: ${KEY}")), HEADER_SECRET_MAX + 3);
    file_write(path, repeat(HEADER_SECRET_MAX + 1), 0600);
    catch_begin(STDERR_FILENO);
    assert_null(header_with_secrets(b.arena, "x: ${KEY}"));
    assert_non_null(strstr(catch_end(), "KEY"));
    (void)unlink(path);
}

/* The exit status of the command with so many headers, and no input. */
static int run_with_headers(int count) {
    char name[] = "bridge", url[] = "http://127.0.0.1:1/", header[] = "a: b";
    char *argv[BRIDGE_HEADERS_MAX + 4] = {name, url};
    const pid_t pid = fork();
    int status = -1;

    if (!pid) {
        const int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);

        for (int i = 0; i < count; i++)
            argv[2 + i] = header;
        (void)dup2(nothing, STDIN_FILENO);
        (void)dup2(nothing, STDERR_FILENO);
        _exit(bridge_command(2 + count, argv));
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WEXITSTATUS(status);
}

static void a_manifest_has_so_many_headers(void **state) {
    (void)state;
    assert_int_equal(run_with_headers(BRIDGE_HEADERS_MAX), 0);
    assert_int_equal(run_with_headers(BRIDGE_HEADERS_MAX + 1), 2);
}

/* ---- JWTs ---- */

static const char *authorization(const struct bridge_post *p) {
    const char *const none[] = {NULL}, *const *h = bridge_headers(&b, none, p);

    while (*h && strncmp(*h, "Authorization: ", strlen("Authorization: ")) != 0)
        h++;
    return *h ? *h : "";
}

static void a_message_has_the_jwt_of_its_user_or_that_of_the_service(void **state) {
    struct bridge_post *p = post_new(&b, 1, TEXT_LITERAL("{}"));

    (void)state;
    assert_string_equal(authorization(p), "");
    b.service = xstrdup("ours");
    assert_string_equal(authorization(p), "Authorization: Bearer ours");
    assert_string_equal(authorization(NULL), "Authorization: Bearer ours");
    post_set_user(p, "first");
    post_set_user(p, "theirs");
    assert_string_equal(authorization(p), "Authorization: Bearer theirs");
    post_set_user(p, NULL);
    assert_string_equal(authorization(p), "Authorization: Bearer ours");
    free(b.service);
}

/* Nothing is sent with a JWT that the server may refuse. */
static void a_call_whose_jwt_is_old_waits_for_a_newer_one(void **state) {
    struct bridge_post *p = post_new(&b, 1, TEXT_LITERAL("{}"));
    struct bridge_post *answer = post_new(&b, 0, TEXT_LITERAL("{}"));

    (void)state;
    b.http = http_streams_new("");
    post_set_user(p, "old");
    post_set_user(answer, "old");
    p->user_ms = answer->user_ms = clock_monotonic_ms() - BRIDGE_USER_MS;
    p->resume_ms = 1;
    catch_begin(STDERR_FILENO);
    assert_true(post_send_due(&b) == INT64_MAX);
    assert_non_null(strstr(catch_end(), "waited for a session for too long"));
    assert_null(p->stream);
    assert_int_equal(p->resume_ms, 1);
    assert_int_equal(b.others, 0);
    post_set_user(p, "new");
    assert_true(post_is_fresh(p));
    assert_true(post_send_due(&b) == INT64_MAX);
    assert_non_null(p->stream);
    assert_int_equal(p->resume_ms, 0);
    http_streams_free(b.http);
    p->stream = NULL;
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(too_many_requests_are_refused),
        TEST(too_many_notifications_are_left_out),
        TEST(a_message_has_so_many_headers),
        TEST(headers_of_a_message_have_so_many_bytes),
        TEST(a_header_has_so_many_bytes),
        TEST(a_secret_has_so_many_bytes),
        TEST(a_manifest_has_so_many_headers),
        TEST(a_message_has_the_jwt_of_its_user_or_that_of_the_service),
        TEST(a_call_whose_jwt_is_old_waits_for_a_newer_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
