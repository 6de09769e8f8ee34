/* A key-value file. When it is full, it can still be read and deleted from. A damaged one is
 * replaced, also while others have it open. A writer that hangs does not block others for long. */
#include "unit.h"

#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/log.h"
#include "shared/lmdb.h"

#define FILE_BYTES (1 << 20)
#define WORKERS 8

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

/* LMDB's way to have a write on the disk: whoever does one says so, and stops. */
static int sync_stops = -1;

__attribute__((visibility("default"))) int fdatasync(int fd) {
    (void)fd;
    if (sync_stops >= 0) {
        (void)!write(sync_stops, "s", 1);
        (void)raise(SIGSTOP);
    }
    return 0;
}

static int fresh(void **state) {
    memcpy(dir, "/tmp/kv-XXXXXX", sizeof dir);
    return mkdtemp(dir) ? arena_setup(state) : -1;
}

static int gone(void **state) {
    static const char *const names[] = {"data.mdb", "lock.mdb", "data.mdb.damaged", "writers"};
    char path[64];

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        (void)unlink(path);
    }
    if (rmdir(dir))
        return -1;
    return arena_teardown(state);
}

static struct lmdb *opened(void) {
    struct lmdb *k;
    struct err e;

    if (lmdb_open(dir, FILE_BYTES, WORKERS, &k, &e))
        fail_msg("%s", e.text);
    return k;
}

static enum rc put(struct lmdb *k, unsigned number, size_t len, struct err *e) {
    static const char data[8192];
    char key[32];
    enum rc rc;

    /* In an order that is not the one in which they come. */
    (void)snprintf(key, sizeof key, "%08x", number * 2654435761U);
    assert_int_equal(lmdb_begin(k, true, e), OK);
    rc = lmdb_put(k, key, data, len, e);
    if (!rc)
        return lmdb_commit(k, e);
    lmdb_abort(k);
    return rc;
}

/* Fills it up with values of each of the sizes in turn, the last one smallest. */
static unsigned fill(struct lmdb *k, const size_t sizes[4]) {
    unsigned count = 0;
    struct err e = {.code = OK};

    for (int i = 0; i < 4; i++) {
        while (!put(k, count, sizes[i], &e))
            count++;
        assert_int_equal(e.code, ERR_STORE);
    }
    return count;
}

static bool delete_first(struct lmdb *k) {
    char key[LMDB_KEY_MAX + 1];
    const void *data;
    size_t len;
    struct err e;

    assert_int_equal(lmdb_begin(k, true, &e), OK);
    if (!lmdb_next(k, "", key, &data, &len)) {
        lmdb_abort(k);
        return false;
    }
    if (lmdb_del(k, key, &e) || lmdb_commit(k, &e))
        fail_msg("deleting from a full file: %s (%s)", e.text, e.detail);
    return true;
}

static void a_full_file_can_be_emptied_and_filled_again(void **state) {
    static const size_t sizes[][4] = {{8000, 3000, 100, 16}, {700, 300, 130, 16}};

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct lmdb *k = opened();
        unsigned first = fill(k, sizes[i]), deleted = 0, again;

        assert_true(first > 50);
        while (delete_first(k))
            deleted++;
        assert_int_equal(deleted, first);
        again = fill(k, sizes[i]);
        assert_in_range(again, first * 3 / 4, first * 5 / 4);
        lmdb_close(k);
        assert_int_equal(gone(state), 0);
        assert_int_equal(fresh(state), 0);
    }
}

/* LMDB refuses everything from then on. It must not do so for ever. */
static void a_disk_that_failed_for_a_moment_is_used_again(void **state) {
    struct lmdb *k = opened();
    const void *data;
    size_t len;
    struct err e;

    (void)state;
    assert_int_equal(put(k, 1, 10, &e), OK);
    first_pages_fail = true;
    assert_int_equal(put(k, 2, 10, &e), ERR_STORE);
    first_pages_fail = false;
    assert_int_equal(put(k, 3, 10, &e), OK);
    assert_int_equal(lmdb_begin(k, false, &e), OK);
    assert_int_equal(lmdb_get(k, "9e3779b1", &data, &len, &e), OK); /* the first */
    lmdb_abort(k);
    lmdb_close(k);
}

