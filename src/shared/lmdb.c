#include "shared/lmdb.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <lmdb.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/concurrency_limit.h"
#include "shared/state_file.h"

#define READERS_MAX 4096 /* more than the largest number of processes */
#define RESERVED_PART 8  /* an eighth of the file is reserved for deleting: see lmdb_is_full */
#define FREE_PAGES 0     /* LMDB's database of free pages */
#define LIMIT_FILE "writers"
#define LOCK_FILE "lock.mdb"
#define FOLDER_LOCK_MS 2000
#define FOLDER_LOCK_STEP_MS 2

struct lmdb {
    int dir; /* the folder; -1: not open */
    char *path;
    dev_t dev; /* dev, ino, size: of the open data file; it never becomes shorter */
    ino_t ino;
    off_t size;
    size_t max_bytes;
    unsigned workers;
    struct concurrency_limit *writers; /* NULL: only LMDB's own lock */
    MDB_env *env;                      /* NULL: not open */
    bool damaged;                      /* LMDB has reported it */
    MDB_txn *txn;                      /* NULL: none is open */
    MDB_dbi dbi;
    size_t page_bytes;
    size_t pages; /* that lmdb_put may use */
};

/* ---- the folder: its lock, and the replacement of a damaged file ---- */

static int open_folder(struct lmdb *db) {
    if (db->dir >= 0)
        return 0;
    if (mkdir(db->path, 0700) && errno != EEXIST)
        return errno;
    db->dir = open(db->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return db->dir < 0 ? errno : 0;
}

/* LMDB 0.9.31 destroys the locks in its file when the last user closes it; a process that opens it
 * at that moment then fails with "Invalid argument". */
static bool lock_folder(const struct lmdb *db) {
    int64_t end_ms = clock_monotonic_ms() + FOLDER_LOCK_MS;

    while (flock(db->dir, LOCK_EX | LOCK_NB)) {
        if (clock_monotonic_ms() >= end_ms)
            return false;
        clock_sleep_ms(FOLDER_LOCK_STEP_MS);
    }
    return true;
}

static void remember_file(struct lmdb *db, const struct stat *st) {
    db->dev = st->st_dev;
    db->ino = st->st_ino;
    db->size = st->st_size;
}

/* While the folder is locked, before LMDB opens the file. */
static void prepare_folder(struct lmdb *db) {
    struct stat st;

    if (!fstatat(db->dir, LMDB_DATA, &st, 0)) {
        remember_file(db, &st);
        return;
    }
    if (errno != ENOENT)
        return;
    /* Processes with the old file still use its locks, so the new file needs new ones. */
    (void)unlinkat(db->dir, LOCK_FILE, 0);
    if (!fstatat(db->dir, LMDB_DATA DAMAGED_SUFFIX, &st, 0))
        damaged_file_report(db->path, "/" LMDB_DATA);
}

/* Is the data file still the one that was opened? */
static bool is_open_file(const struct lmdb *db, struct stat *st) {
    return !fstatat(db->dir, LMDB_DATA, st, 0) && st->st_ino == db->ino && st->st_dev == db->dev;
}

/* While the folder is locked. */
static void set_aside(const struct lmdb *db) {
    struct stat st;

    if (is_open_file(db, &st))
        (void)renameat(db->dir, LMDB_DATA, db->dir, LMDB_DATA DAMAGED_SUFFIX);
}

/* ---- when a damaged file makes LMDB end the process ---- */

/* LMDB trusts what it reads, so a damaged file may end the process (SIGSEGV, SIGBUS, abort). Such a
 * signal renames the file that is in use, so that the next process makes a new one. */
static const int faults[] = {SIGSEGV, SIGBUS, SIGABRT};
#define FAULTS (sizeof faults / sizeof *faults)

static const struct lmdb *volatile in_use;
static struct sigaction before[FAULTS];

/* Uses only calls that signal-safety(7) allows, and flock, which is a plain system call. */
static void on_fault(int signo, siginfo_t *info, void *context) {
    const struct lmdb *db = in_use;

    (void)context;
    in_use = NULL;
    if (db && (info->si_code > 0 || signo == SIGABRT) && !flock(db->dir, LOCK_EX | LOCK_NB))
        set_aside(db);
    for (size_t i = 0; i < FAULTS; i++)
        if (faults[i] == signo)
            (void)sigaction(signo, &before[i], NULL);
    if (info->si_code <= 0) /* sent by a process: unlike a fault, it does not recur on return */
        (void)raise(signo);
}

static void catch_faults(void) {
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO}, now;

    (void)sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < FAULTS; i++)
        if (!sigaction(faults[i], NULL, &now) && now.sa_sigaction != on_fault) {
            before[i] = now;
            (void)sigaction(faults[i], &action, NULL);
        }
}

