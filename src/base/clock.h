/* Time. What depends on the date is given a clock, so that tests can choose the time. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

struct clock {
    int64_t fixed_s; /* 0: the real time; otherwise always this (tests) */
};

int64_t clock_now_s(const struct clock *c); /* seconds since 1970 */
int64_t clock_monotonic_ms(void);           /* for durations and deadlines */

#endif
