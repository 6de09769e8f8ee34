#include "shared/kv.h"

#include <errno.h>
#include <lmdb.h>

#include "shared/concurrency_limit.h"
#include "shared/kv_file.h"

#define READERS_MAX 512 /* more than the largest number of processes */
#define RESERVE 8       /* an eighth of the file is reserved for deleting: see kv_is_full */
#define FREE_PAGES 0    /* LMDB's database of free pages */
#define LIMIT_NAME "/writers"

struct kv;
struct kv_txn {
    struct kv *kv;
    MDB_txn *txn;
    MDB_dbi dbi;
};

struct kv {
    struct kv_file file;
    size_t max_bytes;
    unsigned workers;
    struct concurrency_limit *writers; /* NULL: only LMDB's own lock */
    MDB_env *env;                      /* NULL: not open */
    bool damaged;                      /* LMDB has reported it */
    struct kv_txn txn;                 /* the one transaction that can be open */
    MDB_dbi dbi;
    size_t page_bytes;
    size_t pages; /* that kv_put may use */
};

static enum rc failed(struct err *e, const char *what, int code) {
    (void)err_set(e, ERR_STORE, "the session store is not available");
    err_detail(e, "%s: %s", what, mdb_strerror(code));
    return e->code;
}

/* LMDB's errors for a damaged file. All processes use the same map size, so a file that is longer
 * than that is damaged too. */
static int remember_damage(struct kv *k, int code) {
    k->damaged |= code == MDB_INVALID || code == MDB_CORRUPTED || code == MDB_PAGE_NOTFOUND ||
                  code == MDB_VERSION_MISMATCH || code == MDB_MAP_RESIZED;
    return code;
}

static int open_environment(struct kv *k) {
    mdb_filehandle_t fd;
    MDB_stat stat;
    MDB_txn *txn;
    int code;

    kv_file_prepare(&k->file);
    if ((code = mdb_env_create(&k->env)) || (code = mdb_env_set_mapsize(k->env, k->max_bytes)) ||
        (code = mdb_env_set_maxreaders(k->env, READERS_MAX)))
        return code;
    /* NOTLS: reader slots belong to transactions, since there are no threads. NOMETASYNC: a power
     * cut may undo the last write, but not damage the file. The transaction only reads, so that a
     * writer that hangs does not block opening. */
    if ((code = mdb_env_open(k->env, k->file.path, MDB_NOTLS | MDB_NOMETASYNC, 0600)) ||
        (code = mdb_env_get_fd(k->env, &fd)))
        return code;
    kv_file_opened(&k->file, fd);
    if ((code = mdb_txn_begin(k->env, NULL, MDB_RDONLY, &txn)))
        return code;
    code = mdb_dbi_open(txn, NULL, 0, &k->dbi);
    if (!code)
        code = mdb_env_stat(k->env, &stat);
    mdb_txn_abort(txn);
    if (code)
        return code;
    k->page_bytes = stat.ms_psize;
    k->pages = k->max_bytes / stat.ms_psize * (RESERVE - 1) / RESERVE;
    return 0;
}

static void close_environment(struct kv *k) {
    if (k->env)
        mdb_env_close(k->env);
    k->env = NULL;
}

/* While the open lock is held. Replaces a damaged file, once. */
static int open_or_replace(struct kv *k) {
    int code;

    if (k->damaged)
        kv_file_set_aside(&k->file);
    k->damaged = false;
    code = remember_damage(k, open_environment(k));
    if (k->damaged) {
        close_environment(k);
        kv_file_set_aside(&k->file);
        k->damaged = false;
        code = open_environment(k);
    }
    if (code) /* the next transaction tries again */
        close_environment(k);
    return code;
}

/* Opens the file: the first time, if it was replaced, and after a failed write of its first pages,
 * since LMDB then refuses everything (MDB_PANIC) even when the disk works again. */
static int open_again(struct kv *k) {
    int code = kv_file_open(&k->file);

    if (code)
        return code;
    if (!kv_file_lock_open(&k->file))
        return EBUSY;
    close_environment(k);
    code = open_or_replace(k);
    kv_file_unlock_open(&k->file);
    return code;
}

/* The limit's file is in the same folder, which must exist first. */
static void open_limit(struct kv *k) {
    const struct concurrency_options options = concurrency_of_one(k->workers, KV_SLOW_MS);
    size_t len = strlen(k->file.path);
    char *path;
    struct err ignored;

    if (k->writers || !k->env)
        return;
    path = xmalloc(len + sizeof LIMIT_NAME);
    memcpy(path, k->file.path, len);
    memcpy(path + len, LIMIT_NAME, sizeof LIMIT_NAME);
    (void)!concurrency_limit_open(path, &options, &k->writers, &ignored);
    free(path);
}

enum rc kv_open(const char *dir, size_t max_bytes, unsigned workers, struct kv **out,
                struct err *e) {
    struct kv *k = xcalloc(1, sizeof *k);
    int code;

    k->file.dir = -1;
    k->file.path = xstrdup(dir);
    k->max_bytes = max_bytes;
    k->workers = workers;
    *out = k;
    kv_file_expect_faults();
    kv_file_watch(&k->file);
    code = open_again(k);
    kv_file_watch(NULL);
    open_limit(k);
    return code ? err_set(e, ERR_STORE,
                          "%s cannot be opened: %s. It must be a folder that the service's user "
                          "can write",
                          dir, mdb_strerror(code))
                : OK;
}

