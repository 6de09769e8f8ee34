/* What is stored of MCP sessions: quotas of a user in the host's cache, and the length of an
 * entry. */
#include "unit.h"

#include "base/json.h"
#include "mcp/session.h"
#include "shared/cache.h"

#define NOW 1000000

static char dir[UNIT_PATH_MAX];

/* In place of the C library's: nobody waits for the disk. */
__attribute__((visibility("default"))) int fdatasync(int fd) {
    (void)fd;
    return 0;
}

/* Saves an entry of the n-th session of the user, with one subscription of so many bytes. */
static enum rc save(struct site *site, const char *user, int n, size_t uri_len, struct err *e) {
    struct arena *a = arena_new(1 << 20);
    char *uri = arena_alloc(a, uri_len + 1);
    struct mcp_session session = {.user = user, .stored = json_new_object(a)};
    struct exchange x = {.site = site};
    struct mcp_call c = {.x = &x, .arena = a, .client.session = &session};
    struct json *uris = json_new_array(a);
    enum rc rc;

    memset(uri, 'x', uri_len);
    json_add_str(uris, uri);
    json_put(session.stored, "uris", uris);
    session.id = arena_printf(a, "%s:%d", user, n);
    session.key = arena_printf(a, SESSION_STORED_PREFIX "%s", session.id);
    rc = mcp_session_save(&c, e);
    arena_free(a);
    return rc;
}

static bool is_there(struct site *site, const char *user, int n) {
    struct arena *a = arena_new(1 << 20);
    bool there = cache_has(site->cache, arena_printf(a, SESSION_STORED_PREFIX "%s:%d", user, n));

    arena_free(a);
    return there;
}

static int count(struct site *site, const char *user, int to) {
    int n = 0;

    for (int i = 0; i < to; i++)
        n += is_there(site, user, i);
    return n;
}

static int setup(void **state) {
    struct site *site = xcalloc(1, sizeof *site);
    struct err e;

    folder_make(dir);
    assert_int_equal(cache_open(dir, 8, &site->clock, &site->cache, &e), OK);
    site->clock.fixed_s = NOW;
    *state = site;
    return 0;
}

static int teardown(void **state) {
    struct site *site = *state;

    cache_close(site->cache);
    free(site);
    folder_remove(dir);
    return 0;
}

static void a_user_has_a_share_and_the_oldest_go(void **state) {
    struct site *site = *state;
    struct err e;

    assert_int_equal(save(site, "bob", 0, 100, &e), OK);
    for (int i = 0; i < SESSION_STORED_USER_MAX + 50; i++) {
        site->clock.fixed_s++;
        assert_int_equal(save(site, "alice", i, 100, &e), OK);
    }
    assert_int_equal(count(site, "alice", SESSION_STORED_USER_MAX + 50), SESSION_STORED_USER_MAX);
    assert_false(is_there(site, "alice", 49));
    assert_true(is_there(site, "alice", 50));
    assert_true(is_there(site, "bob", 0)); /* older than all of them */
}

static void long_entries_count_by_their_bytes(void **state) {
    struct site *site = *state;
    const int fit = SESSION_STORED_USER_BYTES_MAX / SESSION_STORED_BYTES_MAX;
    struct err e;

    for (int i = 0; i < 2 * fit; i++) {
        site->clock.fixed_s++;
        assert_int_equal(save(site, "alice", i, SESSION_STORED_BYTES_MAX - 20, &e), OK);
    }
    assert_in_range(count(site, "alice", 2 * fit), fit - 1, fit + 1);
    assert_true(is_there(site, "alice", 2 * fit - 1));
}

static void an_entry_has_a_limit(void **state) {
    const size_t around = strlen("{\"uris\":[\"\"]}");
    struct err e;

    assert_int_equal(save(*state, "alice", 0, SESSION_STORED_BYTES_MAX - around, &e), OK);
    assert_int_equal(save(*state, "alice", 1, SESSION_STORED_BYTES_MAX - around + 1, &e),
                     ERR_RPC_INVALID_PARAMS);
    assert_false(is_there(*state, "alice", 1));
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {CASE(a_user_has_a_share_and_the_oldest_go),
                                       CASE(long_entries_count_by_their_bytes),
                                       CASE(an_entry_has_a_limit)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
