/* A key-value file that is full: what is in it can still be read and deleted, and then there is
 * room again. */
#include "unit.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "host/kv.h"

#define FILE_BYTES (1 << 20)

static char dir[] = "/tmp/kv-XXXXXX";

/* In place of the C library's: what LMDB calls is found here first. It keeps its two pages that say
 * which of the others count at the start of the file. */
static bool first_pages_fail;

__attribute__((visibility("default"))) ssize_t pwrite(int fd, const void *data, size_t len,
                                                      off_t at) {
    ssize_t (*real)(int, const void *, size_t, off_t);

    *(void **)&real = dlsym(RTLD_NEXT, "pwrite");
    if (first_pages_fail && at < 2 * (off_t)sysconf(_SC_PAGESIZE)) {
        errno = EIO;
        return -1;
    }
    return real(fd, data, len, at);
}

static int fresh(void **state) {
    memcpy(dir, "/tmp/kv-XXXXXX", sizeof dir);
    return mkdtemp(dir) ? arena_setup(state) : -1;
}

static int gone(void **state) {
    char path[64];

    (void)snprintf(path, sizeof path, "%s/data.mdb", dir);
    (void)unlink(path);
    (void)snprintf(path, sizeof path, "%s/lock.mdb", dir);
    (void)unlink(path);
    (void)rmdir(dir);
    return arena_teardown(state);
}

static struct kv *opened(void) {
    struct kv *k;
    struct err e;

    if (kv_open(dir, FILE_BYTES, &k, &e))
        fail_msg("%s", e.text);
    return k;
}

static enum rc put(struct kv *k, unsigned number, size_t len, struct err *e) {
    static const char data[8192];
    struct kv_txn *t;
    char key[32];
    enum rc rc;

    /* In an order that is not the one in which they come. */
    (void)snprintf(key, sizeof key, "%08x", number * 2654435761U);
    assert_int_equal(kv_begin(k, true, &t, e), OK);
    rc = kv_put(t, key, data, len, true, e);
    if (!rc)
        return kv_commit(t, e);
    kv_abort(t);
    return rc;
}

/* Fills it up with values of each of the sizes in turn, the last one smallest. */
static unsigned fill(struct kv *k, const size_t sizes[4]) {
    unsigned count = 0;
    struct err e = {.code = OK};

    for (int i = 0; i < 4; i++) {
        while (!put(k, count, sizes[i], &e))
            count++;
        assert_int_equal(e.code, ERR_STORE);
    }
    return count;
}

static bool delete_first(struct kv *k) {
    struct kv_txn *t;
    char key[KV_KEY_MAX + 1];
    const void *data;
    size_t len;
    struct err e;

    assert_int_equal(kv_begin(k, true, &t, &e), OK);
    if (!kv_next(t, "", key, &data, &len)) {
        kv_abort(t);
        return false;
    }
    if (kv_del(t, key, &e) || kv_commit(t, &e))
        fail_msg("deleting from a full file: %s (%s)", e.text, e.detail);
    return true;
}

static void a_full_file_can_be_emptied_and_filled_again(void **state) {
    static const size_t sizes[][4] = {{8000, 3000, 100, 16}, {700, 300, 130, 16}};

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct kv *k = opened();
        unsigned first = fill(k, sizes[i]), deleted = 0, again;

        assert_true(first > 50);
        while (delete_first(k))
            deleted++;
        assert_int_equal(deleted, first);
        again = fill(k, sizes[i]);
        assert_in_range(again, first * 3 / 4, first * 5 / 4);
        kv_close(k);
        assert_int_equal(gone(state), 0);
        assert_int_equal(fresh(state), 0);
    }
}

/* LMDB refuses everything from then on. It must not do so for ever. */
static void a_disk_that_failed_for_a_moment_is_used_again(void **state) {
    struct kv *k = opened();
    struct kv_txn *t;
    const void *data;
    size_t len;
    struct err e;

    (void)state;
    assert_int_equal(put(k, 1, 10, &e), OK);
    first_pages_fail = true;
    assert_int_equal(put(k, 2, 10, &e), ERR_STORE);
    first_pages_fail = false;
    assert_int_equal(put(k, 3, 10, &e), OK);
    assert_int_equal(kv_begin(k, false, &t, &e), OK);
    assert_int_equal(kv_get(t, "9e3779b1", &data, &len, &e), OK); /* the first */
    kv_abort(t);
    kv_close(k);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_disk_that_failed_for_a_moment_is_used_again, fresh, gone),
        cmocka_unit_test_setup_teardown(a_full_file_can_be_emptied_and_filled_again, fresh, gone)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
