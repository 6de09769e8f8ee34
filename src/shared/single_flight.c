/* Who asks has a lease in the cache, which expires, because its holder may be killed. */
#include "shared/single_flight.h"

#define STEP_MS 10 /* between reads of the cache */

/* Longer than a key of the cache may be, which then refuses it. */
typedef char lease_key[CACHE_KEY_MAX + 2];

static const char *make_key(const struct single_flight *f, lease_key key) {
    (void)snprintf(key, sizeof(lease_key), "lease:%s", f->name);
    return key;
}

static enum flight_result wait_for_answer(const struct single_flight *f) {
    bool is_leased = true;
    lease_key key;

    while (is_leased && clock_monotonic_ms() < f->until_ms) {
        clock_sleep_ms(STEP_MS);
        /* The lease is read before the answer, since the answer is stored before the lease ends. */
        is_leased = cache_has(f->cache, make_key(f, key));
        if (f->find(f->arg))
            return FLIGHT_FOUND;
    }
    return is_leased ? FLIGHT_TIMEOUT : FLIGHT_ENDED;
}

enum flight_result single_flight_begin(struct single_flight *f, struct err *e) {
    const struct cache_entry lease = {f->owner, sizeof f->owner, f->lease_s, 0};
    lease_key key;
    enum rc rc;

    arc4random_buf(f->owner, sizeof f->owner);
    rc = cache_add(f->cache, make_key(f, key), &lease, 0, e);
    if (rc)
        return rc == ERR_EXISTS ? wait_for_answer(f) : FLIGHT_ALONE;
    /* Another worker may have asked since the caller last read the cache. */
    if (!f->find(f->arg))
        return FLIGHT_LEADS;
    single_flight_end(f);
    return FLIGHT_FOUND;
}

/* Does nothing if the lease has expired and another worker has taken it; if it fails, the lease
 * expires. */
static void replace_lease(const struct single_flight *f, const struct cache_entry *with) {
    const struct cache_entry own = {.value = f->owner, .len = sizeof f->owner};
    lease_key key;

    (void)!cache_swap(f->cache, make_key(f, key), &own, with, ERR_IGNORED);
}

void single_flight_end(const struct single_flight *f) {
    replace_lease(f, NULL);
}

void single_flight_rest(const struct single_flight *f, int64_t rest_s) {
    replace_lease(
        f, &(struct cache_entry){.value = f->owner, .len = sizeof f->owner, .ttl_s = rest_s});
}
