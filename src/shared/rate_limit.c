/* A bucket is one number, the time at which it will be full again (GCRA, the "virtual scheduling"
 * form of the leaky bucket): taking a token adds the interval between two tokens to that time. Time
 * and a tag of the key are in 64 bits, so that one compare-and-exchange changes them. The buckets
 * of a set share a cache line. A full bucket needs no entry, so it may be replaced. */
#include "shared/rate_limit.h"

#include <arpa/inet.h>
#include <stdatomic.h>

#include "base/encode.h"
#include "shared/state_file.h"

#define SETS 8192
#define WAYS 8
#define TIME_BITS 40 /* milliseconds since EPOCH_MS: until 2059 */
#define TIME_MASK ((UINT64_C(1) << TIME_BITS) - 1)
#define EPOCH_MS INT64_C(1735689600000) /* 2025-01-01 */
#define MINUTE_MS 60000
#define CLIENT_KEY_MAX 256 /* bytes of a client_id that are compared */
#define TRIES 64 /* while other workers change the same bucket; after that there is no limit */

static const char magic[8] = "limits1";

/* The file, as it is mapped. */
struct table {
    struct mapped_header header;
    _Alignas(64) _Atomic uint64_t buckets[SETS][WAYS];
};

struct rate_limits {
    struct mapped_file file;
};

enum rc rate_limits_open(const char *path, struct rate_limits **out, struct err *e) {
    *out = xcalloc(1, sizeof **out);
    return mapped_file_open(&(*out)->file, path, magic, sizeof(struct table), e);
}

void rate_limits_close(struct rate_limits *l) {
    if (l)
        mapped_file_close(&l->file);
    free(l);
}

/* The set in which the key's bucket is, and the tag of the key. */
static _Atomic uint64_t *set_of(struct rate_limits *l, const char *key, uint64_t *tag) {
    struct table *table = l->file.map;
    const uint32_t set = mapped_hash(&table->header, key, tag) % SETS;

    *tag &= ~TIME_MASK;
    return table->buckets[set];
}

/* The bucket with this tag, else the one that will be full first. */
static _Atomic uint64_t *find(_Atomic uint64_t *set, uint64_t tag, uint64_t *value) {
    _Atomic uint64_t *first_full = &set[0];

    *value = atomic_load(first_full);
    for (int i = 0; i < WAYS; i++) {
        uint64_t v = atomic_load(&set[i]);

        if (v && (v & ~TIME_MASK) == tag) {
            *value = v;
            return &set[i];
        }
        if ((v & TIME_MASK) < (*value & TIME_MASK)) {
            first_full = &set[i];
            *value = v;
        }
    }
    return first_full;
}

/* When the bucket with this tag will be full. Now, if it is full: when it is another key's, or from
 * before the clock was set back. */
static int64_t full_at(uint64_t value, uint64_t tag, int64_t now, int64_t interval) {
    int64_t full = (int64_t)(value & TIME_MASK);

    return (value & ~TIME_MASK) != tag || full < now || full > now + MINUTE_MS + interval ? now
                                                                                          : full;
}

/* Milliseconds until there is a token; `takes`: takes one that there is. */
static int64_t ask(struct rate_limits *l, const char *key, unsigned per_minute, int64_t now_ms,
                   bool takes) {
    const int64_t interval = MINUTE_MS / per_minute, now = now_ms - EPOCH_MS;
    uint64_t tag, value;
    _Atomic uint64_t *set;

    if (!mapped_file_ready(&l->file))
        return 0;
    set = set_of(l, key, &tag);
    for (int i = 0; i < TRIES; i++) {
        _Atomic uint64_t *bucket = find(set, tag, &value);
        int64_t full = full_at(value, tag, now, interval), wait = full - now + interval - MINUTE_MS;

        if (wait > 0)
            return wait;
        if (!takes || atomic_compare_exchange_strong(
                          bucket, &value, tag | ((uint64_t)(full + interval) & TIME_MASK)))
            return 0;
    }
    return 0;
}

int64_t rate_limits_take(struct rate_limits *l, const char *key, unsigned per_minute,
                         int64_t now_ms) {
    return ask(l, key, per_minute, now_ms, true);
}

int64_t rate_limits_wait(struct rate_limits *l, const char *key, unsigned per_minute,
                         int64_t now_ms) {
    return ask(l, key, per_minute, now_ms, false);
}

int64_t rate_limits_take_client(struct rate_limits *l, struct arena *a, const char *address,
                                const char *client_id, unsigned per_minute) {
    const char *counted_as = rate_limits_address_key(a, address);

    if (!counted_as)
        return 0;
    return rate_limits_take(l, arena_printf(a, "%s %.*s", counted_as, CLIENT_KEY_MAX, client_id),
                            per_minute, clock_realtime_ms());
}

const char *rate_limits_address_key(struct arena *a, const char *address) {
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    char plain[INET6_ADDRSTRLEN];
    size_t len = strcspn(address, "%"); /* RFC 4007 §11: a zone */
    uint8_t ip[16];

    if (len >= sizeof plain)
        return NULL;
    memcpy(plain, address, len);
    plain[len] = 0;
    if (inet_pton(AF_INET, plain, ip) == 1)
        return hex_encode(a, ip, 4);
    if (inet_pton(AF_INET6, plain, ip) != 1)
        return NULL;
    return memcmp(ip, mapped, sizeof mapped) ? hex_encode(a, ip, 8) : hex_encode(a, ip + 12, 4);
}
