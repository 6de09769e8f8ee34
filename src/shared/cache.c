#include "shared/cache.h"

#include "shared/lmdb.h"

#define FILE_BYTES_MAX (256UL << 20) /* address space, not memory */
#define SWEEP_ENTRIES 256            /* entries that one step of a sweep reads */
#define SWEEP_STEPS 8 /* of a sweep; it ends earlier at a step that removes less than half */
/* An entry stays valid if the clock is set back by at most this, or by at most the entry's TTL if
 * that is longer. */
#define CLOCK_STEP_MAX_S 300
#define EVICTIONS_MAX 256 /* entries removed at once when the file is full */
#define FORMAT 2          /* of records; records of another format are ignored */

struct cache {
    struct lmdb *db;
    const struct clock *clock;
    char swept[LMDB_KEY_MAX + 1]; /* where the last sweep stopped; "" at the start */
};

/* The header of each record; the value follows. */
struct header {
    int64_t format, stored_s, expires_s;
};

struct record {
    struct header header;
    const char *value;
    size_t len;
};

enum rc cache_open(const char *dir, unsigned workers, const struct clock *clock, struct cache **out,
                   struct err *e) {
    struct cache *c = xcalloc(1, sizeof *c);

    c->clock = clock;
    *out = c;
    return lmdb_open(dir, FILE_BYTES_MAX, workers, &c->db, e);
}

void cache_close(struct cache *c) {
    if (!c)
        return;
    lmdb_close(c->db);
    free(c);
}

/* ---- records ---- */

static enum rc too_long(struct err *e) {
    return err_set(e, ERR_TOO_LARGE, "too long for the host's cache");
}

/* False if the entry has expired, is not in this format, or has times that no entry of ours has
 * (the file is damaged). An entry whose time of writing is in the future (the clock was set back)
 * counts as expired if it is further ahead than both its TTL and CLOCK_STEP_MAX_S. */
static bool read_record(const void *data, size_t len, int64_t now_s, struct record *out) {
    int64_t tolerance_s, ahead_s;

    if (len < sizeof out->header)
        return false;
    memcpy(&out->header, data, sizeof out->header);
    out->value = (const char *)data + sizeof out->header;
    out->len = len - sizeof out->header;
    if (__builtin_sub_overflow(out->header.expires_s, out->header.stored_s, &tolerance_s) ||
        __builtin_sub_overflow(out->header.stored_s, now_s, &ahead_s))
        return false;
    if (tolerance_s < CLOCK_STEP_MAX_S)
        tolerance_s = CLOCK_STEP_MAX_S;
    return out->header.format == FORMAT && out->header.expires_s > now_s && ahead_s <= tolerance_s;
}

/* Begins a transaction, and finds the record of the key. */
static enum rc begin_find(struct cache *c, bool write, const char *key, struct record *out,
                          struct err *e) {
    const void *data;
    size_t len;

    if (lmdb_begin(c->db, write, e))
        return e->code;
    if (strlen(key) > CACHE_KEY_MAX)
        return too_long(e);
    if (lmdb_get(c->db, key, &data, &len, e))
        return e->code;
    return read_record(data, len, clock_now_s(c->clock), out)
               ? OK
               : err_set(e, ERR_MISSING, "there is no such record");
}

static enum rc write_record(struct lmdb *db, const char *key, const struct cache_entry *in,
                            int64_t now_s, struct err *e) {
    const struct header header = {FORMAT, now_s, now_s + in->ttl_s};
    size_t len = sizeof header + in->len;
    char *data;
    enum rc rc;

    if (in->len > CACHE_VALUE_MAX || strlen(key) > CACHE_KEY_MAX)
        return too_long(e);
    data = xmalloc(len);
    memcpy(data, &header, sizeof header);
    if (in->len)
        memcpy(data + sizeof header, in->value, in->len);
    rc = lmdb_put(db, key, data, len, e);
    explicit_bzero(data, len);
    free(data);
    return rc;
}

static enum rc finish(struct lmdb *db, enum rc rc, struct err *e) {
    if (!rc)
        return lmdb_commit(db, e);
    lmdb_abort(db);
    return rc;
}

/* ---- quotas ---- */

struct tally {
    size_t count, bytes;
    char oldest[LMDB_KEY_MAX + 1]; /* the oldest that may be removed; "": none may */
};