/* ---- opening and closing ---- */

static enum rc failed(struct err *e, const char *what, int code) {
    (void)err_set(e, ERR_STORE, "this host's store is not available");
    return err_detail(e, "%s: %s", what, mdb_strerror(code));
}

/* LMDB's errors for a damaged file. All processes use the same map size, so a file that is longer
 * than that is damaged too. EINVAL: the locks are. */
static int remember_damage(struct lmdb *db, int code) {
    db->damaged |= code == MDB_INVALID || code == MDB_CORRUPTED || code == MDB_PAGE_NOTFOUND ||
                   code == MDB_VERSION_MISMATCH || code == MDB_MAP_RESIZED || code == EINVAL;
    return code;
}

static int open_environment(struct lmdb *db) {
    mdb_filehandle_t fd;
    struct stat st;
    MDB_stat stat;
    MDB_txn *txn;
    int code;

    prepare_folder(db);
    if ((code = mdb_env_create(&db->env)) || (code = mdb_env_set_mapsize(db->env, db->max_bytes)) ||
        (code = mdb_env_set_maxreaders(db->env, READERS_MAX)))
        return code;
    /* NOTLS: reader slots belong to transactions, since there are no threads. NOMETASYNC: a power
     * cut may undo the last write, but not damage the file. The transaction only reads, so that a
     * writer that hangs does not block opening. */
    if ((code = mdb_env_open(db->env, db->path, MDB_NOTLS | MDB_NOMETASYNC, 0600)) ||
        (code = mdb_env_get_fd(db->env, &fd)))
        return code;
    if (!fstat(fd, &st))
        remember_file(db, &st);
    if ((code = mdb_txn_begin(db->env, NULL, MDB_RDONLY, &txn)))
        return code;
    code = mdb_dbi_open(txn, NULL, 0, &db->dbi);
    if (!code)
        code = mdb_env_stat(db->env, &stat);
    mdb_txn_abort(txn);
    if (code)
        return code;
    db->page_bytes = stat.ms_psize;
    db->pages = db->max_bytes / stat.ms_psize * (RESERVED_PART - 1) / RESERVED_PART;
    return 0;
}

static void close_environment(struct lmdb *db) {
    if (db->env)
        mdb_env_close(db->env);
    db->env = NULL;
}

/* While the folder is locked. Replaces a damaged file, once. */
static int open_or_replace(struct lmdb *db) {
    int code;

    if (db->damaged)
        set_aside(db);
    db->damaged = false;
    code = remember_damage(db, open_environment(db));
    if (db->damaged) {
        close_environment(db);
        set_aside(db);
        db->damaged = false;
        code = open_environment(db);
    }
    if (code) /* the next transaction tries again */
        close_environment(db);
    return code;
}

/* Opens the file: the first time, if it was replaced, and after a failed write of its first pages,
 * since LMDB then refuses everything (MDB_PANIC) even when the disk works again. */
static int reopen(struct lmdb *db) {
    int code = open_folder(db);

    if (code)
        return code;
    if (!lock_folder(db))
        return EBUSY;
    close_environment(db);
    code = open_or_replace(db);
    (void)flock(db->dir, LOCK_UN);
    return code;
}

