/* The host's cache: values and quotas. */
#include "unit.h"

#include <signal.h>
#include <sys/wait.h>

#include "shared/cache.h"
#include "shared/lmdb.h"

#define NOW 1000000

/* In place of the C library's: nobody waits for the disk. */
__attribute__((visibility("default"))) int fdatasync(int fd) {
    (void)fd;
    return 0;
}

struct fixture {
    char dir[UNIT_PATH_MAX];
    struct arena *arena;
    struct cache *cache;
    struct clock clock;
    struct err e;
};

static int setup(void **state) {
    struct fixture *f = xcalloc(1, sizeof *f);

    folder_make(f->dir);
    f->arena = arena_new(1 << 20);
    assert_int_equal(cache_open(f->dir, 8, &f->clock, &f->cache, &f->e), OK);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    static const char *const files[] = {"data.mdb", "lock.mdb", "writers"};

    cache_close(f->cache);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        (void)unlink(arena_printf(f->arena, "%s/%s", f->dir, files[i]));
    assert_int_equal(rmdir(f->dir), 0);
    arena_free(f->arena);
    free(f);
    return 0;
}

static bool has(struct fixture *f, const char *key, int64_t now_s) {
    struct cache_entry entry;
    bool found;

    f->clock.fixed_s = now_s;
    found = !cache_get(f->cache, f->arena, key, &entry, &f->e);
    assert_int_equal(cache_has(f->cache, key), found);
    return found;
}

static void put(struct fixture *f, const char *key, int64_t now_s, size_t most) {
    const struct cache_entry entry = cache_text_entry("v", 60);

    f->clock.fixed_s = now_s;
    assert_int_equal(cache_set(f->cache, key, &entry, most, &f->e), OK);
}

static enum rc add(struct fixture *f, const char *key, int64_t now_s, size_t most) {
    const struct cache_entry entry = cache_text_entry("", 60);

    f->clock.fixed_s = now_s;
    return cache_add(f->cache, key, &entry, most, &f->e);
}

/* Without a limit to its kind. */
static enum rc keep(struct fixture *f, const char *key, const void *value, size_t len,
                    int64_t ttl_s) {
    const struct cache_entry entry = {.value = value, .len = len, .ttl_s = ttl_s};

    return cache_set(f->cache, key, &entry, 0, &f->e);
}

static void a_value_ends_by_itself(void **state) {
    struct fixture *f = *state;

    put(f, "doc:a", NOW, 8);
    assert_true(has(f, "doc:a", NOW + 59));
    assert_false(has(f, "doc:a", NOW + 60));
    assert_int_equal(f->e.code, ERR_MISSING);
    assert_true(has(f, "doc:a", NOW - 300));
    assert_false(has(f, "doc:a", NOW - 1000)); /* the clock was set back */
}

static void the_oldest_of_a_kind_gives_way(void **state) {
    struct fixture *f = *state;

    put(f, "doc:c", NOW, 3);
    put(f, "doc:a", NOW + 1, 3);
    put(f, "doc:b", NOW + 2, 3);
    put(f, "docs:x", NOW - 1, 3); /* another kind, though it begins alike */
    put(f, "doc:a", NOW + 3, 3);  /* again: no other goes */
    assert_true(has(f, "doc:c", NOW + 4));
    put(f, "doc:d", NOW + 4, 3);
    assert_false(has(f, "doc:c", NOW + 4));
    assert_true(has(f, "doc:a", NOW + 4) && has(f, "doc:b", NOW + 4) && has(f, "doc:d", NOW + 4));
    assert_true(has(f, "docs:x", NOW + 4));
}

static void what_may_come_only_once(void **state) {
    struct fixture *f = *state;

    assert_int_equal(add(f, "jti:a", NOW, 2), OK);
    assert_int_equal(add(f, "jti:a", NOW + 59, 2), ERR_EXISTS);
    assert_int_equal(add(f, "jti:b", NOW, 2), OK);
    assert_int_equal(add(f, "jti:c", NOW, 2), ERR_TOO_LARGE);
    assert_int_equal(add(f, "jti:a", NOW + 60, 2), OK);
}

static void sweeping_removes_only_what_is_over(void **state) {
    struct fixture *f = *state;

    f->clock.fixed_s = NOW;
    assert_int_equal(keep(f, "jwks:x", "keys", 4, CACHE_NO_TTL), OK);
    for (int i = 0; i < 200; i++)
        put(f, arena_printf(f->arena, "doc:%d", i), NOW + (i % 2) * 30, 1000);
    f->clock.fixed_s = NOW + 60;
    for (int i = 0; i < 10; i++)
        cache_sweep(f->cache);
    /* A clock from before everything ended shows what is really gone. */
    for (int i = 0; i < 200; i++)
        assert_int_equal(has(f, arena_printf(f->arena, "doc:%d", i), NOW + 40), i % 2);
    assert_true(has(f, "jwks:x", NOW + 1000000));
}

