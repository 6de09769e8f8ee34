#include "base/arena.h"

#include <malloc.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"

#define CHUNK_BYTES 16384 /* holds most requests whole */
#define SMALL_CHUNK_BYTES 1024
#define LARGE_BYTES (128 * 1024) /* of a piece that is the system's own */
#define SPARE_BYTES (512 * 1024) /* that may stay with us for the next request */
#define BUF_FIRST_BYTES 256
#define PRINTED_BYTES 256

struct chunk {
    struct chunk *next;
    size_t used, size;
    _Alignas(max_align_t) unsigned char data[];
};

struct deferred {
    struct deferred *next;
    void (*fn)(void *);
    void *p;
};

struct arena {
    struct chunk *chunks; /* the newest first; the last one is kept over a reset */
    struct deferred *deferred;
    size_t total, max, chunk_bytes;
};

void out_of_memory(const char *what, size_t len) {
    log_error("out_of_memory", kv("what", what), kvn("bytes", (int64_t)len));
    _exit(EXIT_OUT_OF_MEMORY);
}

static void *checked(void *p, const char *what, size_t len) {
    if (!p)
        out_of_memory(what, len);
    return p;
}

void *xcalloc(size_t n, size_t len) {
    return checked(calloc(n ? n : 1, len ? len : 1), "calloc", len);
}

void *xmalloc(size_t len) {
    return checked(malloc(len ? len : 1), "malloc", len);
}

void *xrealloc(void *p, size_t len) {
    return checked(realloc(p, len ? len : 1), "realloc", len);
}

/* Apart: inlined, it would cost each allocation the registers that it needs. */
static __attribute__((noinline)) struct chunk *chunk_new(struct arena *a, size_t size) {
    struct chunk *c;

    if (size > a->max || a->total > a->max - size)
        out_of_memory("arena limit", a->total + size);
    c = xcalloc(1, sizeof *c + size);
    c->next = a->chunks;
    c->size = size;
    a->chunks = c;
    a->total += size;
    return c;
}

static struct arena *new_arena(size_t max_bytes, size_t chunk_bytes) {
    struct arena *a = xcalloc(1, sizeof *a);

    a->max = max_bytes < chunk_bytes ? chunk_bytes : max_bytes; /* one chunk is always to be had */
    a->chunk_bytes = chunk_bytes;
    return a;
}

void *memory_shared(size_t len) {
    void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    return p == MAP_FAILED ? NULL : p;
}

struct arena *arena_new(size_t max_bytes) {
    return new_arena(max_bytes, CHUNK_BYTES);
}

struct arena *arena_new_small(size_t max_bytes) {
    return new_arena(max_bytes, SMALL_CHUNK_BYTES);
}

static size_t aligned(size_t len) {
    return (len + _Alignof(max_align_t) - 1) & ~(_Alignof(max_align_t) - 1);
}

void *arena_alloc(struct arena *a, size_t len) {
    struct chunk *c = a->chunks;
    void *p;

    if (len > a->max)
        out_of_memory("arena limit", len);
#ifdef WITH_SANITIZERS /* so that AddressSanitizer sees the bounds of each piece */
    c = chunk_new(a, len);
    c->used = len;
    p = c->data;
#else
    len = aligned(len);
    if (!c || c->size - c->used < len)
        c = chunk_new(a, len > a->chunk_bytes ? len : a->chunk_bytes);
    p = c->data + c->used;
    c->used += len;
#endif
    return p; /* zero: a chunk begins so, and is wiped when it is given back */
}

/* The newest piece needs only `len` of its `had` bytes; the rest is zero. */
static void give_back(struct arena *a, size_t had, size_t len) {
#ifdef WITH_SANITIZERS
    had = len; /* it is a block of its own */
#endif
    a->chunks->used -= aligned(had) - aligned(len);
}

void arena_release(struct arena *a, const void *p) {
    for (struct chunk **at = &a->chunks; *at; at = &(*at)->next) {
        struct chunk *c = *at;

        if (c->data != p)
            continue;
#ifndef WITH_SANITIZERS
        if (c->size <= a->chunk_bytes)
            return; /* others are in it */
#endif
        *at = c->next;
        explicit_bzero(c->data, c->used);
        a->total -= c->size;
        free(c);
        return;
    }
}

char *arena_strndup(struct arena *a, const char *s, size_t len) {
    char *p = arena_alloc(a, len + 1);

    if (len)
        memcpy(p, s, len);
    return p;
}

/* Formats into a piece that most texts fit in. A longer one gets a piece of exactly its length: a
 * large piece has a chunk to itself, which arena_release frees. */
