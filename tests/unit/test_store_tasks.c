/* Records of tasks in the host's cache: each write replaces the version that was read. Also
 * tasks whose host is dead. */
#include "unit.h"

#include "base/log.h"
#include "exec/tasks.h"
#include "mcp/call.h"
#include "shared/cache.h"
#include "site/site.h"
#include "store/stores.h"
#include "store/tasks.h"

#define NOW 1800000000

static char dir[UNIT_PATH_MAX];

struct fixture {
    struct cache *cache;
    struct task_store *tasks;
    struct seal_keys *keys;
    struct site site;
    struct mcp_site mcp;
    struct arena *a;
};

static int set_up(void **state) {
    struct fixture *f = xcalloc(1, sizeof *f);
    char path[128];
    struct err e;

    f->site.clock.fixed_s = NOW;
    folder_make(dir);
    (void)snprintf(path, sizeof path, "%s/cache", dir);
    if (cache_open(path, 8, &f->site.clock, &f->cache, &e))
        return -1;
    (void)snprintf(path, sizeof path, "%s/key", dir);
    if (seal_keys_load(path, true, &f->keys, &e))
        return -1;
    if (task_store_host.open(&(struct store_options){.clock = &f->site.clock, .cache = f->cache},
                             &f->tasks, &e))
        return -1;
    f->site.cache = f->cache;
    f->mcp.tasks = f->tasks;
    f->site.mcp = &f->mcp;
    f->site.seal = f->keys;
    f->a = arena_new(16 << 20);
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;

    task_store_close(f->tasks);
    cache_close(f->cache);
    seal_keys_free(f->keys);
    arena_free(f->a);
    free(f);
    folder_remove(dir);
    return 0;
}

static struct task_record record(const char *id, int64_t version, const char *sealed) {
    return (struct task_record){id, version, NOW + 100, NOW + 10, sealed};
}

static void a_value_is_swapped_only_for_the_one_that_was_seen(void **state) {
    struct fixture *f = *state;
    const struct cache_entry a = cache_text_entry("1 a", 60), b = cache_text_entry("2 b", 60),
                             one = cache_text_entry("1", 0), two = cache_text_entry("2", 0),
                             more = cache_text_entry("1 a+", 0);
    struct cache_entry found;
    struct err e;

    assert_int_equal(cache_swap(f->cache, "k", &one, &b, &e), ERR_CONFLICT);
    assert_int_equal(cache_add(f->cache, "k", &a, 0, &e), OK);
    assert_int_equal(cache_add(f->cache, "k", &b, 0, &e), ERR_EXISTS);
    assert_int_equal(cache_swap(f->cache, "k", &two, &b, &e), ERR_CONFLICT);
    assert_int_equal(cache_swap(f->cache, "k", &more, &b, &e), ERR_CONFLICT);
    assert_int_equal(cache_swap(f->cache, "k", &one, &b, &e), OK);
    assert_int_equal(cache_get(f->cache, f->a, "k", &found, &e), OK);
    assert_string_equal(found.value, "2 b");
    f->site.clock.fixed_s = NOW + 60;
    assert_int_equal(cache_swap(f->cache, "k", &two, &a, &e), ERR_CONFLICT);
    f->site.clock.fixed_s = NOW;
}

static void each_write_replaces_the_version_that_was_read(void **state) {
    struct fixture *f = *state;
    struct task_record r = record("id", 0, "first"), out;
    struct err e;

    assert_int_equal(task_store_get(f->tasks, f->a, "id", &out, &e), ERR_MISSING);
    assert_int_equal(task_store_write(f->tasks, &r, &e), OK);
    assert_int_equal(task_store_write(f->tasks, &r, &e), ERR_EXISTS);
    assert_int_equal(task_store_get(f->tasks, f->a, "id", &out, &e), OK);
    assert_int_equal(out.version, 1);
    assert_int_equal(out.ttl, NOW + 100);
    assert_int_equal(out.lease, NOW + 10);
    assert_string_equal(out.sealed, "first");
    r = record("id", 1, "second");
    assert_int_equal(task_store_write(f->tasks, &r, &e), OK);
    assert_int_equal(task_store_write(f->tasks, &r, &e), ERR_CONFLICT);
    assert_int_equal(task_store_renew(f->tasks, &r, &e), ERR_CONFLICT);
    r = (struct task_record){"id", 2, NOW + 300, NOW + 200, NULL};
    assert_int_equal(task_store_renew(f->tasks, &r, &e), OK);
    f->site.clock.fixed_s = NOW + 299;
    assert_int_equal(task_store_get(f->tasks, f->a, "id", &out, &e), OK);
    f->site.clock.fixed_s = NOW;
    assert_int_equal(out.version, 3);
    assert_int_equal(out.lease, NOW + 200);
    assert_string_equal(out.sealed, "second");
}

