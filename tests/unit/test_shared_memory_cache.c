/* A cache in shared memory: what was put is found, by every process, whole or not at all. */
#include "unit.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "crypto/digest.h"
#include "shared/memory_cache.h"

#define NOW 1000
#define BYTES ((size_t)64 * 1024)
#define UNIT 64
#define HEADER 56

static struct memory_cache *cache;

static int start(void **state) {
    *state = arena_new(64 << 20);
    cache = memory_cache_new(BYTES, BYTES / UNIT);
    return !cache;
}

static int stop(void **state) {
    memory_cache_free(cache);
    arena_free(*state);
    return 0;
}

static void put_for(const char *name, const void *value, size_t len, int64_t expires_s) {
    uint8_t key[SHA256_LEN];

    sha256(name, strlen(name), key);
    memory_cache_put(cache, key, &(struct memory_cache_entry){value, len, expires_s}, NOW);
}

static void put(const char *name, const char *value) {
    put_for(name, value, strlen(value), NOW + 100);
}

/* NULL: it is not there. */
static const char *get_at(struct arena *a, const char *name, int64_t now_s, size_t *len) {
    uint8_t key[SHA256_LEN];
    struct text out;

    sha256(name, strlen(name), key);
    if (!memory_cache_get(cache, a, key, now_s, &out))
        return NULL;
    *len = out.len;
    return out.p;
}

static const char *get(struct arena *a, const char *name) {
    size_t len;

    return get_at(a, name, NOW, &len);
}

static void what_was_put_is_found_until_it_expires(void **state) {
    size_t len;

    assert_null(get(*state, "a"));
    put("a", "first");
    put("b", "");
    put_for("c", "with\0zero", 9, NOW + 100);
    assert_string_equal(get(*state, "a"), "first");
    assert_string_equal(get(*state, "b"), "");
    assert_memory_equal(get_at(*state, "c", NOW, &len), "with\0zero", 9);
    assert_int_equal(len, 9);
    assert_null(get(*state, "ab"));
    assert_non_null(get_at(*state, "a", NOW + 99, &len));
    assert_null(get_at(*state, "a", NOW + 100, &len));
    put("a", "second");
    assert_string_equal(get(*state, "a"), "second");
}

static void what_expired_before_it_was_put_is_not_found(void **state) {
    put_for("a", "x", 1, NOW);
    assert_null(get(*state, "a"));
}

/* The largest takes an eighth of the memory. */
static void the_longest_value_is_kept_and_one_byte_more_is_not(void **state) {
    const size_t longest = BYTES / 8 - HEADER;
    char *value = arena_alloc(*state, longest + 1);
    size_t len;

    memset(value, 'v', longest + 1);
    put_for("long", value, longest, NOW + 100);
    assert_memory_equal(get_at(*state, "long", NOW, &len), value, longest);
    assert_int_equal(len, longest);
    put_for("longer", value, longest + 1, NOW + 100);
    assert_null(get(*state, "longer"));
    assert_non_null(get(*state, "long"));
}

static void a_value_has_a_longest_length(void **state) {
    struct memory_cache *large = memory_cache_new(4 << 20, 100), *small = cache;
    char *value = arena_alloc(*state, MEMORY_CACHE_VALUE_MAX + 1);

    assert_non_null(large);
    cache = large;
    put_for("longest", value, MEMORY_CACHE_VALUE_MAX, NOW + 100);
    put_for("longer", value, MEMORY_CACHE_VALUE_MAX + 1, NOW + 100);
    assert_non_null(get(*state, "longest"));
    assert_null(get(*state, "longer"));
    cache = small;
    memory_cache_free(large);
}

static const char *name_of(struct arena *a, unsigned i) {
    return arena_printf(a, "name-%u", i);
}

static void the_oldest_give_way(void **state) {
    const unsigned fit = BYTES / UNIT / 2; /* of two units each */
    char value[UNIT] = "";
    unsigned i;

    for (i = 0; i < 3 * fit; i++)
        put_for(name_of(*state, i), value, sizeof value, NOW + 100);
    for (i = 0; i < 2 * fit; i++)
        assert_null(get(*state, name_of(*state, i)));
    for (i++; i < 3 * fit; i++)
        assert_non_null(get(*state, name_of(*state, i)));
}

