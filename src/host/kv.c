#include "host/kv.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define READERS_MAX 512 /* above any number of workers */
#define RESERVE 8       /* the eighth part of the file is for deleting only: see has_room */
#define FREE_PAGES 0    /* LMDB's own database of them */

struct kv;
struct kv_txn {
    struct kv *kv;
    MDB_txn *txn;
    MDB_dbi dbi;
};

struct kv {
    int dir; /* the folder, to lock */
    char *path;
    size_t max_bytes;
    MDB_env *env;
    struct kv_txn txn; /* the one transaction that can be open */
    MDB_dbi dbi;
    size_t pages; /* that values may take */
};

static enum rc failed(struct err *e, const char *what, int code) {
    (void)err_set(e, ERR_STORE, "the session store is not available");
    err_detail(e, "%s: %s", what, mdb_strerror(code));
    return e->code;
}

static enum rc open_failed(struct err *e, const char *dir, int code) {
    (void)err_set(e, ERR_STORE,
                  "%s cannot be opened: %s. It must be a folder that the service's user can write",
                  dir, mdb_strerror(code));
    return e->code;
}

/* Opening and closing take turns: LMDB 0.9.31 destroys the locks in its file when the last user
 * closes, and one that opens at that moment takes them for good ("Invalid argument"). */
static void take_turn(const struct kv *k, int operation) {
    while (flock(k->dir, operation) && errno == EINTR)
        ;
}

static int open_environment(struct kv *k) {
    MDB_stat stat;
    MDB_txn *txn;
    int code;

    if ((code = mdb_env_create(&k->env)) || (code = mdb_env_set_mapsize(k->env, k->max_bytes)) ||
        (code = mdb_env_set_maxreaders(k->env, READERS_MAX)))
        return code;
    /* NOTLS: a reader slot belongs to the transaction, not to a thread: we have none.
     * NOMETASYNC: a power cut may undo the last write, never damage the file. */
    if ((code = mdb_env_open(k->env, k->path, MDB_NOTLS | MDB_NOMETASYNC, 0600)) ||
        (code = mdb_txn_begin(k->env, NULL, 0, &txn)))
        return code;
    code = mdb_dbi_open(txn, NULL, 0, &k->dbi);
    if (!code)
        code = mdb_env_stat(k->env, &stat);
    if (code) {
        mdb_txn_abort(txn);
        return code;
    }
    k->pages = k->max_bytes / stat.ms_psize * (RESERVE - 1) / RESERVE;
    return mdb_txn_commit(txn);
}

enum rc kv_open(const char *dir, size_t max_bytes, struct kv **out, struct err *e) {
    struct kv *k = xcalloc(1, sizeof *k);
    int code;

    *out = NULL;
    k->dir = -1;
    k->path = xstrdup(dir);
    k->max_bytes = max_bytes;
    if ((mkdir(dir, 0700) && errno != EEXIST) ||
        (k->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) {
        code = errno;
    } else {
        take_turn(k, LOCK_EX);
        code = open_environment(k);
        take_turn(k, LOCK_UN);
    }
    if (code) {
        kv_close(k);
        return open_failed(e, dir, code);
    }
    *out = k;
    return OK;
}

void kv_close(struct kv *k) {
    if (!k)
        return;
    if (k->env) {
        take_turn(k, LOCK_EX);
        mdb_env_close(k->env);
    }
    if (k->dir >= 0)
        (void)close(k->dir); /* ends the turn */
    free(k->path);
    free(k);
}

/* After a write of its first pages has failed LMDB refuses all that comes (MDB_PANIC), also when
 * the disk is well again. What it has of the file is gone then; the file is as it was before. */
static int open_again(struct kv *k) {
    int code;

    take_turn(k, LOCK_EX);
    mdb_env_close(k->env);
    k->env = NULL;
    code = open_environment(k);
    if (code) { /* the next one tries again */
        mdb_env_close(k->env);
        k->env = NULL;
    }
    take_turn(k, LOCK_UN);
    return code;
}

static int begin(struct kv *k, bool write) {
    return k->env ? mdb_txn_begin(k->env, NULL, write ? 0 : MDB_RDONLY, &k->txn.txn) : MDB_PANIC;
}

enum rc kv_begin(struct kv *k, bool write, struct kv_txn **out, struct err *e) {
    int code = begin(k, write);

    if (code == MDB_PANIC && !(code = open_again(k)))
        code = begin(k, write);
    if (code)
        return failed(e, "begin", code);
    k->txn.kv = k;
    k->txn.dbi = k->dbi;
    *out = &k->txn;
    return OK;
}

enum rc kv_commit(struct kv_txn *t, struct err *e) {
    int code = mdb_txn_commit(t->txn);

    return code ? failed(e, "commit", code) : OK;
}

void kv_abort(struct kv_txn *t) {
    mdb_txn_abort(t->txn);
}

static MDB_val key_of(const char *key) {
    return (MDB_val){strlen(key), (void *)(uintptr_t)key};
}

enum rc kv_get(struct kv_txn *t, const char *key, const void **data, size_t *len, struct err *e) {
    MDB_val k = key_of(key), v;
    int code = mdb_get(t->txn, t->dbi, &k, &v);

    if (code == MDB_NOTFOUND || !k.mv_size)
        return err_set(e, ERR_MISSING, "there is no such record");
    if (code)
        return failed(e, "get", code);
    *data = v.mv_data;
    *len = v.mv_size;
    return OK;
}

/* Pages that were used and are not. LMDB lists them to a reading transaction only. */
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

/* LMDB writes nothing in place, so that deleting takes pages too: in a file that is full to the
 * last one nothing could be deleted any more. */
static bool has_room(const struct kv_txn *t) {
    MDB_envinfo info;

    return !mdb_env_info(t->kv->env, &info) &&
           (info.me_last_pgno < t->kv->pages ||
            info.me_last_pgno - count_free(t->kv->env) < t->kv->pages);
}

enum rc kv_put(struct kv_txn *t, const char *key, const void *data, size_t len, bool only_new,
               struct err *e) {
    MDB_val k = key_of(key), v = {len, (void *)(uintptr_t)data};
    int code = has_room(t) ? mdb_put(t->txn, t->dbi, &k, &v, only_new ? MDB_NOOVERWRITE : 0)
                           : MDB_MAP_FULL;

    if (code == MDB_KEYEXIST)
        return err_set(e, ERR_EXISTS, "there is such a record already");
    return code ? failed(e, "put", code) : OK;
}

enum rc kv_del(struct kv_txn *t, const char *key, struct err *e) {
    MDB_val k = key_of(key);
    int code = mdb_del(t->txn, t->dbi, &k, NULL);

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
    if (code || k.mv_size > KV_KEY_MAX)
        return false;
    memcpy(key, k.mv_data, k.mv_size);
    key[k.mv_size] = 0;
    *data = v.mv_data;
    *len = v.mv_size;
    return true;
}

void kv_forget_dead_readers(struct kv *k) {
    int dead;

    (void)mdb_reader_check(k->env, &dead);
}
