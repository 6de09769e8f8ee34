/* Requests to the runner: what is written is read, and nothing else. */
#include "unit.h"

#include "runner/request.h"

static const char *const argv[] = {"/bin/sh", "-c", "", NULL};
static const char *const envp[] = {"A=1", "B=", NULL};
static const char *const reads[] = {"/srv/a", NULL};
static const char *const writes[] = {"/srv/b", "/srv/c", NULL};
static const struct run_request whole = {.argv = argv,
                                         .envp = envp,
                                         .read = reads,
                                         .write = writes,
                                         .dir = "/srv",
                                         .limits = {.memory = 1 << 20, .processes = 7},
                                         .home = true,
                                         .secrets = 2};

static char message[RUN_REQUEST_MAX];
static struct run_strings strings;

static void assert_same_list(const char *const *a, const char *const *b) {
    size_t i = 0;

    for (; a[i] && b[i]; i++)
        assert_string_equal(a[i], b[i]);
    assert_ptr_equal(a[i], b[i]);
}

static void what_is_written_is_read(void **state) {
    size_t len = run_request_encode(&whole, message);
    struct run_request r;

    (void)state;
    assert_true(len > 0);
    assert_int_equal(run_request_decode(message, len, &strings, &r), RUN_PROGRAM);
    assert_same_list(r.argv, argv);
    assert_same_list(r.envp, envp);
    assert_same_list(r.read, reads);
    assert_same_list(r.write, writes);
    assert_string_equal(r.dir, "/srv");
    assert_memory_equal(&r.limits, &whole.limits, sizeof r.limits);
    assert_true(r.home);
    assert_int_equal(r.secrets, 2);
}

static void lists_may_be_missing(void **state) {
    const struct run_request few = {.argv = argv, .dir = "/"};
    size_t len = run_request_encode(&few, message);
    struct run_request r;

    (void)state;
    assert_int_equal(run_request_decode(message, len, &strings, &r), RUN_PROGRAM);
    assert_null(r.envp[0]);
    assert_null(r.read[0]);
    assert_null(r.write[0]);
}

static void every_shorter_message_is_refused(void **state) {
    size_t len = run_request_encode(&whole, message);
    struct run_request r;

    (void)state;
    for (size_t n = 0; n < len; n++)
        assert_int_equal(run_request_decode(message, n, &strings, &r), 0);
    message[len] = 0; /* one string too many */
    assert_int_equal(run_request_decode(message, len + 1, &strings, &r), 0);
}

static void relative_paths_and_nameless_variables_are_refused(void **state) {
    static const char *const relative[] = {"bin/sh", NULL}, *const nameless[] = {"=1", NULL},
                             *const plain[] = {"A", NULL};
    const struct run_request wrong[] = {{.argv = relative, .dir = "/"},
                                        {.argv = argv, .dir = "srv"},
                                        {.argv = argv, .dir = "/", .read = relative},
                                        {.argv = argv, .dir = "/", .write = relative},
                                        {.argv = argv, .dir = "/", .envp = nameless},
                                        {.argv = argv, .dir = "/", .envp = plain}};

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct run_request r;
        size_t len = run_request_encode(&wrong[i], message);

        assert_true(len > 0);
        assert_int_equal(run_request_decode(message, len, &strings, &r), 0);
    }
}

static void what_is_out_of_range_is_refused(void **state) {
    struct run_request r, wrong[4] = {whole, whole, whole, whole};

    (void)state;
    wrong[0].limits.memory = -1;
    wrong[1].limits.processes = 1000001;
    wrong[2].limits.cpu_weight = 10001;
    wrong[3].limits.file_size = INT64_MAX;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        size_t len = run_request_encode(&wrong[i], message);

        assert_int_equal(run_request_decode(message, len, &strings, &r), 0);
    }
}

static void another_version_is_refused(void **state) {
    size_t len = run_request_encode(&whole, message);
    struct run_request r;

    (void)state;
    message[0]++;
    assert_int_equal(run_request_decode(message, len, &strings, &r), 0);
}

static void what_is_too_large_is_not_written(void **state) {
    static const char *many[RUN_ARGS_MAX + 2];
    static char large[RUN_REQUEST_MAX];
    const char *const two[] = {"/bin/sh", large, NULL};
    struct run_request r = {.argv = two, .dir = "/"};

    (void)state;
    memset(large, 'x', sizeof large - 1);
    assert_int_equal(run_request_encode(&r, message), 0);
    for (size_t i = 0; i <= RUN_ARGS_MAX; i++)
        many[i] = "/";
    r.argv = many;
    assert_int_equal(run_request_encode(&r, message), 0);
    many[RUN_ARGS_MAX] = NULL;
    assert_true(run_request_encode(&r, message) > 0);
    r.secrets = RUN_SECRETS_MAX + 1;
    assert_int_equal(run_request_encode(&r, message), 0);
}

static void a_question_is_two_words(void **state) {
    const struct run_question question = {RUN_VERSION, RUN_STATE};
    struct run_request r;

    (void)state;
    assert_int_equal(run_request_decode((const char *)&question, sizeof question, &strings, &r),
                     RUN_STATE);
    assert_int_equal(run_request_decode((const char *)&question, 4, &strings, &r), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(lists_may_be_missing),
        cmocka_unit_test(every_shorter_message_is_refused),
        cmocka_unit_test(relative_paths_and_nameless_variables_are_refused),
        cmocka_unit_test(what_is_out_of_range_is_refused),
        cmocka_unit_test(another_version_is_refused),
        cmocka_unit_test(what_is_too_large_is_not_written),
        cmocka_unit_test(a_question_is_two_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
