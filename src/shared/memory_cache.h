/* A cache in memory that a process shares with those that are forked after it was made. It is lost
 * with the last of them, and memory is used as entries come. Reading takes no lock and makes no
 * system call; whoever is stopped or killed at any point blocks nobody and damages nothing. */
#pragma once

#include "base/text.h"

#define MEMORY_CACHE_KEY_LEN 32 /* bytes; a digest */
#define MEMORY_CACHE_VALUE_MAX ((size_t)128 * 1024)

struct memory_cache;
/* Of at most `bytes` (up to 1 GiB) of values, each with 56 bytes of header and rounded up to 64,
 * and of some twice `entries`. NULL: there is no memory. */
struct memory_cache *memory_cache_new(size_t bytes, size_t entries);
void memory_cache_free(struct memory_cache *c); /* NULL is accepted */

/* A copy of the value in the arena, with a zero behind it; false if there is none, or expires_s
 * (seconds since 1970) has come. */
bool memory_cache_get(struct memory_cache *c, struct arena *a,
                      const uint8_t key[MEMORY_CACHE_KEY_LEN], int64_t now_s, struct text *out);
struct memory_cache_entry {
    const void *value;
    size_t len; /* up to MEMORY_CACHE_VALUE_MAX; a longer one is not kept */
    int64_t expires_s;
};
/* The oldest entries give way. The entry is not kept if another process is writing. */
void memory_cache_put(struct memory_cache *c, const uint8_t key[MEMORY_CACHE_KEY_LEN],
                      const struct memory_cache_entry *entry, int64_t now_s);
