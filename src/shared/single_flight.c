#include "shared/single_flight.h"

#include <time.h>

#define STEP_MS 10 /* between reads of the cache */

static enum flight_role follow(const struct single_flight *f) {
    const struct timespec step = {0, STEP_MS * 1000000L};
    bool is_asked = true;

    while (is_asked && clock_monotonic_ms() < f->until_ms) {
        (void)nanosleep(&step, NULL);
        is_asked = lease_is_taken(
            f->cache, f->name); /* read first: the result is stored before the lease ends */
        if (f->find(f->arg))
            return FLIGHT_FOUND;
    }
    return is_asked ? FLIGHT_TIMEOUT : FLIGHT_ENDED;
}

enum flight_role single_flight_begin(struct single_flight *f, struct err *e) {
    switch (lease_take(f->cache, f->name, f->lease_s, &f->lease, e)) {
    case OK:
        break;
    case ERR_EXISTS:
        return follow(f);
    default:
        return FLIGHT_ALONE;
    }
    /* Another worker may have asked since the caller last read the cache. */
    if (!f->find(f->arg))
        return FLIGHT_LEADS;
    single_flight_end(f);
    return FLIGHT_FOUND;
}

void single_flight_end(const struct single_flight *f) {
    lease_release(f->cache, &f->lease);
}
