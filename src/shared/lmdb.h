/* A key-value file that processes share: an LMDB file, which only lmdb.c knows. Readers take no
 * lock; there is one writer at a time. A process that dies while it writes leaves the file as it
 * was. A damaged file is renamed, and replaced by a new one. */
#pragma once

#include "base/base.h"

#define LMDB_KEY_MAX 255
#define LMDB_DATA "data.mdb" /* the file in its folder */

struct lmdb;

/* Makes dir with mode 0700 if it is missing. Open it after the fork: a handle must not be
 * inherited. Errors are ERR_STORE and say what an admin can do; *out is set nevertheless, and each
 * lmdb_begin tries again to open the file. `workers`: see concurrency_exclusive; writers wait for
 * LMDB_SLOW_MS at most. */
#define LMDB_SLOW_MS 1000
enum rc lmdb_open(const char *dir, size_t max_bytes, unsigned workers, struct lmdb **out,
                  struct err *e) MUST_USE;
void lmdb_close(struct lmdb *db); /* NULL is accepted */

/* One transaction at a time; each needs a commit or an abort. ERR_STORE also if another writer does
 * not finish. */
enum rc lmdb_begin(struct lmdb *db, bool write, struct err *e) MUST_USE;
enum rc lmdb_commit(struct lmdb *db, struct err *e) MUST_USE;
void lmdb_abort(struct lmdb *db); /* accepted also if lmdb_begin has failed */

/* ---- within a transaction ---- */

/* *data is valid until the transaction ends or writes. ERR_MISSING if there is no such key. */
enum rc lmdb_get(struct lmdb *db, const char *key, const void **data, size_t *len,
                 struct err *e) MUST_USE;
/* Replaces the value if the key is there. ERR_STORE also when the file is full. */
enum rc lmdb_put(struct lmdb *db, const char *key, const void *data, size_t len,
                 struct err *e) MUST_USE;
/* As the file was when the transaction began. Full: lmdb_put fails. Nearly full: less than a
 * quarter of the space that lmdb_put may use is free. */
bool lmdb_is_full(const struct lmdb *db);
bool lmdb_is_nearly_full(const struct lmdb *db);
enum rc lmdb_del(struct lmdb *db, const char *key, struct err *e) MUST_USE;
/* The first entry whose key is greater than `after` ("" for the very first). false at the end. */
bool lmdb_next(struct lmdb *db, const char *after, char key[LMDB_KEY_MAX + 1], const void **data,
               size_t *len);

/* Frees the reader slots of processes that were killed. */
void lmdb_clear_stale_readers(struct lmdb *db);
