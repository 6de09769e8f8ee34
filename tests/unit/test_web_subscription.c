/* Subscriptions of a stream: workers write them, the stream holder reads them. */
#include "unit.h"

#include <stdlib.h>
#include <unistd.h>

#include "web/subscription.h"

static struct text text(const char *s) {
    return (struct text){s, strlen(s)};
}

static void assert_text(struct text t, const char *expected) {
    assert_int_equal(t.len, strlen(expected));
    assert_memory_equal(t.p, expected, t.len);
}

static struct buf a_list(struct arena *a) {
    struct buf b;

    buf_init(&b, a, SUBSCRIPTION_BYTES_MAX);
    subscription_add(&b, SUBSCRIPTION_USER, text("alice"), text(""));
    subscription_add(&b, SUBSCRIPTION_FILE, text("/a"), text("data: file\n\n"));
    subscription_add(&b, SUBSCRIPTION_FOLDER, text("/a"), text("data: folder\n\n"));
    subscription_add(&b, SUBSCRIPTION_TASK, text("t1"), text("data: {"));
    subscription_add(&b, SUBSCRIPTION_END, text(""), text("data: end\n\n"));
    assert_false(b.overflow);
    return b;
}

static void each_is_read_as_it_was_written(void **state) {
    struct buf b = a_list(*state);
    struct text list = {b.p, b.len};
    struct subscription s;
    size_t count = 0;

    while (subscription_next(&list, &s))
        count++;
    assert_int_equal(count, 5);
    assert_int_equal(list.len, 0);
    assert_int_equal(s.kind, SUBSCRIPTION_END);
}

static void a_file_and_a_folder_of_one_path_are_two(void **state) {
    struct buf b = a_list(*state);
    struct text list = {b.p, b.len};
    struct subscription s;

    assert_true(subscription_find(list, SUBSCRIPTION_USER, &s));
    assert_text(s.argument, "alice");
    assert_true(subscription_find_argument(list, SUBSCRIPTION_FILE, text("/a"), &s));
    assert_text(s.text, "data: file\n\n");
    assert_true(subscription_find_argument(list, SUBSCRIPTION_FOLDER, text("/a"), &s));
    assert_text(s.text, "data: folder\n\n");
    assert_false(subscription_find_argument(list, SUBSCRIPTION_TASK, text("t"), &s));
    assert_null(s.text.p);
    assert_false(subscription_find(list, SUBSCRIPTION_KEY, &s));
}

static void one_without_a_text_has_that_of_the_one_before(void **state) {
    struct subscription s;
    struct text list;
    struct buf b;

    buf_init(&b, *state, SUBSCRIPTION_BYTES_MAX);
    subscription_add(&b, SUBSCRIPTION_FOLDER, text("/first"), text(""));
    subscription_add(&b, SUBSCRIPTION_FOLDER, text("/a"), text("data: folder\n\n"));
    subscription_add(&b, SUBSCRIPTION_FOLDER, text("/b"), text(""));
    subscription_add(&b, SUBSCRIPTION_FOLDER, text("/c"), text(""));
    list = (struct text){b.p, b.len};
    assert_true(subscription_find_argument(list, SUBSCRIPTION_FOLDER, text("/c"), &s));
    assert_text(s.text, "data: folder\n\n");
    assert_true(subscription_find_argument(list, SUBSCRIPTION_FOLDER, text("/first"), &s));
    assert_int_equal(s.text.len, 0);
}

static void several_may_wait_for_the_same(void **state) {
    struct subscription s = {0};
    struct text list;
    struct buf b;

    buf_init(&b, *state, SUBSCRIPTION_BYTES_MAX);
    subscription_add(&b, SUBSCRIPTION_FOLDER, text("/a"), text("data: a\n\n"));
    subscription_add(&b, SUBSCRIPTION_FOLDER, text("/all"), text(""));
    subscription_add(&b, SUBSCRIPTION_FOLDER, text("/all"), text(""));
    subscription_add(&b, SUBSCRIPTION_FILE, text("/all"), text("data: file\n\n"));
    subscription_add(&b, SUBSCRIPTION_FOLDER, text("/all"), text("data: b\n\n"));
    list = (struct text){b.p, b.len};
    for (const char *const *expected = (const char *const[]){"a", "a", "b", NULL}; *expected;
         expected++) {
        assert_true(subscription_next_argument(&list, SUBSCRIPTION_FOLDER, text("/all"), &s));
        assert_memory_equal(s.text.p + strlen("data: "), *expected, 1);
    }
    assert_false(subscription_next_argument(&list, SUBSCRIPTION_FOLDER, text("/all"), &s));
}

/* Cut off anywhere, or with any other byte in it: nothing is read beyond its end. */
static void what_is_damaged_is_not_read_beyond_its_end(void **state) {
    struct buf b = a_list(*state);
    struct subscription s;

    for (size_t len = 0; len < b.len; len++) {
        char *copy = malloc(len + 1);
        struct text list = {copy, len};

        assert_non_null(copy);
        memcpy(copy, b.p, len);
        while (subscription_next(&list, &s))
            assert_true(s.text.p + s.text.len <= copy + len);
        free(copy);
    }
    for (size_t i = 0; i < b.len; i++) {
        char kept = b.p[i];
        struct text list = {b.p, b.len};

        b.p[i] = (char)0xff;
        while (subscription_next(&list, &s))
            assert_true(s.kind >= SUBSCRIPTION_FILE && s.kind <= SUBSCRIPTION_EVENT_IDS &&
                        s.text.p + s.text.len <= b.p + b.len);
        b.p[i] = kept;
    }
}

static void paths_of_folders_are_absolute(void **state) {
    char path[SUBSCRIPTION_PATH_MAX], here[SUBSCRIPTION_PATH_MAX];

    (void)state;
    assert_true(subscription_folder_path("/etc/tools.d//", path));
    assert_string_equal(path, "/etc/tools.d");
    assert_true(subscription_folder_path("/", path));
    assert_string_equal(path, "/");
    assert_false(subscription_folder_path("", path));
    assert_non_null(getcwd(here, sizeof here));
    assert_true(subscription_folder_path("tools.d/", path));
    assert_memory_equal(path, here, strlen(here));
    assert_string_equal(path + strlen(here), "/tools.d");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_ARENA(each_is_read_as_it_was_written),
        WITH_ARENA(a_file_and_a_folder_of_one_path_are_two),
        WITH_ARENA(one_without_a_text_has_that_of_the_one_before),
        WITH_ARENA(several_may_wait_for_the_same),
        WITH_ARENA(what_is_damaged_is_not_read_beyond_its_end),
        cmocka_unit_test(paths_of_folders_are_absolute),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