/* ---- damage ---- */

static int open_file(const char *name, int flags) {
    char path[64];

    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    return open(path, flags);
}

static void cut_to(off_t size) {
    int fd = open_file("data.mdb", O_WRONLY);

    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, size), 0);
    assert_int_equal(close(fd), 0);
}

static void overwrite(off_t from, unsigned char with) {
    int fd = open_file("data.mdb", O_WRONLY);
    struct stat st;
    char *bytes;

    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    assert_true(st.st_size > from);
    bytes = xmalloc((size_t)st.st_size);
    for (off_t i = 0; i < st.st_size; i++)
        bytes[i] = (char)(with ? with : (unsigned char)rand());
    assert_int_equal(pwrite(fd, bytes, (size_t)(st.st_size - from), from), st.st_size - from);
    free(bytes);
    assert_int_equal(close(fd), 0);
}

static void cut_to_nothing(void) {
    cut_to(0);
}
static void cut_to_a_page(void) {
    cut_to(4096);
}
static void cut_to_three_pages(void) {
    cut_to(3 * 4096);
}
static void all_garbage(void) {
    overwrite(0, 0);
}
static void garbage_after_the_first_pages(void) {
    overwrite(2 * 4096, 0);
}
static void ones_after_the_first_pages(void) {
    overwrite(2 * 4096, 0xff);
}
static void removed(void) {
    char path[64];

    (void)snprintf(path, sizeof path, "%s/data.mdb", dir);
    assert_int_equal(unlink(path), 0);
}

/* What a worker does, in a process that may die of it: reads all there is, and writes. */
static bool works(struct lmdb *k, unsigned number) {
    char key[LMDB_KEY_MAX + 1] = "";
    const void *data;
    struct err e;
    size_t len;

    if (lmdb_begin(k, false, &e))
        return false;
    while (lmdb_next(k, key, key, &data, &len))
        for (size_t i = 0; i < len; i += 512)
            (void)*((const volatile char *)data + i);
    lmdb_abort(k);
    return !put(k, number, 5000, &e);
}

/* A worker: opens the file, and works once it is told to; its status says how. */
struct worker {
    pid_t pid;
    int go;
};

static void dies_of_faults(void) {
    (void)signal(SIGSEGV, SIG_DFL);
    (void)signal(SIGBUS, SIG_DFL);
    (void)signal(SIGABRT, SIG_DFL);
}

static struct worker worker(void) {
    int ready[2], go[2];
    struct worker w;
    char c;

    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(go), 0);
    w.pid = fork();
    assert_true(w.pid >= 0);
    if (!w.pid) {
        struct lmdb *k;
        struct err e;
        bool good;

        (void)alarm(60);
        dies_of_faults();
        (void)!lmdb_open(dir, FILE_BYTES, WORKERS, &k, &e);
        (void)!write(ready[1], "r", 1);
        (void)!read(go[0], &c, 1);
        good = works(k, (unsigned)getpid());
        lmdb_close(k);
        _exit(good ? 0 : 1);
    }
    assert_int_equal(read(ready[0], &c, 1), 1);
    (void)close(ready[0]);
    (void)close(ready[1]);
    (void)close(go[0]);
    w.go = go[1];
    return w;
}

static bool has_worked(struct worker w) {
    int status;

    assert_int_equal(write(w.go, "g", 1), 1);
    (void)close(w.go);
    assert_int_equal(waitpid(w.pid, &status, 0), w.pid);
    return !status;
}

static void (*const damages[])(void) = {cut_to_nothing,
                                        cut_to_a_page,
                                        cut_to_three_pages,
                                        all_garbage,
                                        garbage_after_the_first_pages,
                                        removed,
                                        ones_after_the_first_pages};