/* Replaces `at` with the next key after it. False if that key does not have the prefix. */
static bool next_entry(struct lmdb *db, const char *prefix, char at[LMDB_KEY_MAX + 1],
                       const void **data, size_t *len) {
    char next[LMDB_KEY_MAX + 1];

    if (!lmdb_next(db, at, next, data, len) || strncmp(next, prefix, strlen(prefix)) != 0)
        return false;
    memcpy(at, next, sizeof next);
    return true;
}

static struct tally count_entries(struct lmdb *db, const struct cache_quota *quota, int64_t now_s) {
    char at[LMDB_KEY_MAX + 1] = "";
    int64_t oldest_s = INT64_MAX;
    struct tally tally = {0};
    struct record record;
    const void *data;
    size_t len;

    memcpy(at, quota->prefix, strnlen(quota->prefix, LMDB_KEY_MAX));
    while (next_entry(db, quota->prefix, at, &data, &len)) {
        if (!read_record(data, len, now_s, &record))
            continue;
        tally.count++;
        tally.bytes += len;
        if (record.header.stored_s >= oldest_s ||
            (quota->must_stay && quota->must_stay(record.value, record.len, now_s)))
            continue;
        oldest_s = record.header.stored_s;
        memcpy(tally.oldest, at, sizeof at);
    }
    return tally;
}

static bool is_over(const struct tally *tally, const struct cache_quota *quota) {
    return (tally->count > quota->max_entries || tally->bytes > quota->max_bytes) && *tally->oldest;
}

static enum rc trim(struct lmdb *db, const struct cache_quota *quota, int64_t now_s,
                    struct err *e) {
    struct tally tally;

    for (tally = count_entries(db, quota, now_s); is_over(&tally, quota);
         tally = count_entries(db, quota, now_s))
        if (lmdb_del(db, tally.oldest, e))
            return e->code;
    return OK;
}

enum rc cache_trim(struct cache *c, const struct cache_quota *quota, struct err *e) {
    int64_t now_s = clock_now_s(c->clock);
    struct tally tally;

    /* Usually there is nothing to delete, so it counts first without the writers' lock. */
    if (lmdb_begin(c->db, false, e))
        return e->code;
    tally = count_entries(c->db, quota, now_s);
    lmdb_abort(c->db);
    if (!is_over(&tally, quota))
        return OK;
    if (lmdb_begin(c->db, true, e))
        return e->code;
    return finish(c->db, trim(c->db, quota, now_s, e), e);
}

/* The quota for the kind of entries that this key belongs to. */
static struct cache_quota quota_of_kind(const char *key, size_t max_entries,
                                        char prefix[LMDB_KEY_MAX + 1]) {
    size_t len = strcspn(key, ":") + 1;

    memset(prefix, 0, LMDB_KEY_MAX + 1);
    memcpy(prefix, key, strnlen(key, len));
    return (struct cache_quota){
        .prefix = prefix, .max_entries = max_entries, .max_bytes = SIZE_MAX};
}

/* ---- eviction from a full file ---- */

struct candidate {
    int64_t expires_s; /* 0: it has expired */
    char key[LMDB_KEY_MAX + 1];
};

/* Fills `found` with the entries that expire first. Returns how many. */
static size_t find_candidates(struct lmdb *db, cache_must_stay *must_stay, int64_t now_s,
                              struct candidate found[EVICTIONS_MAX]) {
    char at[LMDB_KEY_MAX + 1] = "";
    size_t count = 0, last = 0, len;
    struct record record;
    int64_t expires_s;
    const void *data;

    while (next_entry(db, "", at, &data, &len)) {
        expires_s = read_record(data, len, now_s, &record) ? record.header.expires_s : 0;
        if ((count == EVICTIONS_MAX && expires_s >= found[last].expires_s) ||
            (expires_s && must_stay(record.value, record.len, now_s)))
            continue;
        if (count < EVICTIONS_MAX)
            last = count++;
        found[last].expires_s = expires_s;
        memcpy(found[last].key, at, sizeof at);
        for (size_t i = 0; i < count; i++)
            if (found[i].expires_s > found[last].expires_s)
                last = i;
    }
    return count;
}

size_t cache_evict_if_full(struct cache *c, cache_must_stay *must_stay) {
    struct candidate *found;
    size_t count = 0, evicted = 0;

    if (lmdb_begin(c->db, true, ERR_IGNORED))
        return 0;
    found = xcalloc(EVICTIONS_MAX, sizeof *found);
    if (lmdb_is_full(c->db))
        count = find_candidates(c->db, must_stay, clock_now_s(c->clock), found);
    for (size_t i = 0; i < count; i++)
        evicted += !lmdb_del(c->db, found[i].key, ERR_IGNORED);
    free(found);
    return lmdb_commit(c->db, ERR_IGNORED) ? 0 : evicted;
}