static void a_sweep_goes_on_while_there_is_much_to_remove(void **state) {
    struct fixture *f = *state;

    for (int i = 0; i < 1000; i++)
        put(f, arena_printf(f->arena, "jti-%d:x", i), NOW, 30);
    f->clock.fixed_s = NOW + 60;
    cache_sweep(f->cache);
    for (int i = 0; i < 1000; i++)
        assert_false(has(f, arena_printf(f->arena, "jti-%d:x", i), NOW + 1));
}

/* Each sweep goes on from where the one before stopped: what lies far behind is found too. */
static void values_that_are_too_old_go_wherever_they_lie(void **state) {
    static const char *const kinds[] = {"one:", "two:", "three:"};
    struct fixture *f = *state;

    for (int i = 0; i < 900; i++) {
        f->clock.fixed_s = NOW;
        assert_int_equal(keep(f, arena_printf(f->arena, "%s%03d", kinds[i % 3], i / 3), "x", 1,
                              i < 870 ? 1000 : 60),
                         OK);
    }
    f->clock.fixed_s = NOW + 500;
    for (int i = 0; i < 4; i++) /* 256 are looked at each time */
        cache_sweep(f->cache);
    for (int i = 0; i < 900; i++) /* at a time at which all of them would be there still */
        assert_int_equal(has(f, arena_printf(f->arena, "%s%03d", kinds[i % 3], i / 3), NOW + 1),
                         i < 870);
}

static bool is_locked(const void *value, size_t len, int64_t now_s) {
    return len && now_s && *(const char *)value == 'L';
}

static void a_quota_removes_the_oldest_that_may_go(void **state) {
    static const char *const values[] = {"Locked", "first", "second", "third"};
    struct cache_quota quota = {"q:", 3, SIZE_MAX, is_locked};
    struct fixture *f = *state;

    for (int i = 0; i < 4; i++) {
        f->clock.fixed_s = NOW + i;
        assert_int_equal(
            keep(f, arena_printf(f->arena, "q:%d", i), values[i], strlen(values[i]), 1000), OK);
    }
    assert_int_equal(keep(f, "r:", "another", 7, 1000), OK);
    assert_int_equal(cache_trim(f->cache, &quota, &f->e), OK);
    assert_true(has(f, "q:0", NOW + 4) && !has(f, "q:1", NOW + 4) && has(f, "q:2", NOW + 4));
    quota = (struct cache_quota){"q:", 3, 80, is_locked};
    assert_int_equal(cache_trim(f->cache, &quota, &f->e), OK);
    assert_true(has(f, "q:0", NOW + 4) && !has(f, "q:2", NOW + 4) && has(f, "q:3", NOW + 4));
    quota.max_bytes = 0;
    assert_int_equal(cache_trim(f->cache, &quota, &f->e), OK);
    assert_true(has(f, "q:0", NOW + 4) && !has(f, "q:3", NOW + 4) && has(f, "r:", NOW + 4));
}

static void a_value_is_deleted_only_if_it_is_still_the_same(void **state) {
    const struct cache_entry same = cache_text_entry("v", 0), longer = cache_text_entry("vv", 0),
                             shorter = cache_text_entry("", 0);
    struct fixture *f = *state;

    put(f, "k", NOW, 0);
    assert_int_equal(cache_swap(f->cache, "k", &longer, NULL, &f->e), ERR_CONFLICT);
    assert_int_equal(cache_swap(f->cache, "k", &shorter, NULL, &f->e), ERR_CONFLICT);
    assert_true(has(f, "k", NOW));
    assert_int_equal(cache_swap(f->cache, "k", &same, NULL, &f->e), OK);
    assert_false(has(f, "k", NOW));
    assert_int_equal(cache_swap(f->cache, "k", &same, NULL, &f->e), ERR_CONFLICT);
}

