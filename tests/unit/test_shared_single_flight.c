/* One worker asks, and the others wait until its result is in the cache. */
#include "unit.h"

#include <sys/wait.h>

#include "shared/single_flight.h"

#define WAIT_MS 10000
#define LEASE "lease:name" /* its key in the cache */

struct fixture {
    char dir[UNIT_PATH_MAX];
    struct clock clock;
    struct cache *cache;
    struct single_flight flight;
    int looks;
    int go; /* tells the one that leads, once, that another one has looked; -1: nobody */
    struct err e;
};

static bool find(void *arg) {
    struct fixture *f = arg;

    f->looks++;
    if (f->go >= 0) {
        assert_int_equal(write(f->go, "", 1), 1);
        (void)close(f->go);
        f->go = -1;
    }
    return cache_has(f->cache, "result");
}

static int setup(void **state) {
    struct fixture *f = xcalloc(1, sizeof *f);

    folder_make(f->dir);
    f->clock.fixed_s = 1700000000;
    f->go = -1;
    assert_int_equal(cache_open(f->dir, 8, &f->clock, &f->cache, &f->e), OK);
    f->flight = (struct single_flight){.cache = f->cache,
                                       .name = "name",
                                       .lease_s = 10,
                                       .until_ms = clock_monotonic_ms() + WAIT_MS,
                                       .find = find,
                                       .arg = f};
    *state = f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;

    cache_close(f->cache);
    folder_remove(f->dir);
    free(f);
    return 0;
}

/* Another process leads until this one has looked in vain, and leaves a result or not. With `dies`
 * it ends at once, and does not end its flight. */
static pid_t another_leads(struct fixture *f, bool has_result, bool dies) {
    int ready[2], go[2];
    char c = 0;
    pid_t pid;

    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(go), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (!pid) {
        const struct cache_entry result = cache_text_entry("result", 60);

        if (cache_open(f->dir, 8, &f->clock, &f->cache, &f->e))
            _exit(1);
        f->flight.cache = f->cache;
        c = single_flight_begin(&f->flight, &f->e) == FLIGHT_LEADS ? 'y' : 'n';
        (void)!write(ready[1], &c, 1);
        (void)close(go[1]);
        if (!dies)
            (void)!read(go[0], &c, 1);
        if (has_result)
            (void)!cache_set(f->cache, "result", &result, 0, &f->e);
        if (!dies)
            single_flight_end(&f->flight);
        _exit(0);
    }
    (void)close(ready[1]);
    (void)close(go[0]);
    f->go = dies ? -1 : go[1];
    if (dies)
        (void)close(go[1]);
    assert_int_equal(read(ready[0], &c, 1), 1);
    (void)close(ready[0]);
    assert_int_equal(c, 'y');
    return pid;
}

static void whoever_comes_first_asks(void **state) {
    struct fixture *f = *state;

    assert_int_equal(single_flight_begin(&f->flight, &f->e), FLIGHT_LEADS);
    single_flight_end(&f->flight);
    assert_int_equal(single_flight_begin(&f->flight, &f->e), FLIGHT_LEADS);
    single_flight_end(&f->flight);
}

static void what_another_has_brought_since_the_last_look_is_taken(void **state) {
    const struct cache_entry result = cache_text_entry("result", 60);
    struct fixture *f = *state;

    assert_int_equal(cache_set(f->cache, "result", &result, 0, &f->e), OK);
    assert_int_equal(single_flight_begin(&f->flight, &f->e), FLIGHT_FOUND);
    assert_false(cache_has(f->cache, LEASE));
}

