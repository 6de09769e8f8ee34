/* The four conditional operations, the sweep, and what several processes see. */
#include "unit.h"

#include <sys/stat.h>
#include <sys/wait.h>

#include "base/log.h"
#include "shared/cache.h"
#include "shared/lmdb.h"
#include "store/sessions.h"
#include "store/stores.h"

#define NOW 1000000

static char dir[UNIT_PATH_MAX];

static struct clock now = {NOW};

/* The store, at that time. */
static struct session_store *at(struct session_store *s, int64_t now_s) {
    now.fixed_s = now_s;
    return s;
}

/* In the folder state_dir/sessions. */
static enum rc open_at(const char *state_dir, struct session_store **out, struct err *e) {
    const struct config config = {.state_dir = state_dir, .workers_max = 8};

    now.fixed_s = NOW;
    return session_store_lmdb.open(&(struct store_options){.config = &config, .clock = &now}, out,
                                   e);
}

static struct session_store *open_store(const char *name) {
    char path[128];
    struct session_store *s;
    struct err e;

    snprintf(path, sizeof path, "%s/%s", dir, name);
    (void)mkdir(path, 0700);
    if (open_at(path, &s, &e))
        fail_msg("%s", e.text);
    return s;
}

static struct session pending(const char *id) {
    return (struct session){.id = id,
                            .state = SESSION_PENDING,
                            .browser = "browser",
                            .login = "sealed",
                            .grant = "",
                            .attempt = "",
                            .ttl = NOW + 10};
}

/* The attempt is named as the grant. */
static enum rc authorize(struct session_store *s, struct arena *a, const char *id,
                         const char *browser, const char *grant, int64_t now_s, struct session *out,
                         struct err *e) {
    const struct session want = {
        .id = id, .browser = browser, .grant = grant, .attempt = grant, .ttl = NOW + 50};

    return session_store_authorize(at(s, now_s), a, &want, out, e);
}

static void a_login_goes_through_the_four_operations(void **state) {
    struct session_store *s = open_store("flow");
    struct session in = pending("id"), out;
    struct err e;

    assert_int_equal(session_store_put(s, &in, &e), OK);
    assert_int_equal(session_store_put(s, &in, &e), ERR_EXISTS);
    assert_int_equal(session_store_get(at(s, NOW), *state, "id", &out, &e), OK);
    assert_int_equal(out.state, SESSION_PENDING);
    assert_string_equal(out.login, "sealed");
    assert_int_equal(session_store_delete(at(s, NOW), *state, "id", &e), ERR_CONFLICT);
    assert_int_equal(authorize(s, *state, "id", "browser", "grant", NOW, &out, &e), OK);
    assert_int_equal(out.state, SESSION_AUTHORIZED);
    assert_string_equal(out.login, "sealed");
    assert_int_equal(session_store_get(at(s, NOW + 20), *state, "id", &out, &e), OK);
    assert_string_equal(out.grant, "grant");
    assert_int_equal(out.ttl, NOW + 50);
    assert_int_equal(session_store_delete(at(s, NOW), *state, "id", &e), OK);
    assert_int_equal(session_store_delete(at(s, NOW), *state, "id", &e), ERR_CONFLICT);
    assert_int_equal(session_store_get(at(s, NOW), *state, "id", &out, &e), ERR_MISSING);
    session_store_close(s);
}

/* How many records the file has, whether they have expired or not. */
static unsigned count_records(const char *name) {
    char path[128], key[LMDB_KEY_MAX + 1] = "";
    unsigned count = 0;
    const void *data;
    struct lmdb *db;
    struct err e;
    size_t len;

    snprintf(path, sizeof path, "%s/%s/sessions", dir, name);
    assert_int_equal(lmdb_open(path, 256UL << 20, 8, &db, &e), OK);
    assert_int_equal(lmdb_begin(db, false, &e), OK);
    while (lmdb_next(db, key, key, &data, &len))
        count++;
    lmdb_abort(db);
    lmdb_close(db);
    return count;
}

