/* Single flight: if several workers of this host need the same thing from another server, one asks,
 * and the others wait until the answer is in the cache. */
#pragma once

#include "shared/cache.h"

struct single_flight {
    struct cache *cache;
    const char *name; /* of what is asked for; borrowed */
    int64_t lease_s;  /* after this the worker that asks counts as dead: longer than a request */
    int64_t until_ms; /* monotonic time at which waiting ends */
    bool (*find)(void *arg); /* reads the answer; false: there is none yet */
    void *arg;
    uint8_t owner[16]; /* of the lease, with FLIGHT_LEADS */
};

enum flight_result {
    FLIGHT_LEADS,  /* ask, put the answer into the cache, and call single_flight_end */
    FLIGHT_ALONE,  /* the cache fails (*e): ask; the others will not get the answer */
    FLIGHT_FOUND,  /* find has returned true */
    FLIGHT_ENDED,  /* the worker that asked has ended without an answer */
    FLIGHT_TIMEOUT /* another worker still asks */
};
enum flight_result single_flight_begin(struct single_flight *f, struct err *e) MUST_USE;
void single_flight_end(const struct single_flight *f);
/* In place of single_flight_end: nobody asks again for so long. */
void single_flight_rest(const struct single_flight *f, int64_t rest_s);
