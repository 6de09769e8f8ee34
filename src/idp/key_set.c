/* Anybody can send a token with a key id that does not exist. So fetches are limited for the whole
 * host, and so is waiting for one. A set that could be used stays until there is a newer one. */
#include "idp/key_set.h"

#include "crypto/digest.h"
#include "metrics/metrics.h"
#include "shared/single_flight.h"

#define FETCH_TIMEOUT_MS 5000
#define LEASE_S 10                          /* for a fetch: then its worker has been killed */
#define WAIT_MS 1000                        /* for another worker's fetch: see may_wait */
#define SCRATCH_BYTES_MAX ((size_t)1 << 20) /* a reply, a cached value, and what curl needs */

struct keyset {
    const char *url;
    struct http_client *http;
    struct cache *cache;
    const struct clock *clock;
    struct jwk_set *set;   /* NULL until there was one */
    bool has_looked;       /* in the cache, before it had a set */
    int64_t stored_s;      /* when the set came from the provider */
    int64_t fetched_s;     /* this worker's last try, if there is no cache to count; 0: none */
    int64_t waited_s;      /* when this worker last waited for another one's fetch; 0: never */
    char *cache_key;       /* of the set */
    struct arena *scratch; /* of one refresh */
};

struct keyset *keyset_new(const char *url, struct http_client *http, struct cache *cache,
                          const struct clock *clock) {
    struct keyset *k = xcalloc(1, sizeof *k);

    k->url = url;
    k->http = http;
    k->cache = cache;
    k->clock = clock;
    /* By digest, because the cache has short keys and an address may be long. */
    struct arena *a = arena_new(4096);
    k->cache_key = xstrdup(arena_printf(a, "jwks:%s", sha256_base64url(a, url, SHA256_LEN)));
    arena_free(a);
    return k;
}

void keyset_free(struct keyset *k) {
    if (!k)
        return;
    jwk_set_free(k->set);
    free(k->cache_key);
    free(k);
}

/* Takes over a set that can be used. What cannot be used changes nothing. */
static bool adopt(struct keyset *k, const char *text, size_t len, int64_t stored_s,
                  struct err *why) {
    struct jwk_set *set;

    if (jwk_set_parse(text, len, &set, why))
        return false;
    jwk_set_free(k->set);
    k->set = set;
    k->stored_s = stored_s;
    return true;
}

/* ---- the cache of this host ---- */

/* Takes what another worker fetched, if it is newer than ours. */
static bool load_from_cache(struct keyset *k) {
    struct cache_entry entry;

    if (!k->cache || cache_get(k->cache, k->scratch, k->cache_key, &entry, ERR_IGNORED))
        return false;
    if (k->set && entry.stored_s <= k->stored_s)
        return false;
    return adopt(k, entry.value, entry.len, entry.stored_s, ERR_IGNORED);
}

/* Without a cache that can be used, because the disk is full, each worker counts its fetches for
 * itself: good tokens must not be refused for that. */
static bool may_fetch_alone(struct keyset *k, int64_t now_s) {
    if (!clock_has_passed(k->fetched_s, now_s, KEYSET_REFETCH_S))
        return false;
    k->fetched_s = now_s;
    return true;
}

/* ---- the provider ---- */

static void fetch(struct keyset *k, int64_t now_s) {
    static const char *const headers[] = {"Accept: application/json", NULL};
    const struct http_request rq = {
        .method = "GET",
        .url = k->url,
        .headers = headers,
        .max_reply_bytes = JWK_SET_BYTES_MAX,
        .timeout_ms = FETCH_TIMEOUT_MS,
        .counted_as = 1 + UPSTREAM_KEYS,
    };
    struct err why = {0}, not_set = {0};
    struct http_reply reply;
    enum rc rc = http_fetch(k->http, k->scratch, &rq, &reply, &why);

    if (!rc && reply.status != 200) {
        rc = err_set(&why, ERR_UPSTREAM, "the key set is not there");
        err_detail(&why, "key set: status=%ld", reply.status);
    }
    if (rc || !adopt(k, reply.body, reply.body_len, now_s, &why)) {
        log_warn("keyset_fetch_failed", kv("url", k->url),
                 kv("detail", *why.detail ? why.detail : why.text));
        return;
    }
    const struct cache_entry entry = {
        .value = reply.body, .len = reply.body_len, .ttl_s = CACHE_NO_TTL};
    if (k->cache && cache_set(k->cache, k->cache_key, &entry, 0, &not_set))
        log_warn("keyset_not_shared", kv("detail", not_set.detail)); /* ours is good all the same */
    log_info("keyset_fetched", kv("url", k->url));
}