static void what_is_past_its_ttl_does_not_exist(void **state) {
    struct fixture *f = *state;
    const struct cache_entry older = cache_text_entry("{\"sub\":\"user\",\"of\":\"task\"}", 60);
    struct task_record r = record("old", 0, "x"), out;
    struct err e;

    assert_int_equal(task_store_write(f->tasks, &r, &e), OK);
    f->site.clock.fixed_s = NOW + 99;
    assert_int_equal(task_store_get(f->tasks, f->a, "old", &out, &e), OK);
    f->site.clock.fixed_s = NOW + 100;
    assert_int_equal(task_store_get(f->tasks, f->a, "old", &out, &e), ERR_MISSING);
    r.version = 1;
    assert_int_equal(task_store_renew(f->tasks, &r, &e), ERR_CONFLICT);
    f->site.clock.fixed_s = NOW;
    /* What another version of the program has left there is no record. */
    assert_int_equal(cache_set(f->cache, TASK_KEY_PREFIX "older", &older, 0, &e), OK);
    assert_int_equal(task_store_get(f->tasks, f->a, "older", &out, &e), ERR_MISSING);
}

static void a_record_that_is_too_long_is_refused(void **state) {
    struct fixture *f = *state;
    char *text = arena_alloc(f->a, TASK_SEALED_MAX + 2);
    struct task_record r = record("long", 0, text), out;
    struct err e;

    memset(text, 'x', TASK_SEALED_MAX + 1);
    assert_int_equal(task_store_write(f->tasks, &r, &e), ERR_TOO_LARGE);
    text[TASK_SEALED_MAX] = 0;
    assert_int_equal(task_store_write(f->tasks, &r, &e), OK);
    assert_int_equal(task_store_get(f->tasks, f->a, "long", &out, &e), OK);
    assert_int_equal(strlen(out.sealed), TASK_SEALED_MAX);
}

static const char *id_of(struct fixture *f, const char *user, unsigned i) {
    return arena_printf(f->a, "%s%06u", user, i);
}

static unsigned kept(struct fixture *f, const char *user, unsigned from, unsigned to) {
    struct task_record out;
    struct err e;
    unsigned n = 0;

    for (unsigned i = from; i < to; i++)
        n += !task_store_get(f->tasks, f->a, id_of(f, user, i), &out, &e);
    return n;
}

static void fill(struct fixture *f, const char *user, unsigned count, const char *sealed,
                 bool running) {
    struct err e;

    for (unsigned i = 0; i < count; i++) {
        struct task_record r = record(id_of(f, user, i), 0, sealed);

        r.ttl = NOW + 100000;
        r.lease = running && i == 0 ? NOW + 100000 : 0;
        f->site.clock.fixed_s = NOW + i;
        assert_int_equal(task_store_write(f->tasks, &r, &e), OK);
    }
    f->site.clock.fixed_s = NOW;
}

static void a_user_has_a_share_of_what_is_kept(void **state) {
    struct fixture *f = *state;
    const unsigned most = TASKS_KEPT_USER_MAX, more = most + 20;

    fill(f, "_another", 3, "x", false);
    fill(f, "_one____", most, "x", true);
    assert_int_equal(kept(f, "_one____", 0, most), most);
    fill(f, "_two____", more, "x", true);
    assert_int_equal(kept(f, "_two____", 0, more), most);
    assert_int_equal(kept(f, "_two____", 0, 1), 1); /* it runs */
    assert_int_equal(kept(f, "_two____", 1, 21), 0);
    assert_int_equal(kept(f, "_another", 0, 3), 3);
}

static void bytes_count_too(void **state) {
    const struct cache_entry other = cache_text_entry("x", 60);
    struct fixture *f = *state;
    const unsigned most = TASKS_KEPT_USER_BYTES_MAX / (TASK_SEALED_MAX + 100);
    char *text = arena_alloc(f->a, TASK_SEALED_MAX + 1);
    struct task_record r;
    struct err e;

    memset(text, 'x', TASK_SEALED_MAX);
    text[TASK_SEALED_MAX] = 0;
    fill(f, "_large__", most, "small", false);
    for (unsigned i = 0; i < most; i++) { /* as results are: longer than what they began with */
        r = (struct task_record){id_of(f, "_large__", i), 1, NOW + 100000, 0, text};
        f->site.clock.fixed_s = NOW + 1000 + i;
        assert_int_equal(task_store_write(f->tasks, &r, &e), OK);
    }
    f->site.clock.fixed_s = NOW + 2000;
    r = (struct task_record){id_of(f, "_large__", most), 0, NOW + 100000, 0, text};
    assert_int_equal(task_store_write(f->tasks, &r, &e), OK);
    arena_reset(f->a);
    f->site.clock.fixed_s = NOW;
    assert_int_equal(cache_set(f->cache, "other", &other, 0, &e), OK);
    for (unsigned i = 0; i <= most; i++) {
        assert_int_equal(kept(f, "_large__", i, i + 1), i > 0);
        arena_reset(f->a);
    }
}

static struct task working(struct fixture *f, const char *id) {
    struct task t = {.site = &f->site, .arena = f->a, .id = id, .record = json_new_object(f->a)};
    struct err e;

    json_put_str(t.record, "arguments", "secret");
    task_set_status(&t, "working");
    t.lease = NOW + TASK_LEASE_S;
    assert_int_equal(task_save(&t, &e), OK);
    return t;
}

