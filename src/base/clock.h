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
static inline bool clock_is_later(struct timespec a, struct timespec b) {
    return a.tv_sec > b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec > b.tv_nsec);
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
/* The end of a wait that begins with the first call: *until_ms is 0 before. */
static inline int64_t clock_until_ms(int64_t *until_ms, int wait_ms) {
    if (!*until_ms)
        *until_ms = clock_monotonic_ms() + wait_ms;
    return *until_ms;
}
/* How long to wait after one more of a series of failures, which it counts: first_ms, and each time
 * twice as long, up to most_ms. */
static inline int64_t clock_back_off_ms(unsigned *failures, int64_t first_ms, int64_t most_ms) {
    int64_t wait_ms = first_ms;

    for (unsigned i = 0; i < *failures && wait_ms < most_ms; i++)
        wait_ms *= 2;
    ++*failures;
    return wait_ms < most_ms ? wait_ms : most_ms;
}
/* Have span_s gone by since then? Also if the clock went back: then nothing is known. */
static inline bool clock_has_passed(int64_t since_s, int64_t now_s, int64_t span_s) {
    return now_s < since_s || now_s - since_s >= span_s;
}
