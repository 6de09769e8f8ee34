/* Small values that the workers of this host share, in an LMDB file: STATE_DIR/cache. A key is
 * KIND:REST. Each entry has a time to live; once that is over, it does not exist. */
#ifndef SHARED_CACHE_H
#define SHARED_CACHE_H

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define CACHE_VALUE_MAX 393216 /* bytes; the largest is a task's record with its result */
#define CACHE_KEY_MAX 200
#define CACHE_NO_TTL (INT64_MAX / 2) /* kept until it is set again or removed by a quota */

struct cache;
/* Also after an error *out is one, which tries again each time it is used. For `workers`: kv.h. The
 * clock is borrowed. */
enum rc cache_open(const char *dir, unsigned workers, const struct clock *clock, struct cache **out,
                   struct err *e) MUST_USE;
void cache_close(struct cache *c); /* NULL is accepted */

struct cache_entry {
    const void *value; /* cache_get: in the arena, with a NUL after it */
    size_t len;
    int64_t ttl_s;    /* seconds */
    int64_t stored_s; /* cache_get: when it was written, seconds since 1970 */
};
static inline struct cache_entry cache_text(const char *text, int64_t ttl_s) {
    return (struct cache_entry){.value = text, .len = strlen(text), .ttl_s = ttl_s};
}

/* Every operation: ERR_STORE if the file cannot be used or is full, ERR_TOO_LARGE if the key or the
 * value is too long. */

/* ERR_MISSING if there is no such entry, or its time is over. */
enum rc cache_get(struct cache *c, struct arena *a, const char *key, struct cache_entry *out,
                  struct err *e) MUST_USE;
/* False also if the file cannot be used. */
bool cache_has(struct cache *c, const char *key);
/* At most `most` of its kind stay: the oldest are removed. 0: any number. */
enum rc cache_set(struct cache *c, const char *key, const struct cache_entry *in, size_t most,
                  struct err *e) MUST_USE;
/* Only if there is none: of any number of callers one gets OK, the others ERR_EXISTS. With `most`
 * of its kind there, or less than a quarter of the file left, ERR_TOO_LARGE: nothing that still
 * counts is removed. 0: any number, in all of the file. */
enum rc cache_add(struct cache *c, const char *key, const struct cache_entry *in, size_t most,
                  struct err *e) MUST_USE;
/* Compare and swap: only in place of a value that begins with the one of `begins`. Otherwise, or if
 * there is none, ERR_CONFLICT. */
enum rc cache_swap(struct cache *c, const char *key, const struct cache_entry *begins,
                   const struct cache_entry *in, struct err *e) MUST_USE;
/* If its value is still this one. */
void cache_delete_if(struct cache *c, const char *key, const void *value, size_t len);

/* A quota of the entries whose keys begin with the prefix. */
struct cache_quota {
    const char *prefix;
    size_t most, bytes; /* of entries, and of all of them together */
    /* These count, but are not removed; NULL: none. */
    bool (*must_stay)(const void *value, size_t len, int64_t now_s);
};
/* Removes the oldest until the quota is met. Looks at every entry of the prefix, once for each that
 * it removes. */
enum rc cache_trim(struct cache *c, const struct cache_quota *quota, struct err *e) MUST_USE;

/* Removes entries whose time is over. Looks at some, and at more if many of these were over; goes
 * on from there the next time. Meant to be called between requests. */
void cache_sweep(struct cache *c);

#endif