static void the_others_wait_for_the_result(void **state) {
    struct fixture *f = *state;
    pid_t pid = another_leads(f, true, false);
    int64_t begin_ms = clock_monotonic_ms();

    assert_int_equal(single_flight_begin(&f->flight, &f->e), FLIGHT_FOUND);
    assert_true(clock_monotonic_ms() < begin_ms + WAIT_MS);
    assert_true(f->looks > 1);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void without_a_result_another_one_can_ask(void **state) {
    struct fixture *f = *state;
    pid_t pid = another_leads(f, false, false);

    assert_int_equal(single_flight_begin(&f->flight, &f->e), FLIGHT_ENDED);
    assert_int_equal(single_flight_begin(&f->flight, &f->e), FLIGHT_LEADS);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void whoever_was_killed_is_waited_for_until_its_lease_ends(void **state) {
    struct fixture *f = *state;
    pid_t pid = another_leads(f, false, true);

    assert_int_equal(waitpid(pid, NULL, 0), pid);
    f->flight.until_ms = clock_monotonic_ms() + 50;
    assert_int_equal(single_flight_begin(&f->flight, &f->e), FLIGHT_TIMEOUT);
    f->clock.fixed_s += 10;
    f->flight.until_ms = clock_monotonic_ms() + 50;
    assert_int_equal(single_flight_begin(&f->flight, &f->e), FLIGHT_LEADS);
}

/* Its holder was killed, or is late: another takes it over, and the late one ends nothing. */
static void a_lease_has_one_holder_and_ends(void **state) {
    struct fixture *f = *state;
    struct single_flight late = f->flight;

    f->flight.until_ms = 0;
    assert_int_equal(single_flight_begin(&late, &f->e), FLIGHT_LEADS);
    f->clock.fixed_s += 9;
    assert_int_equal(single_flight_begin(&f->flight, &f->e), FLIGHT_TIMEOUT);
    assert_true(cache_has(f->cache, LEASE));
    f->clock.fixed_s += 1;
    assert_false(cache_has(f->cache, LEASE));
    assert_int_equal(single_flight_begin(&f->flight, &f->e), FLIGHT_LEADS);
    single_flight_end(&late);
    assert_true(cache_has(f->cache, LEASE));
    single_flight_end(&f->flight);
    assert_false(cache_has(f->cache, LEASE));
}

static void names_that_are_too_long_are_asked_for_alone(void **state) {
    struct fixture *f = *state;
    char name[CACHE_KEY_MAX + 1] = {0};

    memset(name, 'n', CACHE_KEY_MAX - strlen("lease:"));
    f->flight.name = name;
    assert_int_equal(single_flight_begin(&f->flight, &f->e), FLIGHT_LEADS);
    name[strlen(name)] = 'n';
    assert_int_equal(single_flight_begin(&f->flight, &f->e), FLIGHT_ALONE);
    assert_int_equal(f->e.code, ERR_TOO_LARGE);
}

static void who_has_no_time_does_not_wait(void **state) {
    struct fixture *f = *state;
    struct single_flight other = f->flight;

    assert_int_equal(single_flight_begin(&other, &f->e), FLIGHT_LEADS);
    f->looks = 0;
    f->flight.until_ms = 0;
    assert_int_equal(single_flight_begin(&f->flight, &f->e), FLIGHT_TIMEOUT);
    assert_int_equal(f->looks, 0);
}

static void without_a_cache_each_asks(void **state) {
    struct fixture *f = *state;
    struct cache *none;

    assert_int_equal(cache_open("/nonexistent/cache", 8, &f->clock, &none, &f->e), ERR_STORE);
    f->flight.cache = none;
    assert_int_equal(single_flight_begin(&f->flight, &f->e), FLIGHT_ALONE);
    assert_int_equal(f->e.code, ERR_STORE);
    cache_close(none);
}

#define WITH_CACHE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_CACHE(whoever_comes_first_asks),
        WITH_CACHE(what_another_has_brought_since_the_last_look_is_taken),
        WITH_CACHE(the_others_wait_for_the_result),
        WITH_CACHE(without_a_result_another_one_can_ask),
        WITH_CACHE(whoever_was_killed_is_waited_for_until_its_lease_ends),
        WITH_CACHE(a_lease_has_one_holder_and_ends),
        WITH_CACHE(names_that_are_too_long_are_asked_for_alone),
        WITH_CACHE(who_has_no_time_does_not_wait),
        WITH_CACHE(without_a_cache_each_asks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
