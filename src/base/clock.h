/* Time. What depends on the date is given a clock, so that tests can choose the time. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define DAY_S 86400

struct clock {
    int64_t fixed_s; /* 0: the real time; otherwise always this (tests) */
};

static inline int64_t clock_ms(struct timespec t) {
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}
int64_t clock_now_s(const struct clock *c); /* seconds since 1970 */
int64_t clock_realtime_ms(void);            /* milliseconds since 1970 */
int64_t clock_monotonic_ms(void);           /* for durations and deadlines */
/* For what is asked again and again; a signal ends it early. */
static inline void clock_sleep_ms(int64_t ms) {
    (void)nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}
/* ms until this monotonic time, as poll(2) takes them: 0 if it has passed, and at most most_ms. */
static inline int clock_wait_ms(int64_t until_ms, int most_ms) {
    const int64_t left = until_ms - clock_monotonic_ms();

    return left < 0 ? 0 : left > most_ms ? most_ms : (int)left;
}
/* Have span_s gone by since then? Also if the clock went back: then nothing is known. */
static inline bool clock_has_passed(int64_t since_s, int64_t now_s, int64_t span_s) {
    return now_s < since_s || now_s - since_s >= span_s;
}