char *arena_printf(struct arena *a, const char *fmt, ...) {
    char *p = arena_alloc(a, PRINTED_BYTES);
    va_list ap;
    int len;

    va_start(ap, fmt);
    len = vsnprintf(p, PRINTED_BYTES, fmt, ap);
    va_end(ap);
    if (len < 0)
        out_of_memory("format", 0);
    if (len < PRINTED_BYTES) {
        give_back(a, PRINTED_BYTES, (size_t)len + 1);
        return p;
    }
    explicit_bzero(p, PRINTED_BYTES);
    give_back(a, PRINTED_BYTES, 0);
    p = arena_alloc(a, (size_t)len + 1);
    va_start(ap, fmt);
    (void)vsnprintf(p, (size_t)len + 1, fmt, ap);
    va_end(ap);
    return p;
}

void arena_defer(struct arena *a, void (*fn)(void *), void *p) {
    struct deferred *d = arena_alloc(a, sizeof *d);

    d->fn = fn;
    d->p = p;
    d->next = a->deferred;
    a->deferred = d;
}

static void wipe(struct arena *a, int keep_one) {
    struct deferred *d = a->deferred;
    struct chunk *c, *next;

    a->deferred = NULL;
    for (; d; d = d->next)
        d->fn(d->p);
    for (c = a->chunks; c; c = next) {
        next = c->next;
        explicit_bzero(c->data, c->used); /* tokens and codes pass through here */
        if (keep_one && !next && c->size == a->chunk_bytes) {
            c->used = 0;
            break;
        }
        a->total -= c->size;
        free(c);
    }
    a->chunks = c;
}

void arena_reset(struct arena *a) {
    wipe(a, 1);
}

void arena_free(struct arena *a) {
    if (!a)
        return;
    wipe(a, 0);
    free(a);
}

size_t arena_room(const struct arena *a) {
    return a->max - a->total;
}

bool arena_is_large(const struct arena *a) {
    return a->total > LARGE_BYTES;
}

/* Left to itself, glibc keeps ever larger pieces the more of them it has seen. */
void memory_begin(void) {
    (void)mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
    (void)mallopt(M_TRIM_THRESHOLD, SPARE_BYTES);
}

/* What is free is no measure of what could be given back: pages that are gone, between pieces in
 * use, still count. */
void memory_trim(bool was_large, size_t *kept) {
    size_t spare = mallinfo2().fordblks;

    if (spare <= SPARE_BYTES || (!was_large && spare <= *kept + SPARE_BYTES))
        return;
    (void)malloc_trim(0);
    *kept = mallinfo2().fordblks;
}

void buf_init(struct buf *b, struct arena *a, size_t max_len) {
    b->arena = a;
    b->cap = max_len < BUF_FIRST_BYTES ? max_len + 1 : BUF_FIRST_BYTES;
    b->p = arena_alloc(a, b->cap);
    b->len = 0;
    b->max = max_len;
    b->overflow = false;
}

/* Makes room for len more bytes and a NUL; false if that would pass the limit. */
static bool grow(struct buf *b, size_t len) {
    size_t cap;
    char *p;

    if (b->overflow || len > b->max - b->len) {
        b->overflow = true;
        return false;
    }
    if (b->len + len < b->cap)
        return true;
    for (cap = b->cap * 2; cap <= b->len + len;)
        cap *= 2;
    if (cap > b->max + 1)
        cap = b->max + 1;
    p = arena_alloc(b->arena, cap);
    memcpy(p, b->p, b->len);
    arena_release(b->arena, b->p);
    b->p = p;
    b->cap = cap;
    return true;
}

void buf_add(struct buf *b, const void *data, size_t len) {
    if (!len || !grow(b, len))
        return;
    memcpy(b->p + b->len, data, len);
    b->len += len;
    b->p[b->len] = 0;
}

/* Formats into what is free already, and once more only if it is longer: to measure first would
 * format everything twice. */
void buf_addf(struct buf *b, const char *fmt, ...) {
    const size_t room = b->cap - b->len;
    va_list ap;
    int len;

    if (b->overflow)
        return;
    va_start(ap, fmt);
    len = vsnprintf(b->p + b->len, room, fmt, ap);
    va_end(ap);
    if (len < 0)
        out_of_memory("format", 0);
    if ((size_t)len >= room) {
        b->p[b->len] = 0;
        if (!grow(b, (size_t)len))
            return;
        va_start(ap, fmt);
        (void)vsnprintf(b->p + b->len, (size_t)len + 1, fmt, ap);
        va_end(ap);
    }
    b->len += (size_t)len;
}
