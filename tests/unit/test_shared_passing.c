/* What the workers of a host share for a time: values, claims, slots. */
#include "unit.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shared/shared.h"

#define NOW 1000000

/* In place of the C library's: nobody waits for the disk. */
__attribute__((visibility("default"))) int fdatasync(int fd) {
    (void)fd;
    return 0;
}

struct fixture {
    char dir[64];
    struct arena *arena;
    struct host_cache *cache;
    struct err e;
};

static int setup(void **state) {
    struct fixture *f = xcalloc(1, sizeof *f);

    memcpy(f->dir, "/tmp/mcp-authd-unit-XXXXXX", 27);
    assert_non_null(mkdtemp(f->dir));
    f->arena = arena_new(1 << 20);
    assert_int_equal(host_cache_open(f->dir, 8, &f->cache, &f->e), OK);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    static const char *const files[] = {"data.mdb", "lock.mdb", "writers", "slots"};

    host_cache_close(f->cache);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        (void)unlink(arena_printf(f->arena, "%s/%s", f->dir, files[i]));
    assert_int_equal(rmdir(f->dir), 0);
    arena_free(f->arena);
    free(f);
    return 0;
}

static bool has(struct fixture *f, const char *key, int64_t now_s) {
    const char *value;
    size_t len;
    int64_t stored_s;

    return host_passing_get(f->cache, f->arena, key, now_s, &value, &len, &stored_s, &f->e) == OK;
}

static void put(struct fixture *f, const char *key, int64_t now_s, size_t most) {
    assert_int_equal(host_passing_put(f->cache, key, "v", 1, now_s, 60, most, &f->e), OK);
}

static void a_value_ends_by_itself(void **state) {
    struct fixture *f = *state;

    put(f, "doc:a", NOW, 8);
    assert_true(has(f, "doc:a", NOW + 59));
    assert_false(has(f, "doc:a", NOW + 60));
    assert_int_equal(f->e.code, ERR_MISSING);
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

    assert_int_equal(host_passing_add(f->cache, "jti:a", NOW, 60, 2, &f->e), OK);
    assert_int_equal(host_passing_add(f->cache, "jti:a", NOW + 59, 60, 2, &f->e), ERR_EXISTS);
    assert_int_equal(host_passing_add(f->cache, "jti:b", NOW, 60, 2, &f->e), OK);
    assert_int_equal(host_passing_add(f->cache, "jti:c", NOW, 60, 2, &f->e), ERR_TOO_LARGE);
    assert_int_equal(host_passing_add(f->cache, "jti:a", NOW + 60, 60, 2, &f->e), OK);
}

static void a_claim_has_one_holder_and_ends(void **state) {
    struct fixture *f = *state;
    struct host_claim first, second;

    assert_int_equal(host_claim_take(f->cache, "code", NOW, 10, &first, &f->e), OK);
    assert_int_equal(host_claim_take(f->cache, "code", NOW + 9, 10, &second, &f->e), ERR_EXISTS);
    assert_true(host_claim_is_taken(f->cache, "code", NOW + 9));
    assert_false(host_claim_is_taken(f->cache, "code", NOW + 10));
    /* Its holder was killed, or is late: another takes it over, and the late one ends nothing. */
    assert_int_equal(host_claim_take(f->cache, "code", NOW + 10, 10, &second, &f->e), OK);
    host_claim_release(f->cache, &first);
    assert_true(host_claim_is_taken(f->cache, "code", NOW + 11));
    host_claim_release(f->cache, &second);
    assert_false(host_claim_is_taken(f->cache, "code", NOW + 11));
}

static void sweeping_removes_only_what_is_over(void **state) {
    struct fixture *f = *state;
    const char *value;
    size_t len;
    int64_t stored_s;

    assert_int_equal(host_cache_put(f->cache, "jwks:x", "keys", 4, NOW, &f->e), OK);
    for (int i = 0; i < 200; i++)
        put(f, arena_printf(f->arena, "doc:%d", i), NOW + (i % 2) * 30, 1000);
    for (int i = 0; i < 10; i++)
        host_passing_sweep(f->cache, NOW + 60);
    /* A clock from before everything ended shows what is really gone. */
    for (int i = 0; i < 200; i++)
        assert_int_equal(has(f, arena_printf(f->arena, "doc:%d", i), NOW + 40), i % 2);
    assert_int_equal(host_cache_get(f->cache, f->arena, "jwks:x", &value, &len, &stored_s, &f->e),
                     OK);
}

static void a_sweep_goes_on_while_there_is_much_to_remove(void **state) {
    struct fixture *f = *state;

    for (int i = 0; i < 1000; i++)
        put(f, arena_printf(f->arena, "jti-%d:x", i), NOW, 30);
    host_passing_sweep(f->cache, NOW + 60);
    for (int i = 0; i < 1000; i++)
        assert_false(has(f, arena_printf(f->arena, "jti-%d:x", i), NOW + 1));
}

/* Several kinds are swept in turn, each from where it stopped: what lies far behind is found too.
 */
static void values_that_are_too_old_go_wherever_they_lie(void **state) {
    static const char *const kinds[] = {"one:", "two:", "three:"};
    struct fixture *f = *state;
    const char *value;
    int64_t stored_s;
    size_t len;

    for (int i = 0; i < 300; i++)
        for (size_t k = 0; k < 3; k++)
            assert_int_equal(host_cache_put(f->cache, arena_printf(f->arena, "%s%03d", kinds[k], i),
                                            "x", 1, i < 290 ? 2000 : 1000, &f->e),
                             OK);
    for (int i = 0; i < 6; i++) /* 64 are looked at each time */
        for (size_t k = 0; k < 3; k++)
            host_cache_sweep(f->cache, kinds[k], 500, 2000);
    for (int i = 0; i < 300; i++)
        for (size_t k = 0; k < 3; k++)
            assert_int_equal(host_cache_get(f->cache, f->arena,
                                            arena_printf(f->arena, "%s%03d", kinds[k], i), &value,
                                            &len, &stored_s, &f->e),
                             i < 290 ? OK : ERR_MISSING);
}

