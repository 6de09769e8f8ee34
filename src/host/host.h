/* The host room's table of contents: what the workers of one host share, in files. (kv.h is the
 * key-value file beneath; sessions of one host lie in one too.) */
#ifndef HOST_HOST_H
#define HOST_HOST_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* cache.c: small values shared by all workers of this host, in LMDB in STATE_DIR/cache. */
#define HOST_CACHE_VALUE_MAX 131072
struct host_cache;
enum rc host_cache_open(const char *dir, struct host_cache **out, struct err *e) MUST_USE;
void host_cache_close(struct host_cache *h);
/* *value is in the arena, *stored_s when it was put. ERR_MISSING if there is none. */
enum rc host_cache_get(struct host_cache *h, struct arena *a, const char *key, const char **value,
                       size_t *len, int64_t *stored_s, struct err *e) MUST_USE;
enum rc host_cache_put(struct host_cache *h, const char *key, const void *value, size_t len,
                       int64_t now_s, struct err *e) MUST_USE;
/* Deletes values whose key begins with the prefix and that were put longer than age_s ago. Looks at
 * a few of them each time, and goes on from there the next time. */
void host_cache_sweep(struct host_cache *h, const char *prefix, int64_t age_s, int64_t now_s);
/* Takes the one turn that `key` allows in every_s seconds: true for exactly one caller of the
 * host. False also if the cache fails: whoever cannot count must not go. */
bool host_cache_take_turn(struct host_cache *h, const char *key, int64_t every_s, int64_t now_s);

/* mailbox.c: what one worker of this host waits for and another one got, such as a client's answer
 * to a question. */
#define MAILBOX_NAME_MAX 64
struct mailbox;
/* The name should be one that nobody can guess. */
enum rc mailbox_open(const char *name, struct mailbox **out, struct err *e) MUST_USE;
void mailbox_close(struct mailbox *m);             /* NULL is accepted */
const int *mailbox_watch(const struct mailbox *m); /* readable when there is a letter */
/* Waits for a letter, which is put into the buffer in place of what is there; or until the
 * descriptor `watch` becomes readable (-1: none), or for the monotonic time. */
enum mailbox_news { MAILBOX_LETTER, MAILBOX_WATCHED, MAILBOX_TIMEOUT };
enum mailbox_news mailbox_wait(struct mailbox *m, int watch, int64_t until_ms, struct buf *letter);
/* False if nobody has a mailbox of that name, or it does not take the letter. */
bool mailbox_send(const char *name, const void *data, size_t len);

#endif