/* Who goes back to the form logs in again with it. */
static void one_that_has_ended_may_begin_again(void **state) {
    struct session_store *s = open_store("again");
    struct session in = pending("id"), out;
    struct err e;

    assert_int_equal(session_store_put(s, &in, &e), OK);
    assert_int_equal(authorize(s, *state, "id", "browser", "g", NOW, &out, &e), OK);
    assert_int_equal(session_store_delete(at(s, NOW), *state, "id", &e), OK);
    session_store_close(s);
    s = open_store("again"); /* another process knows that it has ended */
    assert_int_equal(session_store_get(at(s, NOW), *state, "id", &out, &e), ERR_MISSING);
    assert_int_equal(authorize(s, *state, "id", "browser", "g", NOW, &out, &e), ERR_CONFLICT);
    assert_int_equal(session_store_put(s, &in, &e), OK);
    assert_int_equal(session_store_put(s, &in, &e), ERR_EXISTS);
    assert_int_equal(session_store_get(at(s, NOW), *state, "id", &out, &e), OK);
    assert_int_equal(out.state, SESSION_PENDING);
    assert_int_equal(authorize(s, *state, "id", "browser", "h", NOW, &out, &e), OK);
    assert_int_equal(session_store_delete(at(s, NOW), *state, "id", &e), OK);
    session_store_sweep(at(s, NOW + 50));
    session_store_close(s);
    assert_int_equal(count_records("again"), 0);
}

static void one_that_cannot_be_marked_as_ended_is_removed(void **state) {
    struct session_store *s;
    struct session in = pending("id"), out;
    struct err e;

    session_store_close(open_store("unmarked"));
    assert_int_equal(
        system(arena_printf(*state, "cd %s/unmarked/sessions && rm ended && mkdir ended", dir)), 0);
    s = open_store("unmarked");
    assert_int_equal(session_store_put(s, &in, &e), OK);
    assert_int_equal(authorize(s, *state, "id", "browser", "g", NOW, &out, &e), OK);
    assert_int_equal(session_store_delete(at(s, NOW), *state, "id", &e), OK);
    assert_int_equal(session_store_delete(at(s, NOW), *state, "id", &e), ERR_CONFLICT);
    session_store_close(s);
    assert_int_equal(count_records("unmarked"), 0);
}

static void authorizing_has_conditions(void **state) {
    struct session_store *s = open_store("conditions");
    struct session in = pending("id"), out;
    struct err e;

    assert_int_equal(session_store_put(s, &in, &e), OK);
    assert_int_equal(authorize(s, *state, "other", "browser", "g", NOW, &out, &e), ERR_CONFLICT);
    assert_int_equal(authorize(s, *state, "id", "another", "g", NOW, &out, &e), ERR_CONFLICT);
    assert_int_equal(authorize(s, *state, "id", "browser", "g", NOW + 10, &out, &e),
                     ERR_CONFLICT); /* expired */
    assert_int_equal(authorize(s, *state, "id", "browser", "g", NOW, &out, &e), OK);
    assert_int_equal(authorize(s, *state, "id", "browser", "h", NOW, &out, &e),
                     ERR_CONFLICT); /* no longer pending */
    assert_int_equal(session_store_get(at(s, NOW), *state, "id", &out, &e), OK);
    assert_string_equal(out.grant, "g");
    assert_int_equal(authorize(s, *state, "id", "browser", "g", NOW, &out, &e), OK); /* again */
    assert_int_equal(authorize(s, *state, "id", "another", "g", NOW, &out, &e), ERR_CONFLICT);
    assert_int_equal(session_store_delete(at(s, NOW), *state, "id", &e), OK);
    assert_int_equal(authorize(s, *state, "id", "browser", "g", NOW, &out, &e), ERR_CONFLICT);
    session_store_close(s);
}

/* A record as the store writes it. */
static void put_record(const char *name, const char *id, const char *json) {
    const struct cache_entry entry = cache_text_entry(json, 10);
    struct cache *cache;
    char path[128];
    struct err e;

    snprintf(path, sizeof path, "%s/%s", dir, name);
    (void)mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/%s/sessions", dir, name);
    now.fixed_s = NOW;
    assert_int_equal(cache_open(path, 8, &now, &cache, &e), OK);
    assert_int_equal(cache_add(cache, id, &entry, 0, &e), OK);
    cache_close(cache);
}

