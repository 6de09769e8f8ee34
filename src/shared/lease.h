/* A lease lets one worker of this host do something while no other does. It expires, because its
 * holder may be killed. */
#pragma once

#include "shared/cache.h"

struct lease {
    char key[CACHE_KEY_MAX + 1];
    uint8_t owner[16];
};
/* Takes the lease for ttl_s seconds. ERR_EXISTS if another worker has it; ERR_TOO_LARGE and
 * ERR_STORE: see cache.h. */
enum rc lease_take(struct cache *c, const char *name, int64_t ttl_s, struct lease *out,
                   struct err *e) MUST_USE;
/* Does nothing if the lease has expired and another worker has taken it. */
void lease_release(struct cache *c, const struct lease *lease);
bool lease_is_taken(struct cache *c, const char *name);

/* Single flight: if several workers of this host need the same thing from another server, one asks,
 * and the others wait until the answer is in the cache. */
struct single_flight {
    struct cache *cache;
    const char *name; /* of what is asked for; borrowed */
    int64_t lease_s;  /* after this the worker that asks counts as dead: longer than a request */
    int64_t until_ms; /* monotonic time at which waiting ends */
    bool (*find)(void *arg); /* reads the answer; false: there is none yet */
    void *arg;
    struct lease lease; /* with FLIGHT_LEADS: this worker's */
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
