/* Small values that the workers of this host share, in an LMDB file: STATE_DIR/cache has keys of
 * the form KIND:REST, STATE_DIR/sessions the logins (store/sessions.h). Each entry has a time to
 * live (TTL); an expired entry does not exist. */
#pragma once

#include "base/base.h"

#define CACHE_VALUE_MAX 393216 /* bytes; the largest is a task's record with its result */
#define CACHE_KEY_MAX 200
#define CACHE_NO_TTL (INT64_MAX / 2) /* kept until it is set again or removed by a quota */

struct cache;
/* *out is set even after an error; each operation then tries again to open the file. `workers`: see
 * lmdb.h. The clock is borrowed. */
enum rc cache_open(const char *dir, unsigned workers, const struct clock *clock, struct cache **out,
                   struct err *e) MUST_USE;
void cache_close(struct cache *c); /* NULL is accepted */

struct cache_entry {
    const void *value; /* cache_get: in the arena, with a NUL after it */
    size_t len;
    int64_t ttl_s;    /* seconds */
    int64_t stored_s; /* cache_get: when it was written, seconds since 1970 */
};
static inline struct cache_entry cache_text_entry(const char *text, int64_t ttl_s) {
    return (struct cache_entry){.value = text, .len = strlen(text), .ttl_s = ttl_s};
}

/* Every operation: ERR_STORE if the file cannot be used or is full, ERR_TOO_LARGE if the key or the
 * value is too long. */

/* ERR_MISSING if there is no such entry, or it has expired. */
enum rc cache_get(struct cache *c, struct arena *a, const char *key, struct cache_entry *out,
                  struct err *e) MUST_USE;
/* False also if the file cannot be used. */
bool cache_has(struct cache *c, const char *key);
/* Writes an entry, or replaces it. If there would be more than `max_entries` entries of its kind
 * (KIND of the key), the oldest are removed. 0: no limit. */
enum rc cache_set(struct cache *c, const char *key, const struct cache_entry *in,
                  size_t max_entries, struct err *e) MUST_USE;
/* Writes only if there is no such entry: of concurrent callers one gets OK, the others ERR_EXISTS.
 * ERR_TOO_LARGE if there are `max_entries` of its kind, or less than a quarter of the file is free:
 * no live entry is removed. 0: no limit, and the whole file may be used. */
enum rc cache_add(struct cache *c, const char *key, const struct cache_entry *in,
                  size_t max_entries, struct err *e) MUST_USE;
/* Compare and swap: replaces the value with `in` only if it begins with the bytes of `expected`. If
 * `in` is NULL, deletes the entry only if `expected` is its whole value. ERR_CONFLICT if it is not,
 * or if there is no such entry: of concurrent callers one gets OK. */
enum rc cache_swap(struct cache *c, const char *key, const struct cache_entry *expected,
                   const struct cache_entry *in, struct err *e) MUST_USE;

/* Returns true for an entry that must not be removed to make room. */
typedef bool cache_must_stay(const void *value, size_t len, int64_t now_s);
/* A quota of the entries whose keys begin with the prefix. */
struct cache_quota {
    const char *prefix;
    size_t max_entries, max_bytes; /* bytes of all entries together */
    /* Such entries count, but are not removed. NULL: every entry may be removed. */
    cache_must_stay *must_stay;
};
/* Removes the oldest entries until the quota is met. Reads all entries of the prefix, once for each
 * removal. */
enum rc cache_trim(struct cache *c, const struct cache_quota *quota, struct err *e) MUST_USE;

/* If the file is full, removes up to 256 entries, those that expire first. Returns how many. */
size_t cache_evict_if_full(struct cache *c, cache_must_stay *must_stay);

/* Removes expired entries. Each call reads a part of the file, a larger one if many entries have
 * expired, and the next call continues after it. To be called between requests. */
void cache_sweep(struct cache *c);