/* As an earlier version of the program left it. */
static void what_is_in_another_format_does_not_exist(void **state) {
    const int64_t stored_s = NOW;
    char data[64] = "";
    struct fixture *f = *state;
    struct lmdb *db;

    cache_close(f->cache);
    assert_int_equal(lmdb_open(f->dir, 256UL << 20, 8, &db, &f->e), OK);
    memcpy(data, &stored_s, sizeof stored_s);
    memset(data + sizeof stored_s, 'x', sizeof data - sizeof stored_s);
    assert_int_equal(lmdb_begin(db, true, &f->e), OK);
    assert_int_equal(lmdb_put(db, "jwks:x", data, sizeof data, &f->e), OK);
    assert_int_equal(lmdb_put(db, "jwks:y", data, 4, &f->e), OK);
    assert_int_equal(lmdb_commit(db, &f->e), OK);
    lmdb_close(db);
    assert_int_equal(cache_open(f->dir, 8, &f->clock, &f->cache, &f->e), OK);
    assert_false(has(f, "jwks:x", NOW));
    assert_false(has(f, "jwks:y", NOW));
    cache_sweep(f->cache);
    put(f, "jwks:x", NOW, 1);
    assert_true(has(f, "jwks:x", NOW));
}

/* Of what may not be removed early there may be many kinds, which leave room for the rest. */
static void what_may_come_only_once_leaves_room(void **state) {
    struct fixture *f = *state;
    char *much = xcalloc(1, CACHE_VALUE_MAX);
    unsigned i = 0;

    while (!add(f, arena_printf(f->arena, "jti-%u:x", i), NOW, 10))
        assert_int_equal(
            keep(f, arena_printf(f->arena, "big:%u", i++), much, CACHE_VALUE_MAX, 1000), OK);
    assert_int_equal(f->e.code, ERR_TOO_LARGE);
    assert_true(i > 300); /* each has about 385 KB, of 224 MB */
    put(f, "refreshed:x", NOW, 10);
    assert_int_equal(keep(f, "big:more", much, CACHE_VALUE_MAX, 1000), OK);
    free(much);
}

static size_t file_bytes(const struct fixture *f) {
    struct stat st;

    assert_int_equal(stat(arena_printf(f->arena, "%s/data.mdb", f->dir), &st), 0);
    return (size_t)st.st_size;
}

/* A busy day: at each second a lease, a refresh and a token that is used once. */
static void the_file_does_not_grow_with_time(void **state) {
    struct fixture *f = *state;
    static char answer[4000];
    const struct cache_entry once = cache_text_entry("", 300),
                             lease = cache_text_entry("0123456789abcdef", 60),
                             shared = {.value = answer, .len = sizeof answer, .ttl_s = 60};
    size_t after_an_hour = 0;

    for (int64_t now_s = 1; now_s < 6 * 3600; now_s++) {
        const char *key = arena_printf(f->arena, "%08x", (unsigned)now_s * 2654435761U);

        f->clock.fixed_s = now_s;
        (void)!cache_add(f->cache, arena_printf(f->arena, "lease:code:%s", key), &lease, 0, &f->e);
        (void)!cache_set(f->cache, arena_printf(f->arena, "refreshed:%s", key), &shared, 4096,
                         &f->e);
        (void)!cache_add(f->cache, arena_printf(f->arena, "jti-%c:%s", *key, key), &once, 4096,
                         &f->e);
        if (now_s % 30 == 0)
            cache_sweep(f->cache);
        if (now_s == 3600)
            after_an_hour = file_bytes(f);
        arena_reset(f->arena);
    }
    assert_in_range(file_bytes(f), after_an_hour, after_an_hour * 5 / 4);
    assert_true(file_bytes(f) < (4 << 20));
}

static void keys_that_are_too_long_are_refused(void **state) {
    struct fixture *f = *state;
    const struct cache_entry entry = cache_text_entry("v", 60);
    char key[400];

    memset(key, 'k', sizeof key - 1);
    key[sizeof key - 1] = 0;
    assert_int_equal(cache_set(f->cache, key, &entry, 8, &f->e), ERR_TOO_LARGE);
    assert_int_equal(cache_add(f->cache, key, &entry, 8, &f->e), ERR_TOO_LARGE);
    assert_false(has(f, key, NOW));
    assert_int_equal(f->e.code, ERR_TOO_LARGE);
}

#define WITH_CACHE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_CACHE(a_value_ends_by_itself),
        WITH_CACHE(the_oldest_of_a_kind_gives_way),
        WITH_CACHE(what_may_come_only_once),
        WITH_CACHE(sweeping_removes_only_what_is_over),
        WITH_CACHE(a_sweep_goes_on_while_there_is_much_to_remove),
        WITH_CACHE(values_that_are_too_old_go_wherever_they_lie),
        WITH_CACHE(a_quota_removes_the_oldest_that_may_go),
        WITH_CACHE(a_value_is_deleted_only_if_it_is_still_the_same),
        WITH_CACHE(what_is_in_another_format_does_not_exist),
        WITH_CACHE(what_may_come_only_once_leaves_room),
        WITH_CACHE(the_file_does_not_grow_with_time),
        WITH_CACHE(keys_that_are_too_long_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