static void the_version_before_is_read_and_no_other(void **state) {
    struct session out;
    struct session_store *s;
    struct err e;

    put_record("versions", "one",
               "{\"v\":1,\"state\":1,\"browser\":\"browser\",\"login\":\"l\",\"grant\":\"\"}");
    put_record("versions", "three",
               "{\"v\":3,\"state\":1,\"browser\":\"browser\",\"login\":\"l\",\"grant\":\"\"}");
    s = open_store("versions");
    assert_int_equal(session_store_get(at(s, NOW), *state, "one", &out, &e), OK);
    assert_string_equal(out.attempt, "");
    assert_int_equal(authorize(s, *state, "one", "browser", "g", NOW, &out, &e), OK);
    assert_int_equal(session_store_delete(at(s, NOW), *state, "one", &e), OK);
    assert_string_equal(out.attempt, "g");
    assert_int_equal(session_store_get(at(s, NOW), *state, "three", &out, &e), ERR_STORE);
    session_store_close(s);
}

static void what_has_expired_does_not_exist_and_is_swept(void **state) {
    struct session_store *s = open_store("sweep");
    struct session out;
    struct err e;
    char id[16];

    for (int i = 0; i < 200; i++) {
        struct session in = pending(id);

        snprintf(id, sizeof id, "id%03d", i);
        in.ttl = i % 2 ? NOW + 10 : NOW + 1000;
        assert_int_equal(session_store_put(s, &in, &e), OK);
    }
    assert_int_equal(session_store_get(at(s, NOW + 10), *state, "id001", &out, &e), ERR_MISSING);
    session_store_close(s);
    assert_int_equal(count_records("sweep"), 200);
    s = open_store("sweep");
    for (int i = 0; i < 5; i++)
        session_store_sweep(at(s, NOW + 10));
    session_store_close(s);
    assert_int_equal(count_records("sweep"), 100);
    s = at(open_store("sweep"), NOW + 10);
    for (int i = 0; i < 200; i++) {
        struct session in = pending(id);

        snprintf(id, sizeof id, "id%03d", i);
        /* A swept id is free again, one that lives is not. */
        assert_int_equal(session_store_put(s, &in, &e), i % 2 ? OK : ERR_EXISTS);
    }
    session_store_close(s);
}

/* So many logins that nobody finished, as somebody who floods us leaves them. */
static void a_sweep_goes_on_while_there_is_much_to_remove(void **state) {
    struct session_store *s = open_store("flood");
    struct err e;
    char id[16];

    (void)state;
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 1000; i++) {
            struct session in = pending(id);

            snprintf(id, sizeof id, "id%04d", i);
            in.ttl = NOW + 10;
            assert_int_equal(session_store_put(at(s, NOW), &in, &e), OK);
            if (i == 999)
                session_store_sweep(at(s, NOW + 10));
        }
    session_store_close(s);
    assert_int_equal(count_records("flood"), 0);
}

/* A child opens the store itself, as workers do, tries to delete, and closes, while others open and
 * close. Exit status 1: it won; 2: something else. */
static _Noreturn void compete(const char *path) {
    struct arena *a = arena_new(1 << 20);
    struct session_store *s;
    struct err e;
    enum rc rc = open_at(path, &s, &e);

    if (rc)
        _exit(2);
    rc = session_store_delete(at(s, NOW), a, "id", &e);
    arena_free(a);
    session_store_close(s);
    _exit(rc == OK ? 1 : rc == ERR_CONFLICT ? 0 : 2);
}

static void of_many_processes_one_deletes(void **state) {
    struct session_store *s = open_store("race");
    struct session in = pending("id"), out;
    struct err e;
    int winners = 0;
    pid_t children[16];

    assert_int_equal(session_store_put(s, &in, &e), OK);
    assert_int_equal(authorize(s, *state, "id", "browser", "g", NOW, &out, &e), OK);
    session_store_close(s);
    for (int i = 0; i < 16; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (!children[i])
            compete(arena_printf(*state, "%s/race", dir));
    }
    for (int i = 0; i < 16; i++) {
        int status;

        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_true(WIFEXITED(status));
        assert_in_range(WEXITSTATUS(status), 0, 1);
        winners += WEXITSTATUS(status);
    }
    assert_int_equal(winners, 1);
}

