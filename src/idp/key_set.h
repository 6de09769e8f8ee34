/* The identity provider's signing keys: kept by the worker, shared through the cache of the host,
 * fetched rarely. */
#pragma once

#include "crypto/jose.h"
#include "net/http.h"

#define KEYSET_REFETCH_S 60    /* at most one fetch in this time by all workers of the host */
#define KEYSET_MAX_AGE_S 86400 /* then fetched again; the last good one outlives an outage */

struct cache;
struct keyset;
/* All is borrowed and must outlive it. Does no network. cache may be NULL: then the limit is per
 * worker. */
struct keyset *keyset_new(const char *url, struct http_client *http, struct cache *cache,
                          const struct clock *clock);
void keyset_free(struct keyset *k); /* NULL is accepted */
/* The key of that id: from memory, then from the cache, then from the provider if the limit allows.
 * Borrowed until the next call. ERR_INVALID_TOKEN if there is no such key, ERR_UPSTREAM if no key
 * set could ever be had. */
enum rc keyset_find(struct keyset *k, const char *kid, const struct jwk **out,
                    struct err *e) MUST_USE;
/* Is a key of this print (struct jwk) in the newest set that this host has? Also true if it has
 * none. Does no network. */
bool keyset_has(struct keyset *k, uint64_t print);
/* May the provider have a key of that id that is newer than the set? Providers publish a key before
 * they sign with it, so not if the set was fetched just now. */
bool keyset_may_lack(const struct keyset *k, const char *kid);
