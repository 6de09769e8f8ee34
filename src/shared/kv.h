/* A key-value file that processes share. It is an LMDB file, and only kv.c uses LMDB. Readers take
 * no lock; there is one writer at a time. A process that dies while it writes leaves the file
 * unchanged. A damaged file is replaced by a new one (kv_file.h). */
#pragma once

#include "base/base.h"

#define KV_KEY_MAX 255

struct kv;
struct kv_txn;

/* Makes dir with mode 0700 if it is missing. Open it after the fork: a handle must not be
 * inherited. Errors are ERR_STORE and say what an admin can do; *out is set nevertheless, and each
 * kv_begin tries again to open the file. `workers`: see concurrency_of_one; writers wait for
 * KV_SLOW_MS at most. */
#define KV_SLOW_MS 1000
enum rc kv_open(const char *dir, size_t max_bytes, unsigned workers, struct kv **out,
                struct err *e) MUST_USE;
void kv_close(struct kv *k); /* NULL is accepted */

/* One transaction at a time; each needs a commit or an abort. ERR_STORE also if another writer does
 * not finish. */
enum rc kv_begin(struct kv *k, bool write, struct kv_txn **out, struct err *e) MUST_USE;
enum rc kv_commit(struct kv_txn *t, struct err *e) MUST_USE;
void kv_abort(struct kv_txn *t);

/* *data is valid until the transaction ends or writes. ERR_MISSING if there is no such key. */
enum rc kv_get(struct kv_txn *t, const char *key, const void **data, size_t *len,
               struct err *e) MUST_USE;
/* Replaces the value if the key is there. ERR_STORE also when the file is full. */
enum rc kv_put(struct kv_txn *t, const char *key, const void *data, size_t len,
               struct err *e) MUST_USE;
/* As the file was when this transaction began. Full: kv_put fails. Nearly full: less than a quarter
 * of the space that kv_put may use is free. */
bool kv_is_full(const struct kv_txn *t);
bool kv_is_nearly_full(const struct kv_txn *t);
enum rc kv_del(struct kv_txn *t, const char *key, struct err *e) MUST_USE;
/* The first entry whose key is greater than `after` ("" for the very first). false at the end. */
bool kv_next(struct kv_txn *t, const char *after, char key[KV_KEY_MAX + 1], const void **data,
             size_t *len);
/* Frees the reader slots of processes that were killed. */
void kv_forget_dead_readers(struct kv *k);