static void the_folder_is_private(void **state) {
    struct stat st;
    char path[128];

    (void)state;
    session_store_close(open_store("private"));
    snprintf(path, sizeof path, "%s/private/sessions", dir);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    snprintf(path, sizeof path, "%s/private/sessions/data.mdb", dir);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void a_folder_that_cannot_be_made_is_said(void **state) {
    struct session in = pending("id");
    struct session_store *s;
    struct err e;

    (void)state;
    assert_int_equal(open_at("/nonexistent", &s, &e), ERR_STORE);
    assert_non_null(strstr(e.text, "/nonexistent/sessions"));
    assert_int_equal(session_store_put(s, &in, &e), ERR_STORE);
    assert_non_null(strstr(e.detail, "/nonexistent/sessions"));
    session_store_close(s);
}

/* In place of the C library's: nobody waits for the disk. */
__attribute__((visibility("default"))) int fdatasync(int fd) {
    (void)fd;
    return 0;
}

static void put_numbered(struct session_store *s, unsigned number, const char *login) {
    struct session in = pending("");
    char id[32];
    struct err e;

    (void)snprintf(id, sizeof id, "%08x", number * 2654435761U);
    in.id = id;
    in.login = login;
    in.ttl = NOW + 10 + number;
    if (session_store_put(s, &in, &e))
        fail_msg("login %u: %s (%s)", number, e.text, e.detail);
}

static bool is_there(struct session_store *s, struct arena *a, unsigned number) {
    struct session out;
    char id[32];
    struct err e;

    (void)snprintf(id, sizeof id, "%08x", number * 2654435761U);
    return !session_store_get(at(s, NOW), a, id, &out, &e);
}

#define LOGIN_BYTES 16384 /* sealed: a long one */

/* Who begins many logins must not keep others from theirs. */
static void a_full_store_forgets_the_oldest_that_were_only_begun(void **state) {
    struct session_store *s = open_store("full");
    struct session out, in = pending("back");
    char *login = xmalloc(LOGIN_BYTES);
    struct arena *a = arena_new(1 << 20);
    unsigned count = 1;
    struct err e;

    (void)state;
    log_set_level(LOG_ERROR);
    memset(login, 'x', LOGIN_BYTES - 1);
    login[LOGIN_BYTES - 1] = 0;
    assert_int_equal(session_store_put(s, &in, &e), OK); /* the oldest of all */
    assert_int_equal(authorize(s, a, "back", "browser", "grant", NOW, &out, &e), OK);
    put_numbered(s, 0, login);
    while (is_there(s, a, 0)) { /* until it is full */
        put_numbered(s, count++, login);
        arena_reset(a);
        assert_true(count < 30000);
    }
    assert_true(count > 10000);
    assert_false(is_there(s, a, 1)); /* the next ones in age went too */
    assert_true(is_there(s, a, count / 2));
    assert_true(is_there(s, a, count - 1));
    assert_int_equal(session_store_delete(at(s, NOW), a, "back", &e), OK);
    for (unsigned i = 0; i < 1000; i++) /* and so on */
        put_numbered(s, count++, login);
    arena_free(a);
    free(login);
    session_store_close(s);
}

static int setup(void **state) {
    (void)state;
    folder_make(dir);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    folder_remove(dir);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_ARENA(a_login_goes_through_the_four_operations),
        WITH_ARENA(one_that_has_ended_may_begin_again),
        WITH_ARENA(one_that_cannot_be_marked_as_ended_is_removed),
        WITH_ARENA(authorizing_has_conditions),
        WITH_ARENA(the_version_before_is_read_and_no_other),
        WITH_ARENA(what_has_expired_does_not_exist_and_is_swept),
        WITH_ARENA(a_sweep_goes_on_while_there_is_much_to_remove),
        WITH_ARENA(of_many_processes_one_deletes),
        cmocka_unit_test(a_full_store_forgets_the_oldest_that_were_only_begun),
        cmocka_unit_test(the_folder_is_private),
        cmocka_unit_test(a_folder_that_cannot_be_made_is_said),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
