/* A lease is what one worker of this host does and no other meanwhile. It ends by itself, because
 * its holder may be killed. */
#ifndef SHARED_LEASE_H
#define SHARED_LEASE_H

#include "shared/cache.h"

struct lease {
    char key[CACHE_KEY_MAX + 1];
    uint8_t owner[16];
};
/* For ttl_s seconds at most. ERR_EXISTS if somebody has it; ERR_TOO_LARGE and ERR_STORE: cache.h.
 */
enum rc lease_take(struct cache *c, const char *name, int64_t ttl_s, struct lease *out,
                   struct err *e) MUST_USE;
/* Does nothing if it has ended and another has it now. */
void lease_release(struct cache *c, const struct lease *lease);
bool lease_is_taken(struct cache *c, const char *name);

#endif