/* Of what may not be removed early there may be many kinds, which leave room for the rest. */
static void what_may_come_only_once_leaves_room(void **state) {
    struct fixture *f = *state;
    char *much = xcalloc(1, HOST_CACHE_VALUE_MAX);
    unsigned i = 0;

    while (!host_passing_add(f->cache, arena_printf(f->arena, "jti-%u:x", i), NOW, 1000, 10, &f->e))
        assert_int_equal(host_cache_put(f->cache, arena_printf(f->arena, "big:%u", i++), much,
                                        HOST_CACHE_VALUE_MAX, NOW, &f->e),
                         OK);
    assert_int_equal(f->e.code, ERR_TOO_LARGE);
    assert_true(i > 300); /* each has about 385 KB, of 224 MB */
    put(f, "refreshed:x", NOW, 10);
    assert_int_equal(host_cache_put(f->cache, "big:more", much, HOST_CACHE_VALUE_MAX, NOW, &f->e),
                     OK);
    free(much);
}

static size_t file_bytes(const struct fixture *f) {
    struct stat st;

    assert_int_equal(stat(arena_printf(f->arena, "%s/data.mdb", f->dir), &st), 0);
    return (size_t)st.st_size;
}

/* A busy day: at each second a claim, a refresh and a token that is used once. */
static void the_file_does_not_grow_with_time(void **state) {
    struct fixture *f = *state;
    static char answer[4000];
    struct host_claim claim;
    size_t after_an_hour = 0;

    for (int64_t now_s = 0; now_s < 6 * 3600; now_s++) {
        const char *key = arena_printf(f->arena, "%08x", (unsigned)now_s * 2654435761U);

        (void)!host_claim_take(f->cache, arena_printf(f->arena, "code:%s", key), now_s, 60, &claim,
                               &f->e);
        (void)!host_passing_put(f->cache, arena_printf(f->arena, "refreshed:%s", key), answer,
                                sizeof answer, now_s, 60, 4096, &f->e);
        (void)!host_passing_add(f->cache, arena_printf(f->arena, "jti-%c:%s", *key, key), now_s,
                                300, 4096, &f->e);
        if (now_s % 30 == 0)
            host_passing_sweep(f->cache, now_s);
        if (now_s == 3600)
            after_an_hour = file_bytes(f);
        arena_reset(f->arena);
    }
    assert_in_range(file_bytes(f), after_an_hour, after_an_hour * 5 / 4);
    assert_true(file_bytes(f) < (4 << 20));
}

static void keys_that_are_too_long_are_refused(void **state) {
    struct fixture *f = *state;
    char key[400];

    memset(key, 'k', sizeof key - 1);
    key[sizeof key - 1] = 0;
    assert_int_equal(host_passing_put(f->cache, key, "v", 1, NOW, 60, 8, &f->e), ERR_TOO_LARGE);
    assert_int_equal(host_passing_add(f->cache, key, NOW, 60, 8, &f->e), ERR_TOO_LARGE);
    assert_false(has(f, key, NOW));
}

/* Tries to enter in another process, which keeps what it got until it is killed. */
static pid_t child_enters(const char *path, unsigned count, bool *got) {
    int said[2];
    char answer = 0;
    pid_t pid;

    assert_int_equal(pipe(said), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (!pid) {
        struct host_slots *s;
        struct err e;

        answer = !host_slots_open(path, &s, &e) && host_slots_enter(s, count) ? 'y' : 'n';
        (void)!write(said[1], &answer, 1);
        for (;;)
            pause();
    }
    (void)close(said[1]);
    assert_int_equal(read(said[0], &answer, 1), 1);
    (void)close(said[0]);
    *got = answer == 'y';
    return pid;
}

static void end(pid_t pid) {
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void a_killed_worker_gives_its_slot_back(void **state) {
    struct fixture *f = *state;
    const char *path = arena_printf(f->arena, "%s/slots", f->dir);
    struct host_slots *s;
    pid_t pids[3];
    bool got[3];

    assert_int_equal(host_slots_open(path, &s, &f->e), OK);
    for (int i = 0; i < 3; i++)
        pids[i] = child_enters(path, 2, &got[i]);
    assert_true(got[0] && got[1] && !got[2]);
    assert_false(host_slots_enter(s, 2));
    end(pids[0]);
    assert_true(host_slots_enter(s, 2));
    assert_false(host_slots_enter(s, 2)); /* one at a time */
    host_slots_leave(s);
    assert_true(host_slots_enter(s, 2));
    host_slots_close(s);
    end(pids[1]);
    end(pids[2]);
}

#define WITH_CACHE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_CACHE(a_value_ends_by_itself),
        WITH_CACHE(the_oldest_of_a_kind_gives_way),
        WITH_CACHE(what_may_come_only_once),
        WITH_CACHE(a_claim_has_one_holder_and_ends),
        WITH_CACHE(sweeping_removes_only_what_is_over),
        WITH_CACHE(a_sweep_goes_on_while_there_is_much_to_remove),
        WITH_CACHE(values_that_are_too_old_go_wherever_they_lie),
        WITH_CACHE(what_may_come_only_once_leaves_room),
        WITH_CACHE(the_file_does_not_grow_with_time),
        WITH_CACHE(keys_that_are_too_long_are_refused),
        WITH_CACHE(a_killed_worker_gives_its_slot_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
