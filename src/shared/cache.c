#include "shared/cache.h"

#include "shared/kv.h"

#define FILE_BYTES_MAX (256UL << 20) /* address space, not memory */
#define SWEEP_ENTRIES 256            /* entries that one step of a sweep reads */
#define SWEEP_STEPS 8 /* of a sweep; it ends earlier at a step that removes less than half */
/* An entry stays valid if the clock is set back by at most this, or by at most the entry's TTL if
 * that is longer. */
#define CLOCK_STEP_S 300
#define EVICTED 256 /* entries removed at once when the file is full */
#define FORMAT 2    /* of records; records of another format are ignored */

struct cache {
    struct kv *kv;
    const struct clock *clock;
    char swept[KV_KEY_MAX + 1]; /* where the last sweep stopped; "" at the start */
};

/* The head of each record; the value follows. */
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
    return kv_open(dir, FILE_BYTES_MAX, workers, &c->kv, e);
}

void cache_close(struct cache *c) {
    if (!c)
        return;
    kv_close(c->kv);
    free(c);
}

/* ---- records ---- */

static enum rc too_long(struct err *e) {
    return err_set(e, ERR_TOO_LARGE, "too long for the host's cache");
}

/* False if the entry has expired, is not in this format, or has times that no entry of ours has
 * (the file is damaged). An entry whose time of writing is in the future (the clock was set back)
 * counts as expired if it is further ahead than both its TTL and CLOCK_STEP_S. */
static bool read_record(const void *data, size_t len, int64_t now_s, struct record *out) {
    int64_t step_s, ahead_s;

    if (len < sizeof out->header)
        return false;
    memcpy(&out->header, data, sizeof out->header);
    out->value = (const char *)data + sizeof out->header;
    out->len = len - sizeof out->header;
    if (__builtin_sub_overflow(out->header.expires_s, out->header.stored_s, &step_s) ||
        __builtin_sub_overflow(out->header.stored_s, now_s, &ahead_s))
        return false;
    if (step_s < CLOCK_STEP_S)
        step_s = CLOCK_STEP_S;
    return out->header.format == FORMAT && out->header.expires_s > now_s && ahead_s <= step_s;
}

static enum rc find(struct kv_txn *t, const char *key, int64_t now_s, struct record *out,
                    struct err *e) {
    const void *data;
    size_t len;

    if (strlen(key) > CACHE_KEY_MAX)
        return too_long(e);
    if (kv_get(t, key, &data, &len, e))
        return e->code;
    return read_record(data, len, now_s, out) ? OK
                                              : err_set(e, ERR_MISSING, "there is no such record");
}

static enum rc write_record(struct kv_txn *t, const char *key, const struct cache_entry *in,
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
    rc = kv_put(t, key, data, len, e);
    explicit_bzero(data, len);
    free(data);
    return rc;
}

static enum rc finish(struct kv_txn *t, enum rc rc, struct err *e) {
    if (!rc)
        return kv_commit(t, e);
    kv_abort(t);
    return rc;
}

/* ---- quotas ---- */

struct tally {
    size_t count, bytes;
    char oldest[KV_KEY_MAX + 1]; /* the oldest that may be removed; "": none may */
};

/* Replaces `at` with the next key after it. False if that key does not have the prefix. */
static bool next_of(struct kv_txn *t, const char *prefix, char at[KV_KEY_MAX + 1],
                    const void **data, size_t *len) {
    char next[KV_KEY_MAX + 1];

    if (!kv_next(t, at, next, data, len) || strncmp(next, prefix, strlen(prefix)) != 0)
        return false;
    memcpy(at, next, sizeof next);
    return true;
}

static struct tally count(struct kv_txn *t, const struct cache_quota *quota, int64_t now_s) {
    char at[KV_KEY_MAX + 1] = "";
    int64_t oldest_s = INT64_MAX;
    struct tally tally = {0};
    struct record record;
    const void *data;
    size_t len;

