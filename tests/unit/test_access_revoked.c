/* Access tokens that were revoked. */
#include "unit.h"

#include <sys/wait.h>

#include "access/revoked.h"

#define NOW 1700000000

struct fixture {
    char dir[UNIT_PATH_MAX];
    struct arena *a;
    const char *path;
    struct revoked *r;
    struct err e;
};

/* Of a token; valid until the next. */
static const uint8_t *digest(const char *token) {
    static uint8_t out[SHA256_LEN];

    sha256(token, strlen(token), out);
    return out;
}

static int setup(void **state) {
    struct fixture *f = xcalloc(1, sizeof *f);

    folder_make(f->dir);
    f->a = arena_new(4 << 20);
    f->path = arena_printf(f->a, "%s/revoked", f->dir);
    assert_int_equal(revoked_open(f->path, &f->r, &f->e), OK);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;

    revoked_close(f->r);
    (void)unlink(f->path);
    assert_int_equal(rmdir(f->dir), 0);
    arena_free(f->a);
    free(f);
    return 0;
}

static void one_is_so_until_it_ends(void **state) {
    struct fixture *f = *state;

    assert_false(revoked_has(f->r, digest("a.b.c"), NOW));
    assert_false(revoked_has(NULL, digest("a.b.c"), NOW));
    assert_int_equal(revoked_add(f->r, digest("a.b.c"), NOW + 10, NOW, &f->e), OK);
    assert_true(revoked_has(f->r, digest("a.b.c"), NOW));
    assert_true(revoked_has(f->r, digest("a.b.c"), NOW + 9));
    assert_false(revoked_has(f->r, digest("a.b.c"), NOW + 10));
    assert_false(revoked_has(f->r, digest("a.b.d"), NOW));
    assert_false(revoked_has(f->r, digest(""), NOW));
}

/* In the file as it is mapped: 40 bytes of head, the last time, 2048 sets of 8 entries, each a time
 * and a digest. */
#define HEAD 48
#define ENTRIES (2048 * 8)
#define ENTRY 40

static void a_worker_that_was_killed_while_writing_leaves_no_entry_taken(void **state) {
    const int64_t writing = -NOW;
    struct fixture *f = *state;
    int fd = open(f->path, O_RDWR);

    assert_true(fd >= 0);
    for (int i = 0; i < ENTRIES; i++)
        assert_int_equal(pwrite(fd, &writing, sizeof writing, HEAD + i * ENTRY), sizeof writing);
    assert_int_equal(close(fd), 0);
    assert_int_equal(revoked_add(f->r, digest("a.b.c"), NOW + 100, NOW, &f->e), ERR_STORE);
    assert_int_equal(revoked_add(f->r, digest("a.b.c"), NOW + 100, NOW + 10, &f->e), ERR_STORE);
    assert_int_equal(revoked_add(f->r, digest("a.b.c"), NOW + 100, NOW + 11, &f->e), OK);
    assert_true(revoked_has(f->r, digest("a.b.c"), NOW + 11));
    /* The clock was set back. */
    assert_int_equal(revoked_add(f->r, digest("d.e.f"), NOW + 100, NOW - 11, &f->e), OK);
}

static void other_workers_and_the_next_ones_know_it(void **state) {
    struct fixture *f = *state;
    struct revoked *other;
    int status;
    pid_t pid = fork();

    if (!pid) {
        struct err e;

        _exit(revoked_open(f->path, &other, &e) ||
              revoked_add(other, digest("token"), NOW + 3600, NOW, &e));
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_true(revoked_has(f->r, digest("token"), NOW));
    assert_int_equal(revoked_open(f->path, &other, &f->e), OK);
    assert_true(revoked_has(other, digest("token"), NOW));
    revoked_close(other);
}

/* Those that count never give way, and there is room again when they have ended. */
static void there_is_a_most(void **state) {
    struct fixture *f = *state;
    int added = 0;

    while (added < 20000 &&
           !revoked_add(f->r, digest(arena_printf(f->a, "t%d", added)), NOW + 3600, NOW, &f->e))
        added++;
    assert_in_range(added, 1000, 16384);
    assert_int_equal(f->e.code, ERR_STORE);
    for (int i = 0; i < added; i++)
        assert_true(revoked_has(f->r, digest(arena_printf(f->a, "t%d", i)), NOW));
    assert_int_equal(revoked_add(f->r, digest("t0"), NOW + 3600, NOW, &f->e), OK); /* it is there */
    assert_int_equal(
        revoked_add(f->r, digest(arena_printf(f->a, "t%d", added)), NOW + 9000, NOW + 3600, &f->e),
        OK);
    assert_false(revoked_has(f->r, digest("t0"), NOW + 3600));
}

/* It is set aside; so is one that somebody cuts while it is used. */
static void a_damaged_file_is_replaced(void **state) {
    struct fixture *f = *state;
    const char *aside = arena_printf(f->a, "%s.damaged", f->path);
    struct revoked *other;

    assert_int_equal(revoked_add(f->r, digest("token"), NOW + 10, NOW, &f->e), OK);
    assert_int_equal(truncate(f->path, 5000), 0);
    assert_false(revoked_has(f->r, digest("token"), NOW));
    assert_int_equal(access(aside, F_OK), 0);
    assert_int_equal(revoked_add(f->r, digest("token"), NOW + 10, NOW, &f->e), OK);
    assert_true(revoked_has(f->r, digest("token"), NOW));
    (void)unlink(aside);

    assert_int_equal(revoked_open("/nonexistent/revoked", &other, &f->e), ERR_STORE);
    assert_false(revoked_has(other, digest("token"), NOW));
    assert_int_equal(revoked_add(other, digest("token"), NOW + 10, NOW, &f->e), ERR_STORE);
    revoked_close(other);
}

#define WITH_FILE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_FILE(one_is_so_until_it_ends),
        WITH_FILE(a_worker_that_was_killed_while_writing_leaves_no_entry_taken),
        WITH_FILE(other_workers_and_the_next_ones_know_it),
        WITH_FILE(there_is_a_most),
        WITH_FILE(a_damaged_file_is_replaced),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
