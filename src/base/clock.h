/* Time. What depends on the date is given a clock, so that tests can choose the time. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct clock {
    int64_t fixed_s; /* 0: the real time; otherwise always this (tests) */
};

int64_t clock_now_s(const struct clock *c); /* seconds since 1970 */
int64_t clock_realtime_ms(void);            /* milliseconds since 1970 */
int64_t clock_monotonic_ms(void);           /* for durations and deadlines */
/* Have span_s gone by since then? Also if the clock went back: then nothing is known. */
static inline bool clock_has_passed(int64_t since_s, int64_t now_s, int64_t span_s) {
    return now_s < since_s || now_s - since_s >= span_s;
}
