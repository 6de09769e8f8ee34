/* Who may use an entry: its groups and claims, and how many there may be. */
#include "unit.h"

#include "catalog/access.h"

static enum rc read_run(struct arena *a, const char *run, struct access *out) {
    struct err e = {0};
    struct manifest m = {.keep = a, .scratch = a, .e = &e};
    struct json *v;

    *out = (struct access){0};
    assert_int_equal(json_parse(a, run, strlen(run), &v, &e), OK);
    return access_read(&m, v, out);
}

static bool admits(struct arena *a, const char *run, const char *groups, const char *claims) {
    struct caller caller = {.scopes = "", .groups = groups, .claims = claims, .arena = a};
    struct access access;

    assert_int_equal(read_run(a, run, &access), OK);
    return access_admits(&access, &caller);
}

static void one_of_the_groups(void **state) {
    assert_true(admits(*state, "{}", NULL, NULL));
    assert_true(admits(*state, "{\"groups\":[\"a\",\"b\"]}", "[\"x\",\"b\"]", "{}"));
    assert_false(
        admits(*state, "{\"groups\":[\"a\",\"b\"]}", "[\"a b\",\"\",\"A\",\"ab\",7,null]", "{}"));
    assert_false(admits(*state, "{\"groups\":[\"a\"]}", "[]", "{}"));
    assert_false(admits(*state, "{\"groups\":[\"a\"]}", NULL, NULL));
    assert_false(admits(*state, "{\"groups\":[\"a\"]}", "\"a\"", NULL));
    assert_false(admits(*state, "{\"groups\":[\"a\"]}", "[\"a\"", NULL)); /* cannot be read */
}

static void each_of_the_claims(void **state) {
    static const char run[] = "{\"required_claims\":{\"a\":1,\"b\":[\"x\",true]}}";

    assert_true(admits(*state, run, "[]", "{\"a\":1,\"b\":true,\"c\":2}"));
    assert_true(admits(*state, run, "[]", "{\"a\":[3,1],\"b\":[\"x\"]}"));
    assert_false(admits(*state, run, "[]", "{\"a\":1}"));
    assert_false(admits(*state, run, "[]", "{\"a\":\"1\",\"b\":true}"));
    assert_false(admits(*state, run, "[]", "{\"a\":[],\"b\":true}"));
    assert_false(admits(*state, run, "[]", "{\"a\":{\"a\":1},\"b\":true}"));
    assert_false(admits(*state, run, "[]", "{\"a\":null,\"b\":true}"));
    assert_false(admits(*state, run, "[]", NULL));
}

static void limits(void **state) {
    struct access access;
    struct buf b;

    buf_init(&b, *state, 32768);
    for (int i = 0; i < ACCESS_GROUPS_BYTES_MAX / 64; i++)
        buf_addf(&b, "%s\"%0*d\"", i ? "," : "", i ? 63 : 64, i);
    assert_int_equal(read_run(*state, arena_printf(*state, "{\"groups\":[%s]}", b.p), &access), OK);
    assert_int_equal(strlen(access.groups), ACCESS_GROUPS_BYTES_MAX);
    assert_int_equal(
        read_run(*state, arena_printf(*state, "{\"groups\":[\"0%s]}", b.p + 1), &access),
        ERR_INVALID_REQUEST);
    buf_init(&b, *state, 32768);
    for (int i = 0; i < ACCESS_CLAIMS_MAX; i++)
        buf_addf(&b, "%s\"c%d\":1", i ? "," : "", i);
    assert_int_equal(
        read_run(*state, arena_printf(*state, "{\"required_claims\":{%s}}", b.p), &access), OK);
    assert_int_equal(read_run(*state,
                              arena_printf(*state, "{\"required_claims\":{%s,\"more\":1}}", b.p),
                              &access),
                     ERR_INVALID_REQUEST);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_of_the_groups, arena_setup, arena_teardown),
        cmocka_unit_test_setup_teardown(each_of_the_claims, arena_setup, arena_teardown),
        cmocka_unit_test_setup_teardown(limits, arena_setup, arena_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