/* For another worker's fetch: it may be at it just now, at a cold start or when the provider
 * has begun to use a new key. Refusing a good token at that moment would send its user back to the
 * login page. So we wait shortly, and once in KEYSET_REFETCH_S, so that tokens with invented key
 * ids cannot keep workers waiting. */
static bool may_wait(const struct keyset *k, int64_t now_s) {
    if (!clock_has_passed(k->waited_s, now_s, KEYSET_REFETCH_S))
        return false;
    return !k->set ||
           clock_has_passed(k->stored_s, now_s, KEYSET_REFETCH_S); /* else: we have what it got */
}

/* ---- finding ---- */

/* Too old to be trusted without asking again, or from a future that a clock no longer knows. */
static bool is_stale(const struct keyset *k, int64_t now_s) {
    return !k->set || now_s < k->stored_s || k->stored_s < now_s - KEYSET_MAX_AGE_S;
}

static const struct jwk *find_fresh(const struct keyset *k, const char *kid, int64_t now_s) {
    return is_stale(k, now_s) ? NULL : jwk_set_find(k->set, kid);
}

static bool find_newer(void *arg) {
    struct keyset *k = arg;

    arena_reset(k->scratch); /* the copy of what we know already */
    return load_from_cache(k);
}

/* Does what can be done to have the key, cheapest first. The lease is not given back: it is what
 * limits the fetches of this host to one in KEYSET_REFETCH_S, however they end. */
static void refresh(struct keyset *k, const char *kid, int64_t now_s) {
    struct single_flight flight = {
        .cache = k->cache, .name = k->cache_key, .lease_s = LEASE_S, .find = find_newer, .arg = k};
    bool waits;

    if (load_from_cache(k) && find_fresh(k, kid, now_s))
        return;
    waits = !jwk_set_find(k->set, kid) && may_wait(k, now_s);
    flight.until_ms = clock_monotonic_ms() + (waits ? WAIT_MS : 0);
    switch (k->cache ? single_flight_begin(&flight, ERR_IGNORED) : FLIGHT_ALONE) {
    case FLIGHT_LEADS:
        fetch(k, now_s);
        single_flight_rest(&flight, KEYSET_REFETCH_S);
        break;
    case FLIGHT_ALONE:
        if (may_fetch_alone(k, now_s))
            fetch(k, now_s);
        break;
    default:
        if (waits)
            k->waited_s = now_s;
    }
}

enum rc keyset_find(struct keyset *k, const char *kid, const struct jwk **out, struct err *e) {
    int64_t now_s = clock_now_s(k->clock);
    const struct jwk *key = find_fresh(k, kid, now_s);

    if (!key) {
        k->scratch = arena_new(SCRATCH_BYTES_MAX);
        refresh(k, kid, now_s);
        arena_free(k->scratch);
        key = jwk_set_find(k->set, kid); /* however old: the last good set outlives an outage */
    }
    if (!key && !k->set)
        return err_set(e, ERR_UPSTREAM,
                       "the identity provider's keys cannot be had now; try again later");
    if (!key)
        return err_set(e, ERR_INVALID_TOKEN, "no such signing key");
    *out = key;
    return OK;
}

/* A worker that has just started has no set in memory. */
bool keyset_has(struct keyset *k, uint64_t print) {
    if (!k->set && !k->has_looked) {
        k->has_looked = true;
        k->scratch = arena_new(SCRATCH_BYTES_MAX);
        (void)load_from_cache(k);
        arena_free(k->scratch);
    }
    return !k->set || jwk_set_has(k->set, print);
}

bool keyset_may_lack(const struct keyset *k, const char *kid) {
    return !jwk_set_find(k->set, kid) &&
           clock_has_passed(k->stored_s, clock_now_s(k->clock), KEYSET_REFETCH_S);
}