/* The limit's file is in the same folder, which must exist first. */
static void open_limit(struct lmdb *db) {
    const struct concurrency_options options = concurrency_exclusive(db->workers, LMDB_SLOW_MS);
    char path[PATH_MAX];

    if (db->writers || !db->env)
        return;
    (void)snprintf(path, sizeof path, "%s/" LIMIT_FILE, db->path);
    (void)!concurrency_limit_open(path, &options, &db->writers, ERR_IGNORED);
}

enum rc lmdb_open(const char *dir, size_t max_bytes, unsigned workers, struct lmdb **out,
                  struct err *e) {
    struct lmdb *db = xcalloc(1, sizeof *db);
    int code;

    db->dir = -1;
    db->path = xstrdup(dir);
    db->max_bytes = max_bytes;
    db->workers = workers;
    *out = db;
    catch_faults();
    in_use = db;
    code = reopen(db);
    in_use = NULL;
    open_limit(db);
    return code ? err_set(e, ERR_STORE,
                          "%s cannot be opened: %s. It must be a folder that the service's user "
                          "can write",
                          dir, mdb_strerror(code))
                : OK;
}

/* If the folder cannot be locked, LMDB's file stays open until the process ends. */
void lmdb_close(struct lmdb *db) {
    if (!db)
        return;
    if (db->env && lock_folder(db))
        close_environment(db);
    descriptor_close(db->dir); /* unlocks the folder */
    concurrency_limit_close(db->writers);
    free(db->path);
    free(db);
}

/* Opens the file again if it was replaced or truncated: a truncated file must not be read
 * (SIGBUS). */
static int reopen_if_changed(struct lmdb *db) {
    struct stat st;

    if (!db->env || db->damaged || !is_open_file(db, &st))
        return reopen(db);
    if (st.st_size < db->size) {
        db->damaged = true;
        return reopen(db);
    }
    db->size = st.st_size;
    return 0;
}

/* Extends the file with zeros to the size that LMDB expects: it recognizes a page of zeros as
 * invalid, but a read after the end of the file would end the process. By fallocate, which never
 * shortens the file. ftruncate could, if another process extends it at the same time. */
static void extend_file(struct lmdb *db) {
    mdb_filehandle_t fd;
    MDB_envinfo info;
    off_t size;

    if (mdb_env_info(db->env, &info) || mdb_env_get_fd(db->env, &fd))
        return;
    size = (off_t)((info.me_last_pgno + 1) * db->page_bytes);
    if (db->size < size && !fallocate(fd, 0, db->size, size - db->size))
        db->size = size;
}

static int begin_once(struct lmdb *db, bool write) {
    int code = reopen_if_changed(db);

    if (code || (code = mdb_txn_begin(db->env, NULL, write ? 0 : MDB_RDONLY, &db->txn)))
        return remember_damage(db, code);
    extend_file(db);
    return 0;
}

static int begin(struct lmdb *db, bool write) {
    int code;

    in_use = db;
    code = begin_once(db, write);
    if (code == MDB_PANIC && !(code = reopen(db)))
        code = begin_once(db, write);
    if (db->damaged)
        code = begin_once(db, write);
    return code;
}

static void end(struct lmdb *db) {
    in_use = NULL;
    db->txn = NULL;
    concurrency_limit_leave(db->writers, true);
}

enum rc lmdb_begin(struct lmdb *db, bool write, struct err *e) {
    int code;

    open_limit(db);
    if (write && concurrency_limit_enter(db->writers)) {
        (void)failed(e, db->path, 0);
        return err_detail(e, "%s: the previous writer has not finished: the disk is slow",
                          db->path);
    }
    code = begin(db, write);
    if (code) {
        end(db);
        return failed(e, db->path, code);
    }
    return OK;
}

enum rc lmdb_commit(struct lmdb *db, struct err *e) {
    int code = remember_damage(db, mdb_txn_commit(db->txn));

