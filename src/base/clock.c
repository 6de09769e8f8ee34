/* A file of its own, so that a test can link a clock of its own in its place. */
#include "base/clock.h"

#include <time.h>

int64_t clock_now_s(const struct clock *c) {
    return c->fixed_s ? c->fixed_s : (int64_t)time(NULL);
}

int64_t clock_monotonic_ms(void) {
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}
