#include "shared/lease.h"

#include <time.h>

#define KIND "lease:"
#define STEP_MS 10 /* between reads of the cache */

static bool make_key(char out[CACHE_KEY_MAX + 1], const char *name) {
    return snprintf(out, CACHE_KEY_MAX + 1, KIND "%s", name) <= CACHE_KEY_MAX;
}

enum rc lease_take(struct cache *c, const char *name, int64_t ttl_s, struct lease *out,
                   struct err *e) {
    const struct cache_entry entry = {
        .value = out->owner, .len = sizeof out->owner, .ttl_s = ttl_s};

    if (!make_key(out->key, name))
        return err_set(e, ERR_TOO_LARGE, "too long for the host's cache");
    arc4random_buf(out->owner, sizeof out->owner);
    return cache_add(c, out->key, &entry, 0, e);
}

void lease_release(struct cache *c, const struct lease *lease) {
    const struct cache_entry own = {.value = lease->owner, .len = sizeof lease->owner};
    struct err ignored;

    /* If this fails, the lease expires by its TTL. */
    (void)!cache_swap(c, lease->key, &own, NULL, &ignored);
}

bool lease_is_taken(struct cache *c, const char *name) {
    char key[CACHE_KEY_MAX + 1];

    return make_key(key, name) && cache_has(c, key);
}

/* ---- single flight ---- */

static enum flight_result wait_for_answer(const struct single_flight *f) {
    const struct timespec step = {0, STEP_MS * 1000000L};
    bool is_asked = true;

    while (is_asked && clock_monotonic_ms() < f->until_ms) {
        (void)nanosleep(&step, NULL);
        /* The lease is read before the answer, since the answer is stored before the lease ends. */
        is_asked = lease_is_taken(f->cache, f->name);
        if (f->find(f->arg))
            return FLIGHT_FOUND;
    }
    return is_asked ? FLIGHT_TIMEOUT : FLIGHT_ENDED;
}

enum flight_result single_flight_begin(struct single_flight *f, struct err *e) {
    switch (lease_take(f->cache, f->name, f->lease_s, &f->lease, e)) {
    case OK:
        break;
    case ERR_EXISTS:
        return wait_for_answer(f);
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