    memcpy(at, quota->prefix, strnlen(quota->prefix, KV_KEY_MAX));
    while (next_of(t, quota->prefix, at, &data, &len)) {
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
    return (tally->count > quota->most || tally->bytes > quota->bytes) && *tally->oldest;
}

static enum rc trim(struct kv_txn *t, const struct cache_quota *quota, int64_t now_s,
                    struct err *e) {
    struct tally tally;

    for (tally = count(t, quota, now_s); is_over(&tally, quota); tally = count(t, quota, now_s))
        if (kv_del(t, tally.oldest, e))
            return e->code;
    return OK;
}

enum rc cache_trim(struct cache *c, const struct cache_quota *quota, struct err *e) {
    int64_t now_s = clock_now_s(c->clock);
    struct tally tally;
    struct kv_txn *t;

    /* Usually there is nothing to delete, so the first look is without the writers' lock. */
    if (kv_begin(c->kv, false, &t, e))
        return e->code;
    tally = count(t, quota, now_s);
    kv_abort(t);
    if (!is_over(&tally, quota))
        return OK;
    if (kv_begin(c->kv, true, &t, e))
        return e->code;
    return finish(t, trim(t, quota, now_s, e), e);
}

/* The quota of the kind of this key. */
static struct cache_quota of_kind(const char *key, size_t most, char prefix[KV_KEY_MAX + 1]) {
    size_t len = strcspn(key, ":") + 1;

    memset(prefix, 0, KV_KEY_MAX + 1);
    memcpy(prefix, key, strnlen(key, len));
    return (struct cache_quota){.prefix = prefix, .most = most, .bytes = SIZE_MAX};
}

/* ---- eviction from a full file ---- */

struct candidate {
    int64_t expires_s; /* 0: it has expired */
    char key[KV_KEY_MAX + 1];
};

/* Fills `found` with the entries that expire first. Returns how many. */
static size_t find_candidates(struct kv_txn *t, cache_must_stay *must_stay, int64_t now_s,
                              struct candidate found[EVICTED]) {
    char at[KV_KEY_MAX + 1] = "";
    size_t count = 0, last = 0, len;
    struct record record;
    int64_t expires_s;
    const void *data;

    while (next_of(t, "", at, &data, &len)) {
        expires_s = read_record(data, len, now_s, &record) ? record.header.expires_s : 0;
        if ((count == EVICTED && expires_s >= found[last].expires_s) ||
            (expires_s && must_stay(record.value, record.len, now_s)))
            continue;
        if (count < EVICTED)
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
    struct kv_txn *t;
    struct err e;

    if (kv_begin(c->kv, true, &t, &e))
        return 0;
    found = xcalloc(EVICTED, sizeof *found);
    if (kv_is_full(t))
        count = find_candidates(t, must_stay, clock_now_s(c->clock), found);
    for (size_t i = 0; i < count; i++)
        evicted += !kv_del(t, found[i].key, &e);
    free(found);
    return kv_commit(t, &e) ? 0 : evicted;
}

/* ---- the operations ---- */

enum rc cache_get(struct cache *c, struct arena *a, const char *key, struct cache_entry *out,
                  struct err *e) {
    struct record record;
    struct kv_txn *t;
    enum rc rc;

    if (kv_begin(c->kv, false, &t, e))
        return e->code;
    rc = find(t, key, clock_now_s(c->clock), &record, e);
    if (!rc)
        *out = (struct cache_entry){.value = arena_strndup(a, record.value, record.len),
                                    .len = record.len,
                                    .ttl_s = record.header.expires_s - record.header.stored_s,
                                    .stored_s = record.header.stored_s};
    kv_abort(t);
    return rc;
}

bool cache_has(struct cache *c, const char *key) {
    struct record record;
    struct kv_txn *t;
    struct err e;
    enum rc rc;

    if (kv_begin(c->kv, false, &t, &e))
        return false;
    rc = find(t, key, clock_now_s(c->clock), &record, &e);
    kv_abort(t);
    return rc == OK;
}

enum rc cache_set(struct cache *c, const char *key, const struct cache_entry *in, size_t most,
                  struct err *e) {
    int64_t now_s = clock_now_s(c->clock);
    char prefix[KV_KEY_MAX + 1];
    struct cache_quota quota;
    struct kv_txn *t;
    enum rc rc = OK;