/* A value that tells whether it is whole: its length and all its bytes follow from a number. */
static void put_whole(unsigned n) {
    uint8_t key[SHA256_LEN] = {0}, value[2048];
    const unsigned name = n % 512;
    size_t len = 8 + n * 37 % 1500;

    sha256(&name, sizeof name, key);
    memset(value, (int)(n * 31), sizeof value);
    memcpy(value, &name, sizeof name);
    memory_cache_put(cache, key, &(struct memory_cache_entry){value, len, NOW + 100 + n % 7}, NOW);
}

/* Is there none, or a whole one? */
static bool get_whole(struct arena *a, unsigned name, unsigned *found) {
    uint8_t key[SHA256_LEN];
    struct text out;

    sha256(&name, sizeof name, key);
    if (!memory_cache_get(cache, a, key, NOW, &out))
        return true;
    ++*found;
    if (out.len < 8 || memcmp(out.p, &name, sizeof name) != 0)
        return false;
    for (size_t i = sizeof name; i < out.len; i++)
        if (out.p[i] != out.p[sizeof name])
            return false;
    return true;
}

/* Records have any length, so one ends within the header of an older one. */
static void what_was_overwritten_in_part_is_not_found(void **state) {
    struct arena *a = arena_new(1 << 20);
    unsigned found = 0;

    (void)state;
    for (unsigned n = 0; n < 5000; n++) {
        put_whole(n);
        for (unsigned i = 0; i < 512 && n % 10 == 0; i++)
            assert_true(get_whole(a, i, &found));
        arena_reset(a);
    }
    arena_free(a);
    assert_true(found > 0);
}

/* Starts one that writes until it is killed. */
static pid_t start_writer(unsigned first) {
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0)
        for (unsigned n = first;; n++)
            put_whole(n);
    return pid;
}

static void end_writer(pid_t pid) {
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void what_is_read_while_others_write_is_whole(void **state) {
    pid_t writers[] = {start_writer(0), start_writer(100000)};
    struct arena *a = arena_new(1 << 20);
    unsigned found = 0;
    bool whole = true;

    (void)state;
    for (unsigned i = 0; i < 10000000 && whole && found < 50000; i++) {
        whole = get_whole(a, i % 512, &found);
        arena_reset(a);
    }
    end_writer(writers[0]);
    end_writer(writers[1]);
    arena_free(a);
    assert_true(whole);
    assert_true(found > 0);
}

static void a_writer_that_is_killed_blocks_nobody_and_damages_nothing(void **state) {
    struct arena *a = arena_new(1 << 20);
    unsigned found = 0;

    for (unsigned round = 0; round < 50; round++) {
        pid_t writer = start_writer(round * 1000);

        for (unsigned i = 0, seen = 0; i < 1000000 && seen <= round; i++) {
            assert_true(get_whole(a, i % 512, &seen));
            arena_reset(a);
        }
        end_writer(writer);
        put("after", "it");
        assert_string_equal(get(*state, "after"), "it");
        for (unsigned i = 0; i < 512; i++)
            assert_true(get_whole(a, i, &found));
    }
    arena_free(a);
    assert_true(found > 0);
}

#define EACH(fn) cmocka_unit_test_setup_teardown(fn, start, stop)

int main(void) {
    const struct CMUnitTest tests[] = {
        EACH(what_was_put_is_found_until_it_expires),
        EACH(what_expired_before_it_was_put_is_not_found),
        EACH(the_longest_value_is_kept_and_one_byte_more_is_not),
        EACH(a_value_has_a_longest_length),
        EACH(the_oldest_give_way),
        EACH(what_was_overwritten_in_part_is_not_found),
        EACH(what_is_read_while_others_write_is_whole),
        EACH(a_writer_that_is_killed_blocks_nobody_and_damages_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