/* ---- the operations ---- */

enum rc cache_get(struct cache *c, struct arena *a, const char *key, struct cache_entry *out,
                  struct err *e) {
    struct record record;
    enum rc rc = begin_find(c, false, key, &record, e);

    if (!rc)
        *out = (struct cache_entry){.value = arena_strndup(a, record.value, record.len),
                                    .len = record.len,
                                    .ttl_s = record.header.expires_s - record.header.stored_s,
                                    .stored_s = record.header.stored_s};
    lmdb_abort(c->db);
    return rc;
}

bool cache_has(struct cache *c, const char *key) {
    struct record record;
    enum rc rc = begin_find(c, false, key, &record, ERR_IGNORED);

    lmdb_abort(c->db);
    return rc == OK;
}

enum rc cache_set(struct cache *c, const char *key, const struct cache_entry *in,
                  size_t max_entries, struct err *e) {
    int64_t now_s = clock_now_s(c->clock);
    char prefix[LMDB_KEY_MAX + 1];
    struct cache_quota quota;
    enum rc rc = OK;

    if (strlen(key) > CACHE_KEY_MAX)
        return too_long(e);
    if (lmdb_begin(c->db, true, e))
        return e->code;
    if (max_entries) { /* the replaced entry does not count */
        quota = quota_of_kind(key, max_entries - 1, prefix);
        rc = lmdb_del(c->db, key, e);
        if (!rc || rc == ERR_MISSING)
            rc = trim(c->db, &quota, now_s, e);
    }
    if (!rc)
        rc = write_record(c->db, key, in, now_s, e);
    return finish(c->db, rc, e);
}

enum rc cache_add(struct cache *c, const char *key, const struct cache_entry *in,
                  size_t max_entries, struct err *e) {
    int64_t now_s = clock_now_s(c->clock);
    char prefix[LMDB_KEY_MAX + 1];
    struct cache_quota quota;
    struct record record;
    enum rc rc = begin_find(c, true, key, &record, e);

    if (!rc)
        rc = err_set(e, ERR_EXISTS, "the record exists already");
    if (rc == ERR_MISSING) {
        quota = quota_of_kind(key, max_entries, prefix);
        rc = max_entries && (lmdb_is_nearly_full(c->db) ||
                             count_entries(c->db, &quota, now_s).count >= max_entries)
                 ? err_set(e, ERR_TOO_LARGE, "there is no room for more of these")
                 : write_record(c->db, key, in, now_s, e);
    }
    return finish(c->db, rc, e);
}

enum rc cache_swap(struct cache *c, const char *key, const struct cache_entry *expected,
                   const struct cache_entry *in, struct err *e) {
    struct record record;
    enum rc rc = begin_find(c, true, key, &record, e);

    if (rc == ERR_MISSING ||
        (!rc && (record.len < expected->len || (!in && record.len > expected->len) ||
                 memcmp(record.value, expected->value, expected->len) != 0)))
        rc = err_set(e, ERR_CONFLICT, "the record was changed meanwhile");
    if (!rc)
        rc = in ? write_record(c->db, key, in, clock_now_s(c->clock), e) : lmdb_del(c->db, key, e);
    return finish(c->db, rc, e);
}

/* ---- the sweep ---- */

/* Returns how many of the next SWEEP_ENTRIES it removed. */
static int sweep_step(struct cache *c, int64_t now_s) {
    char at[LMDB_KEY_MAX + 1];
    struct record record;
    const void *data;
    size_t len;
    int removed = 0;

    if (lmdb_begin(c->db, true, ERR_IGNORED))
        return 0;
    memcpy(at, c->swept, sizeof at);
    for (int i = 0; i < SWEEP_ENTRIES; i++) {
        if (!next_entry(c->db, "", at, &data, &len)) {
            at[0] = 0; /* from the start next time */
            break;
        }
        if (!read_record(data, len, now_s, &record))
            removed += !lmdb_del(c->db, at, ERR_IGNORED);
    }
    memcpy(c->swept, at, sizeof at);
    return lmdb_commit(c->db, ERR_IGNORED) ? 0 : removed;
}

void cache_sweep(struct cache *c) {
    int64_t now_s = clock_now_s(c->clock);

    lmdb_clear_stale_readers(c->db);
    for (int i = 0; i < SWEEP_STEPS && sweep_step(c, now_s) >= SWEEP_ENTRIES / 2; i++)
        ;
}