    end(db);
    return code ? failed(e, "commit", code) : OK;
}

void lmdb_abort(struct lmdb *db) {
    mdb_txn_abort(db->txn); /* which accepts NULL */
    end(db);
}

static MDB_val key_of(const char *key) {
    return (MDB_val){strlen(key), (void *)(uintptr_t)key};
}

enum rc lmdb_get(struct lmdb *db, const char *key, const void **data, size_t *len, struct err *e) {
    MDB_val k = key_of(key), v;
    int code = remember_damage(db, mdb_get(db->txn, db->dbi, &k, &v));

    if (code == MDB_NOTFOUND || !k.mv_size)
        return err_set(e, ERR_MISSING, "there is no such record");
    if (code)
        return failed(e, "get", code);
    *data = v.mv_data;
    *len = v.mv_size;
    return OK;
}

/* Number of free pages. Only a reading transaction can list them. */
static size_t count_free(MDB_env *env) {
    MDB_txn *txn;
    MDB_cursor *cursor;
    MDB_val k, v;
    size_t count = 0, n;

    if (mdb_txn_begin(env, NULL, MDB_RDONLY, &txn))
        return 0;
    if (!mdb_cursor_open(txn, FREE_PAGES, &cursor)) {
        while (!mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) {
            memcpy(&n, v.mv_data, sizeof n);
            count += n;
        }
        mdb_cursor_close(cursor);
    }
    mdb_txn_abort(txn);
    return count;
}

static bool has_room(const struct lmdb *db, size_t pages) {
    MDB_envinfo info;

    return !mdb_env_info(db->env, &info) &&
           (info.me_last_pgno < pages || info.me_last_pgno - count_free(db->env) < pages);
}

/* LMDB never writes in place, so deleting needs free pages too: in a completely full file nothing
 * could be deleted. */
bool lmdb_is_full(const struct lmdb *db) {
    return !has_room(db, db->pages);
}

bool lmdb_is_nearly_full(const struct lmdb *db) {
    return !has_room(db, db->pages / 4 * 3);
}

enum rc lmdb_put(struct lmdb *db, const char *key, const void *data, size_t len, struct err *e) {
    MDB_val k = key_of(key), v = {len, (void *)(uintptr_t)data};
    int code =
        remember_damage(db, lmdb_is_full(db) ? MDB_MAP_FULL : mdb_put(db->txn, db->dbi, &k, &v, 0));

    return code ? failed(e, "put", code) : OK;
}

enum rc lmdb_del(struct lmdb *db, const char *key, struct err *e) {
    MDB_val k = key_of(key);
    int code = remember_damage(db, mdb_del(db->txn, db->dbi, &k, NULL));

    if (code == MDB_NOTFOUND)
        return err_set(e, ERR_MISSING, "there is no such record");
    return code ? failed(e, "delete", code) : OK;
}

bool lmdb_next(struct lmdb *db, const char *after, char key[LMDB_KEY_MAX + 1], const void **data,
               size_t *len) {
    MDB_cursor *cursor;
    MDB_val k = key_of(after), v;
    int code;

    if (mdb_cursor_open(db->txn, db->dbi, &cursor))
        return false;
    code = mdb_cursor_get(cursor, &k, &v, *after ? MDB_SET_RANGE : MDB_FIRST);
    if (!code && k.mv_size == strlen(after) && !memcmp(k.mv_data, after, k.mv_size))
        code = mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
    mdb_cursor_close(cursor);
    if (remember_damage(db, code) || k.mv_size > LMDB_KEY_MAX)
        return false;
    memcpy(key, k.mv_data, k.mv_size);
    key[k.mv_size] = 0;
    *data = v.mv_data;
    *len = v.mv_size;
    return true;
}

void lmdb_clear_stale_readers(struct lmdb *db) {
    int dead;

    if (db->env)
        (void)mdb_reader_check(db->env, &dead);
}
