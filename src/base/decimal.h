/* Numbers as decimal text, for what is written in each request: printf takes ten times as long. */
#pragma once

#include <stdint.h>

#define DECIMAL_BYTES (sizeof "18446744073709551615")

/* The digits, which end at the end of `text` with a NUL behind them. */
static inline const char *decimal(uint64_t n, char text[DECIMAL_BYTES]) {
    char *p = text + DECIMAL_BYTES - 1;

    *p = 0;
    do
        *--p = (char)('0' + n % 10);
    while (n /= 10);
    return p;
}
