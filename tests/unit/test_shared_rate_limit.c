/* Token buckets that processes share. */
#include "unit.h"

#include <sys/wait.h>

#include "base/log.h"
#include "shared/rate_limit.h"

#define NOW INT64_C(1800000000000)

static char path[UNIT_PATH_MAX];

static int fresh_file(void **state) {
    file_make(path);
    return arena_setup(state);
}

static int no_file(void **state) {
    (void)unlink(path);
    return arena_teardown(state);
}

static struct rate_limits *opened(void) {
    struct rate_limits *l;
    struct err e;

    if (rate_limits_open(path, &l, &e))
        fail_msg("%s", e.text);
    return l;
}

static void a_bucket_holds_a_minutes_worth_and_fills_evenly(void **state) {
    struct rate_limits *l = opened();

    (void)state;
    for (int i = 0; i < 60; i++)
        assert_int_equal(rate_limits_take(l, "a", 60, NOW), 0);
    assert_int_equal(rate_limits_take(l, "a", 60, NOW), 1000);
    assert_int_equal(rate_limits_take(l, "a", 60, NOW + 999), 1);
    assert_int_equal(rate_limits_take(l, "a", 60, NOW + 1000), 0);
    assert_int_equal(rate_limits_take(l, "a", 60, NOW + 1000), 1000);
    assert_int_equal(rate_limits_wait(l, "a", 60, NOW + 1000), 1000);
    assert_int_equal(rate_limits_wait(l, "a", 60, NOW + 1500), 500);
    assert_int_equal(rate_limits_wait(l, "b", 60, NOW), 0); /* and takes nothing */
    assert_int_equal(rate_limits_take(l, "b", 60, NOW), 0); /* another's is untouched */
    for (int i = 0; i < 60; i++)
        assert_int_equal(rate_limits_take(l, "a", 60, NOW + 100000), 0);
    assert_true(rate_limits_take(l, "a", 60, NOW + 100000) > 0);
    rate_limits_close(l);
}

static void a_clock_that_is_set_back_locks_nobody_out(void **state) {
    struct rate_limits *l = opened();

    (void)state;
    for (int i = 0; i < 10; i++)
        assert_int_equal(rate_limits_take(l, "a", 10, NOW), 0);
    assert_true(rate_limits_take(l, "a", 10, NOW) > 0);
    assert_int_equal(rate_limits_take(l, "a", 10, NOW - 86400000), 0);
    rate_limits_close(l);
}

/* Opening it takes a lock, which must not be kept: others could not start. */
static void many_may_have_it_open(void **state) {
    struct rate_limits *a = opened(), *b = opened();

    (void)state;
    assert_int_equal(rate_limits_take(a, "a", 2, NOW), 0);
    assert_int_equal(rate_limits_take(b, "a", 2, NOW), 0);
    assert_true(rate_limits_take(a, "a", 2, NOW) > 0);
    assert_true(rate_limits_take(b, "a", 2, NOW) > 0);
    rate_limits_close(a);
    rate_limits_close(b);
}

