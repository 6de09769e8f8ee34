/* A file of its own, so that a test can link a clock of its own in its place. */
#include "base/clock.h"

int64_t clock_now_s(const struct clock *c) {
    return c->fixed_s ? c->fixed_s : (int64_t)time(NULL);
}

static int64_t now_ms(clockid_t id) {
    struct timespec t;

    (void)clock_gettime(id, &t);
    return clock_ms(t);
}

int64_t clock_realtime_ms(void) {
    return now_ms(CLOCK_REALTIME);
}

int64_t clock_monotonic_ms(void) {
    return now_ms(CLOCK_MONOTONIC);
}
