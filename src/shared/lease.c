#include "shared/lease.h"

#include <stdio.h>

#include "crypto/random.h"

#define KIND "lease:"

static bool make_key(char out[CACHE_KEY_MAX + 1], const char *name) {
    return snprintf(out, CACHE_KEY_MAX + 1, KIND "%s", name) <= CACHE_KEY_MAX;
}

enum rc lease_take(struct cache *c, const char *name, int64_t ttl_s, struct lease *out,
                   struct err *e) {
    const struct cache_entry entry = {
        .value = out->owner, .len = sizeof out->owner, .ttl_s = ttl_s};

    if (!make_key(out->key, name))
        return err_set(e, ERR_TOO_LARGE, "too long for the host's cache");
    random_bytes(out->owner, sizeof out->owner);
    return cache_add(c, out->key, &entry, 0, e);
}

void lease_release(struct cache *c, const struct lease *lease) {
    cache_delete_if(c, lease->key, lease->owner, sizeof lease->owner);
}

bool lease_is_taken(struct cache *c, const char *name) {
    char key[CACHE_KEY_MAX + 1];

    return make_key(key, name) && cache_has(c, key);
}