static void buckets_outlive_a_process(void **state) {
    struct rate_limits *l = opened();
    struct stat st;

    (void)state;
    assert_int_equal(rate_limits_take(l, "a", 1, NOW), 0);
    rate_limits_close(l);
    l = opened();
    assert_true(rate_limits_take(l, "a", 1, NOW) > 0);
    rate_limits_close(l);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

#define PROCESSES 8
#define LIMIT 1000

/* Each takes as many as it gets: together exactly as many as there are. */
static void processes_share_buckets_exactly(void **state) {
    int pipes[2], start[2], total = 0, got;

    (void)state;
    assert_int_equal(pipe(pipes), 0);
    assert_int_equal(pipe(start), 0);
    for (int i = 0; i < PROCESSES; i++)
        if (fork() == 0) {
            struct rate_limits *l;
            struct err e;
            char go;

            got = 0;
            close(start[1]);
            if (rate_limits_open(path, &l, &e))
                _exit(1);
            if (write(pipes[1], &got, sizeof got) != sizeof got)
                _exit(1);
            while (read(start[0], &go, 1) == 1)
                ; /* until the parent closes it */
            while (rate_limits_take(l, "shared", LIMIT, NOW) == 0)
                got++;
            _exit(write(pipes[1], &got, sizeof got) != sizeof got);
        }
    for (int i = 0; i < PROCESSES; i++) /* all have it open */
        assert_int_equal(read(pipes[0], &got, sizeof got), sizeof got);
    close(start[1]);
    for (int i = 0; i < PROCESSES; i++) {
        int status;

        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
        assert_int_equal(read(pipes[0], &got, sizeof got), sizeof got);
        total += got;
    }
    close(start[0]);
    close(pipes[0]);
    close(pipes[1]);
    assert_int_equal(total, LIMIT);
}

/* Many more addresses than buckets come by: whoever is at the limit stays there. */
static void a_flood_of_others_frees_nobody(void **state) {
    struct rate_limits *l = opened();
    unsigned forgotten = 0;

    for (unsigned i = 0; i < 100; i++)
        for (unsigned n = 0; n < 10; n++)
            assert_int_equal(rate_limits_take(l, arena_printf(*state, "busy %u", i), 10, NOW), 0);
    for (unsigned i = 0; i < 200000; i++) {
        char key[32];

        (void)snprintf(key, sizeof key, "other %u", i);
        (void)rate_limits_take(l, key, 10, NOW);
    }
    for (unsigned i = 0; i < 100; i++)
        forgotten += rate_limits_take(l, arena_printf(*state, "busy %u", i), 10, NOW) == 0;
    assert_int_equal(forgotten, 0);
    rate_limits_close(l);
}

static void write_file(const char *name, const char *text) {
    FILE *f = fopen(name, "w");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

/* Takes what there is of ten a minute. */
static unsigned taken(struct rate_limits *l) {
    unsigned count = 0;

    while (count < 100 && !rate_limits_take(l, "key", 10, NOW))
        count++;
    return count;
}

static void a_damaged_file_is_set_aside(void **state) {
    const char *aside = arena_printf(*state, "%s.damaged", path);
    char text[32] = "";
    struct rate_limits *l;
    FILE *f;

    log_set_level(LOG_ERROR + 1);
    write_file(path, "something else\n");
    l = opened();
    assert_int_equal(taken(l), 10);
    f = fopen(aside, "r");
    assert_non_null(f);
    assert_non_null(fgets(text, sizeof text, f));
    assert_string_equal(text, "something else\n");
    assert_int_equal(fclose(f), 0);
    rate_limits_close(l);
    assert_int_equal(unlink(aside), 0);

    f = fopen(path, "r+"); /* of the right size */
    assert_non_null(f);
    assert_true(fputs("other head", f) >= 0);
    assert_int_equal(fclose(f), 0);
    l = opened();
    assert_int_equal(taken(l), 10);
    rate_limits_close(l);
    assert_int_equal(unlink(aside), 0);
}

/* Reading of a file beyond its end would end the process. */
static void a_file_that_is_cut_while_it_is_open_is_replaced(void **state) {
    static const off_t sizes[] = {0, 100, 4096};

    log_set_level(LOG_ERROR + 1);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct rate_limits *one = opened(), *other = opened();

        (void)taken(one);
        assert_int_equal(truncate(path, sizes[i]), 0);
        assert_int_equal(taken(one), 10);
        assert_int_equal(taken(other), 0); /* it is the same new one */
        rate_limits_close(one);
        rate_limits_close(other);
        (void)unlink(arena_printf(*state, "%s.damaged", path));
    }
}

static void without_a_file_there_is_no_limit(void **state) {
    struct rate_limits *l;
    struct err e;

    (void)state;
    assert_int_equal(rate_limits_open("/nonexistent/limits", &l, &e), ERR_STORE);
    assert_non_null(strstr(e.text, "/nonexistent/limits"));
    assert_int_equal(taken(l), 100);
    rate_limits_close(l);
}

static void addresses_are_counted_by_who_has_them(void **state) {
    static const struct {
        const char *address, *key;
    } cases[] = {
        {"192.0.2.1", "c0000201"},
        {"::ffff:192.0.2.1", "c0000201"},
        {"2001:db8:1:2:3:4:5:6", "20010db800010002"},
        {"2001:db8:1:2::", "20010db800010002"},
        {"2001:db8:1:3::", "20010db800010003"},
        {"fe80::1%eth0", "fe80000000000000"},
        {"", NULL},
        {"unix", NULL},
        {"192.0.2.256", NULL},
        {"1:2:3:4:5:6:7:8:9:10:11:12:13:14:15:16:17:18:19:20:21:22:23", NULL},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *key = rate_limits_address_key(*state, cases[i].address);

        if (!cases[i].key != !key || (key && strcmp(key, cases[i].key) != 0))
            fail_msg("%s: %s", cases[i].address, key ? key : "none");
    }
}

#define ON_FILE(fn) cmocka_unit_test_setup_teardown(fn, fresh_file, no_file)

int main(void) {
    const struct CMUnitTest tests[] = {
        ON_FILE(a_bucket_holds_a_minutes_worth_and_fills_evenly),
        ON_FILE(a_clock_that_is_set_back_locks_nobody_out),
        ON_FILE(many_may_have_it_open),
        ON_FILE(buckets_outlive_a_process),
        ON_FILE(processes_share_buckets_exactly),
        ON_FILE(a_flood_of_others_frees_nobody),
        ON_FILE(a_damaged_file_is_set_aside),
        ON_FILE(a_file_that_is_cut_while_it_is_open_is_replaced),
        WITH_ARENA(without_a_file_there_is_no_limit),
        WITH_ARENA(addresses_are_counted_by_who_has_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
