#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define FIRST_BYTES 256

void buf_init(struct buf *b, struct arena *a, size_t max_len) {
    b->arena = a;
    b->cap = max_len < FIRST_BYTES ? max_len + 1 : FIRST_BYTES;
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

void buf_adds(struct buf *b, const char *s) {
    buf_add(b, s, strlen(s));
}

void buf_addc(struct buf *b, char c) {
    buf_add(b, &c, 1);
}

void buf_addf(struct buf *b, const char *fmt, ...) {
    va_list ap;
    int len;

    va_start(ap, fmt);
    len = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (len <= 0 || !grow(b, (size_t)len))
        return;
    va_start(ap, fmt);
    (void)vsnprintf(b->p + b->len, (size_t)len + 1, fmt, ap);
    va_end(ap);
    b->len += (size_t)len;
}
