/* Memory for one request (or one configuration): taken in chunks, freed and wiped all at once. */
#pragma once

#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct arena;

#define EXIT_OUT_OF_MEMORY 70 /* EX_SOFTWARE of sysexits.h: the master starts another worker */

/* A new, empty arena. Passing max_bytes ends the process as running out of memory does: every
 * input has a limit of its own far below it. (A limit below one chunk, 16 KiB, is one chunk.) Free
 * with arena_free. */
struct arena *arena_new(size_t max_bytes);

/* The same, for what is small and one of thousands: it grows by 1 KiB. */
struct arena *arena_new_small(size_t max_bytes);

/* Zeroed memory, aligned for any type; never NULL. */
void *arena_alloc(struct arena *a, size_t len);
char *arena_strndup(struct arena *a, const char *s, size_t len); /* adds a NUL */
static inline char *arena_strdup(struct arena *a, const char *s) {
    return arena_strndup(a, s, strlen(s));
}
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Wipes and frees a large block of this arena now; any other stays until the reset. For what has
 * been copied into something larger: an answer may be many megabytes. */
void arena_release(struct arena *a, const void *p);

/* Calls fn(p) when the arena is reset or freed; the last registered goes first. For objects of
 * libraries with memory of their own. */
void arena_defer(struct arena *a, void (*fn)(void *p), void *p);

/* Runs what was deferred, wipes all memory handed out, and keeps the first chunk for reuse. */
void arena_reset(struct arena *a);
void arena_free(struct arena *a); /* NULL is accepted */

/* Bytes that it may still hand out. */
size_t arena_room(const struct arena *a);
/* Does it hold more than an ordinary request needs, a login page included? What that frees may stay
 * with the process. */
bool arena_is_large(const struct arena *a);

/* For a process that serves one request after another. memory_begin, once at its start: large
 * blocks go back to the system as soon as they are freed. memory_trim gives small free blocks back
 * if there are many; call it after a large request, and now and then after others. *kept, 0 at
 * first, is what could not be given back the last time: after a request that was not large nothing
 * happens before much more than that is free. */
void memory_begin(void);
void memory_trim(bool was_large, size_t *kept);

/* malloc and friends that end the process instead of returning NULL: in a prefork pool that loses
 * one request and removes hundreds of branches that no test reaches. */
void *xmalloc(size_t len);
NORETURN void out_of_memory(const char *what, size_t len);
void *xcalloc(size_t n, size_t len);
void *xrealloc(void *p, size_t len);
/* Zeroed memory that children which are forked afterwards share. NULL: errno. */
void *memory_shared(size_t len);
static inline char *xstrdup(const char *s) {
    return (char *)memcpy(xmalloc(strlen(s) + 1), s, strlen(s) + 1);
}

/* A growing string in an arena, with a limit. Going over the limit is remembered, not fatal: check
 * `overflow` once at the end. `p` is never NULL, always ends in a NUL that `len` does not count,
 * and is another one after each addition. */
struct buf {
    struct arena *arena;
    char *p;
    size_t len, cap, max;
    bool overflow; /* something did not fit; what did fit is kept */
};

void buf_init(struct buf *b, struct arena *a, size_t max_len);
void buf_add(struct buf *b, const void *data, size_t len);
static inline void buf_adds(struct buf *b, const char *s) {
    buf_add(b, s, strlen(s));
}
static inline void buf_addc(struct buf *b, char c) {
    buf_add(b, &c, 1);
}
void buf_addf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