/* If the open lock cannot be taken, LMDB's file stays open until the process ends. */
void kv_close(struct kv *k) {
    if (!k)
        return;
    if (k->env && kv_file_lock_open(&k->file))
        close_environment(k);
    kv_file_close(&k->file); /* releases the open lock */
    concurrency_limit_close(k->writers);
    free(k->file.path);
    free(k);
}

/* Opens the file again if it was replaced or truncated: a truncated file must not be read
 * (SIGBUS). */
static int look(struct kv *k) {
    enum kv_file_look found = k->env && !k->damaged ? kv_file_look(&k->file) : KV_FILE_OTHER;

    k->damaged |= found == KV_FILE_CUT;
    return found == KV_FILE_SAME ? 0 : open_again(k);
}

static int begin_once(struct kv *k, bool write) {
    int code = look(k);
    mdb_filehandle_t fd;
    MDB_envinfo info;

    if (code || (code = mdb_txn_begin(k->env, NULL, write ? 0 : MDB_RDONLY, &k->txn.txn)))
        return remember_damage(k, code);
    if (!mdb_env_info(k->env, &info) && !mdb_env_get_fd(k->env, &fd))
        kv_file_lengthen(&k->file, fd, (off_t)((info.me_last_pgno + 1) * k->page_bytes));
    return 0;
}

static int begin(struct kv *k, bool write) {
    int code;

    kv_file_watch(&k->file);
    code = begin_once(k, write);
    if (code == MDB_PANIC && !(code = open_again(k)))
        code = begin_once(k, write);
    if (k->damaged)
        code = begin_once(k, write);
    return code;
}

static void end(struct kv *k) {
    kv_file_watch(NULL);
    concurrency_limit_leave(k->writers, true);
}

enum rc kv_begin(struct kv *k, bool write, struct kv_txn **out, struct err *e) {
    int code;

    open_limit(k);
    if (write && concurrency_limit_enter(k->writers)) {
        (void)failed(e, k->file.path, 0);
        err_detail(e, "%s: the writer before is not done: the disk is slow", k->file.path);
        return e->code;
    }
    code = begin(k, write);
    if (code) {
        end(k);
        return failed(e, k->file.path, code);
    }
    k->txn.kv = k;
    k->txn.dbi = k->dbi;
    *out = &k->txn;
    return OK;
}

enum rc kv_commit(struct kv_txn *t, struct err *e) {
    int code = remember_damage(t->kv, mdb_txn_commit(t->txn));

    end(t->kv);
    return code ? failed(e, "commit", code) : OK;
}

void kv_abort(struct kv_txn *t) {
    mdb_txn_abort(t->txn);
    end(t->kv);
}

static MDB_val key_of(const char *key) {
    return (MDB_val){strlen(key), (void *)(uintptr_t)key};
}

enum rc kv_get(struct kv_txn *t, const char *key, const void **data, size_t *len, struct err *e) {
    MDB_val k = key_of(key), v;
    int code = remember_damage(t->kv, mdb_get(t->txn, t->dbi, &k, &v));

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

static bool has_room(const struct kv_txn *t, size_t pages) {
    MDB_envinfo info;

    return !mdb_env_info(t->kv->env, &info) &&
           (info.me_last_pgno < pages || info.me_last_pgno - count_free(t->kv->env) < pages);
}

/* LMDB never writes in place, so deleting needs free pages too: in a completely full file nothing
 * could be deleted. */
bool kv_is_full(const struct kv_txn *t) {
    return !has_room(t, t->kv->pages);
}

bool kv_is_nearly_full(const struct kv_txn *t) {
    return !has_room(t, t->kv->pages / 4 * 3);
}

enum rc kv_put(struct kv_txn *t, const char *key, const void *data, size_t len, struct err *e) {
    MDB_val k = key_of(key), v = {len, (void *)(uintptr_t)data};
    int code =
        remember_damage(t->kv, kv_is_full(t) ? MDB_MAP_FULL : mdb_put(t->txn, t->dbi, &k, &v, 0));

    return code ? failed(e, "put", code) : OK;
}

enum rc kv_del(struct kv_txn *t, const char *key, struct err *e) {
    MDB_val k = key_of(key);
    int code = remember_damage(t->kv, mdb_del(t->txn, t->dbi, &k, NULL));

    if (code == MDB_NOTFOUND)
        return err_set(e, ERR_MISSING, "there is no such record");
    return code ? failed(e, "delete", code) : OK;
}

bool kv_next(struct kv_txn *t, const char *after, char key[KV_KEY_MAX + 1], const void **data,
             size_t *len) {
    MDB_cursor *cursor;
    MDB_val k = key_of(after), v;
    int code;

    if (mdb_cursor_open(t->txn, t->dbi, &cursor))
        return false;
    code = mdb_cursor_get(cursor, &k, &v, *after ? MDB_SET_RANGE : MDB_FIRST);
    if (!code && k.mv_size == strlen(after) && !memcmp(k.mv_data, after, k.mv_size))
        code = mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
    mdb_cursor_close(cursor);
    if (remember_damage(t->kv, code) || k.mv_size > KV_KEY_MAX)
        return false;
    memcpy(key, k.mv_data, k.mv_size);
    key[k.mv_size] = 0;
    *data = v.mv_data;
    *len = v.mv_size;
    return true;
}

void kv_forget_dead_readers(struct kv *k) {
    int dead;

    if (k->env)
        (void)mdb_reader_check(k->env, &dead);
}
