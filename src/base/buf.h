/* A growing string in an arena, with a limit. Going over the limit is remembered, not fatal: check
 * `overflow` once at the end. `p` is never NULL, always ends in a NUL that `len` does not count,
 * and is another one after each addition. */
#pragma once

#include "base/arena.h"
#include "base/attr.h"
#include <stdbool.h>
#include <stddef.h>

struct buf {
    struct arena *arena;
    char *p;
    size_t len, cap, max;
    bool overflow; /* something did not fit; what did fit is kept */
};

void buf_init(struct buf *b, struct arena *a, size_t max_len);
void buf_add(struct buf *b, const void *data, size_t len);
void buf_adds(struct buf *b, const char *s);
void buf_addc(struct buf *b, char c);
void buf_addf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
