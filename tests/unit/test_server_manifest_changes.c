/* Which manifests have changed: from one process to many, in memory that they share. */
#include "unit.h"

#include <limits.h>

#include "server/manifest_changes.h"

static struct manifest_changes changes;
static char taken[65536];
static unsigned seen;

static int begin(void **state) {
    (void)state;
    memset(&changes, 0, sizeof changes);
    changes.count = seen = UINT_MAX - 2; /* which overflows in between */
    return 0;
}

static void note(void *arg, const char *path, int64_t at_ms) {
    (void)arg;
    assert_in_range(at_ms, clock_realtime_ms() - 60000, clock_realtime_ms());
    strcat(strcat(taken, path ? path : "(any)"), " ");
}

static const char *take(void) {
    *taken = 0;
    manifest_changes_take(&changes, &seen, note, NULL);
    return taken;
}

static void each_is_taken_once_and_in_order(void **state) {
    (void)state;
    assert_string_equal(take(), "");
    manifest_changes_add(&changes, "/a/1.json");
    manifest_changes_add(&changes, "/a/2.json");
    assert_string_equal(take(), "/a/1.json /a/2.json ");
    assert_string_equal(take(), "");
    manifest_changes_add(&changes, "");
    manifest_changes_add(&changes, "/a");
    assert_string_equal(take(), "(any) /a ");
}

static void who_has_missed_some_is_told_so(void **state) {
    (void)state;
    for (unsigned i = 1; i < MANIFEST_CHANGES_KEPT; i++)
        manifest_changes_add(&changes, "/x");
    assert_int_equal(strlen(take()), 3 * (MANIFEST_CHANGES_KEPT - 1));
    for (unsigned i = 0; i < MANIFEST_CHANGES_KEPT; i++)
        manifest_changes_add(&changes, "/x");
    assert_string_equal(take(), "(any) ");
    assert_string_equal(take(), "");
    manifest_changes_add(&changes, "/y");
    assert_string_equal(take(), "/y ");
}

static void a_path_that_is_too_long_is_any(void **state) {
    char path[MANIFEST_CHANGE_PATH_MAX + 1];

    (void)state;
    memset(path, 'p', sizeof path);
    path[MANIFEST_CHANGE_PATH_MAX - 1] = 0;
    manifest_changes_add(&changes, path);
    assert_int_equal(strlen(take()), MANIFEST_CHANGE_PATH_MAX);
    path[MANIFEST_CHANGE_PATH_MAX - 1] = 'p';
    path[MANIFEST_CHANGE_PATH_MAX] = 0;
    manifest_changes_add(&changes, path);
    assert_string_equal(take(), "(any) ");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(each_is_taken_once_and_in_order, begin),
        cmocka_unit_test_setup(who_has_missed_some_is_told_so, begin),
        cmocka_unit_test_setup(a_path_that_is_too_long_is_any, begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