    if (strlen(key) > CACHE_KEY_MAX)
        return too_long(e);
    if (kv_begin(c->kv, true, &t, e))
        return e->code;
    if (most) { /* the replaced entry does not count */
        quota = of_kind(key, most - 1, prefix);
        rc = kv_del(t, key, e);
        if (!rc || rc == ERR_MISSING)
            rc = trim(t, &quota, now_s, e);
    }
    if (!rc)
        rc = write_record(t, key, in, now_s, e);
    return finish(t, rc, e);
}

enum rc cache_add(struct cache *c, const char *key, const struct cache_entry *in, size_t most,
                  struct err *e) {
    int64_t now_s = clock_now_s(c->clock);
    char prefix[KV_KEY_MAX + 1];
    struct cache_quota quota;
    struct record record;
    struct kv_txn *t;
    enum rc rc;

    if (kv_begin(c->kv, true, &t, e))
        return e->code;
    rc = find(t, key, now_s, &record, e);
    if (!rc)
        rc = err_set(e, ERR_EXISTS, "there is such a record already");
    if (rc == ERR_MISSING) {
        quota = of_kind(key, most, prefix);
        rc = most && (kv_is_nearly_full(t) || count(t, &quota, now_s).count >= most)
                 ? err_set(e, ERR_TOO_LARGE, "there are too many of these")
                 : write_record(t, key, in, now_s, e);
    }
    return finish(t, rc, e);
}

static bool begins_with(const struct record *record, const void *value, size_t len) {
    return record->len >= len && !memcmp(record->value, value, len);
}

enum rc cache_swap(struct cache *c, const char *key, const struct cache_entry *begins,
                   const struct cache_entry *in, struct err *e) {
    int64_t now_s = clock_now_s(c->clock);
    struct record record;
    struct kv_txn *t;
    enum rc rc;

    if (kv_begin(c->kv, true, &t, e))
        return e->code;
    rc = find(t, key, now_s, &record, e);
    if (rc == ERR_MISSING || (!rc && !begins_with(&record, begins->value, begins->len)))
        rc = err_set(e, ERR_CONFLICT, "the record was changed meanwhile");
    if (!rc)
        rc = write_record(t, key, in, now_s, e);
    return finish(t, rc, e);
}

enum rc cache_delete_if(struct cache *c, const char *key, const struct cache_entry *is,
                        struct err *e) {
    struct record record;
    struct kv_txn *t;
    enum rc rc;

    if (kv_begin(c->kv, true, &t, e))
        return e->code;
    rc = find(t, key, clock_now_s(c->clock), &record, e);
    if (rc == ERR_MISSING ||
        (!rc && (record.len != is->len || !begins_with(&record, is->value, is->len))))
        rc = err_set(e, ERR_CONFLICT, "the record was changed meanwhile");
    if (!rc)
        rc = kv_del(t, key, e);
    return finish(t, rc, e);
}

/* ---- the sweep ---- */

/* Returns how many of the next SWEEP_ENTRIES it removed. */
static int sweep_step(struct cache *c, int64_t now_s) {
    char at[KV_KEY_MAX + 1];
    struct record record;
    const void *data;
    struct kv_txn *t;
    struct err e;
    size_t len;
    int removed = 0;

    if (kv_begin(c->kv, true, &t, &e))
        return 0;
    memcpy(at, c->swept, sizeof at);
    for (int i = 0; i < SWEEP_ENTRIES; i++) {
        if (!next_of(t, "", at, &data, &len)) {
            at[0] = 0; /* from the start next time */
            break;
        }
        if (!read_record(data, len, now_s, &record))
            removed += !kv_del(t, at, &e);
    }
    memcpy(c->swept, at, sizeof at);
    return kv_commit(t, &e) ? 0 : removed;
}

void cache_sweep(struct cache *c) {
    int64_t now_s = clock_now_s(c->clock);

    kv_forget_dead_readers(c->kv);
    for (int i = 0; i < SWEEP_STEPS && sweep_step(c, now_s) >= SWEEP_ENTRIES / 2; i++)
        ;
}