static void fill_some(struct lmdb *k) {
    struct err e;

    for (unsigned i = 0; i < 60; i++)
        assert_int_equal(put(k, i, 3000, &e), OK);
}

static void a_damaged_file_is_replaced_at_the_start(void **state) {
    log_set_level(LOG_ERROR + 1);
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        struct lmdb *k = opened();

        fill_some(k);
        lmdb_close(k);
        damages[i]();
        if (!has_worked(worker())) /* it may die of what it reads first */
            assert_true(has_worked(worker()));
        assert_true(has_worked(worker()));
        assert_int_equal(gone(state), 0);
        assert_int_equal(fresh(state), 0);
    }
}

/* One worker may die of it, or be told once; from then on all is well for those who had it open,
 * too. */
static void a_file_damaged_while_it_is_open_is_replaced(void **state) {
    log_set_level(LOG_ERROR + 1);
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        struct lmdb *k = opened();
        struct worker w[4];
        int fd;

        fill_some(k);
        lmdb_close(k);
        for (int j = 0; j < 4; j++)
            w[j] = worker();
        k = opened();
        damages[i]();
        (void)has_worked(w[0]);
        (void)has_worked(w[1]);
        assert_true(has_worked(w[2]));
        assert_true(has_worked(w[3]));
        assert_true(works(k, 2000));
        fd = open_file("data.mdb.damaged", O_RDONLY);
        assert_int_equal(fd >= 0, damages[i] != removed);
        (void)close(fd);
        lmdb_close(k);
        assert_int_equal(gone(state), 0);
        assert_int_equal(fresh(state), 0);
    }
}

/* ---- a writer that hangs ---- */

/* In another process, which stops in the middle of a write. */
static pid_t stopped_writer(void) {
    int ready[2], status;
    pid_t pid;
    char c;

    assert_int_equal(pipe(ready), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (!pid) {
        struct err e;
        struct lmdb *k = opened();

        sync_stops = ready[1];
        _exit(put(k, 1, 10, &e) ? 1 : 0);
    }
    assert_int_equal(read(ready[0], &c, 1), 1);
    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
    assert_true(WIFSTOPPED(status));
    (void)close(ready[0]);
    (void)close(ready[1]);
    return pid;
}

static void a_writer_that_hangs_holds_nobody_for_long(void **state) {
    struct lmdb *k = opened(), *later;
    int64_t began_ms = clock_monotonic_ms();
    const void *data;
    struct err e;
    size_t len;
    pid_t pid;

    (void)state;
    assert_int_equal(put(k, 0, 10, &e), OK);
    pid = stopped_writer();
    assert_int_equal(lmdb_begin(k, true, &e), ERR_STORE);
    for (int i = 0; i < 100; i++) /* from now on it is known */
        assert_int_equal(lmdb_begin(k, true, &e), ERR_STORE);
    assert_true(clock_monotonic_ms() - began_ms < 10 * LMDB_SLOW_MS);
    assert_int_equal(lmdb_begin(k, false, &e), OK);
    assert_int_equal(lmdb_get(k, "00000000", &data, &len, &e), OK);
    lmdb_abort(k);
    later = opened(); /* a worker that starts meanwhile */
    assert_int_equal(lmdb_begin(later, false, &e), OK);
    lmdb_abort(later);
    lmdb_close(later);

    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(put(k, 2, 10, &e), OK); /* nobody is inside any more */
    lmdb_close(k);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_damaged_file_is_replaced_at_the_start, fresh, gone),
        cmocka_unit_test_setup_teardown(a_file_damaged_while_it_is_open_is_replaced, fresh, gone),
        cmocka_unit_test_setup_teardown(a_writer_that_hangs_holds_nobody_for_long, fresh, gone),
        cmocka_unit_test_setup_teardown(a_disk_that_failed_for_a_moment_is_used_again, fresh, gone),
        cmocka_unit_test_setup_teardown(a_full_file_can_be_emptied_and_filled_again, fresh, gone)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
