/* A lease lets one worker of this host do something while no other does. It expires, because its
 * holder may be killed. */
#pragma once

#include "shared/cache.h"

struct lease {
    char key[CACHE_KEY_MAX + 1];
    uint8_t owner[16];
};
/* Takes it for ttl_s seconds. ERR_EXISTS if another has it; ERR_TOO_LARGE and ERR_STORE: cache.h.
 */
enum rc lease_take(struct cache *c, const char *name, int64_t ttl_s, struct lease *out,
                   struct err *e) MUST_USE;
/* Does nothing if it has expired and another has taken it. */
void lease_release(struct cache *c, const struct lease *lease);
bool lease_is_taken(struct cache *c, const char *name);