static void a_task_whose_lease_has_ended_has_failed_for_good(void **state) {
    struct fixture *f = *state;
    struct task t = working(f, "lost"), seen;
    struct err e;

    f->site.clock.fixed_s = NOW + TASK_LEASE_S;
    assert_int_equal(task_read(&f->site, f->a, "lost", &seen, &e), OK);
    assert_true(task_is(&seen, "working"));
    f->site.clock.fixed_s = NOW + TASK_LEASE_S + 1;
    assert_int_equal(task_read(&f->site, f->a, "lost", &seen, &e), OK);
    assert_true(task_is(&seen, "failed"));
    assert_non_null(strstr(json_get_str(json_get(seen.record, "error"), "message"), "host"));
    assert_null(json_get(seen.record, "arguments"));
    /* Its host was only slow: it must not come back to life. */
    assert_int_equal(task_renew_lease(&t, &e), ERR_CONFLICT);
    task_set_status(&t, "completed");
    assert_int_equal(task_save(&t, &e), ERR_CONFLICT);
    assert_int_equal(task_read(&f->site, f->a, "lost", &seen, &e), OK);
    assert_true(task_is(&seen, "failed"));
    f->site.clock.fixed_s = NOW;
}

/* Who runs the program has the record, and puts it again. */
static void a_record_that_was_lost_with_its_file_is_put_again(void **state) {
    struct fixture *f = *state;
    struct task t = {.site = &f->site,
                     .arena = f->a,
                     .id = "put-again",
                     .record = json_new_object(f->a)},
                seen;
    char path[128];
    struct err e;

    log_set_level(LOG_ERROR + 1);
    (void)snprintf(path, sizeof path, "%s/cache/data.mdb", dir);
    json_put_str(t.record, "state", "kept");
    task_set_status(&t, "working");
    t.lease = NOW + TASK_LEASE_S;
    t.ttl = NOW + 1000;
    assert_int_equal(task_save(&t, &e), OK);

    assert_int_equal(truncate(path, 100), 0); /* while it runs */
    assert_int_equal(task_read(&f->site, f->a, t.id, &seen, &e), ERR_MISSING);
    f->site.clock.fixed_s = NOW + 1;
    assert_int_equal(task_renew_lease(&t, &e), OK);
    assert_int_equal(task_read(&f->site, f->a, t.id, &seen, &e), OK);
    assert_true(task_is(&seen, "working"));
    assert_string_equal(json_get_str(seen.record, "state"), "kept");
    assert_int_equal(seen.lease, NOW + 1 + TASK_LEASE_S);

    assert_int_equal(truncate(path, 100), 0); /* before it ends */
    task_set_status(&t, "completed");
    assert_int_equal(task_save(&t, &e), OK);
    assert_int_equal(task_read(&f->site, f->a, t.id, &seen, &e), OK);
    assert_true(task_is(&seen, "completed"));
    f->site.clock.fixed_s = NOW;
}

static void a_renewed_lease_holds(void **state) {
    struct fixture *f = *state;
    struct task t = working(f, "alive"), seen;
    struct err e;

    for (int i = 1; i < 5; i++) {
        f->site.clock.fixed_s = NOW + i * (TASK_LEASE_S - 1);
        assert_int_equal(task_renew_lease(&t, &e), OK);
        assert_int_equal(task_read(&f->site, f->a, "alive", &seen, &e), OK);
        assert_true(task_is(&seen, "working"));
    }
    f->site.clock.fixed_s = NOW;
}

static void a_record_is_sealed_for_its_id(void **state) {
    struct fixture *f = *state;
    struct task_record r, out;
    struct task seen;
    struct err e;

    (void)working(f, "mine");
    assert_int_equal(task_store_get(f->tasks, f->a, "mine", &out, &e), OK);
    assert_null(strstr(out.sealed, "secret"));
    r = record("other", 0, out.sealed);
    assert_int_equal(task_store_write(f->tasks, &r, &e), OK);
    assert_int_equal(task_read(&f->site, f->a, "other", &seen, &e), ERR_STORE);
    assert_non_null(strstr(e.detail, "SECRET_KEY_FILE"));
    assert_int_equal(task_read(&f->site, f->a, "", &seen, &e), ERR_MISSING);
    assert_int_equal(task_read(&f->site, f->a, "no/id", &seen, &e), ERR_MISSING);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_is_swapped_only_for_the_one_that_was_seen),
        cmocka_unit_test(each_write_replaces_the_version_that_was_read),
        cmocka_unit_test(what_is_past_its_ttl_does_not_exist),
        cmocka_unit_test(a_record_that_is_too_long_is_refused),
        cmocka_unit_test(a_user_has_a_share_of_what_is_kept),
        cmocka_unit_test(bytes_count_too),
        cmocka_unit_test(a_task_whose_lease_has_ended_has_failed_for_good),
        cmocka_unit_test(a_record_that_was_lost_with_its_file_is_put_again),
        cmocka_unit_test(a_renewed_lease_holds),
        cmocka_unit_test(a_record_is_sealed_for_its_id),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
