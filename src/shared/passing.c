#include <stdlib.h>
#include <string.h>

#include "crypto/crypto.h"
#include "shared/cache_file.h"

#define SWEEP_ENTRIES 64 /* looked at in one step of a sweep, */
#define SWEEP_STEPS 32   /* of which there are more while half of them are over */
#define CLOCK_STEP_S 300 /* by so much a clock may be set back */
#define CLAIM_KIND "claim:"

/* "~kind:rest"; false if it is too long. */
static bool full_key(char out[KV_KEY_MAX + 1], const char *kind, const char *key) {
    size_t n = strlen(kind), m = strlen(key);

    if (1 + n + m > HOST_CACHE_KEY_MAX)
        return false;
    out[0] = PASSING_PREFIX[0];
    memcpy(out + 1, kind, n);
    memcpy(out + 1 + n, key, m + 1);
    return true;
}

static enum rc too_long(struct err *e) {
    return err_set(e, ERR_TOO_LARGE, "too long for the host cache");
}

static bool read_stamp(const void *data, size_t len, struct passing *out) {
    if (len < sizeof *out)
        return false;
    memcpy(out, data, sizeof *out);
    return true;
}

/* What was put in a future that the clock no longer knows is over too. */
static bool is_over(const struct passing *p, int64_t now_s) {
    return p->expires_s <= now_s || p->stored_s > now_s + CLOCK_STEP_S;
}

/* The value that still counts. */
static enum rc find(struct kv_txn *t, const char *full, int64_t now_s, struct passing *stamp,
                    const void **data, size_t *len, struct err *e) {
    if (kv_get(t, full, data, len, e))
        return e->code;
    if (!read_stamp(*data, *len, stamp) || is_over(stamp, now_s))
        return err_set(e, ERR_MISSING, "there is no such record");
    return OK;
}

enum rc host_passing_get(struct host_cache *h, struct arena *a, const char *key, int64_t now_s,
                         const char **value, size_t *len, int64_t *stored_s, struct err *e) {
    char full[KV_KEY_MAX + 1];
    struct passing stamp;
    struct kv_txn *t;
    const void *data;
    size_t n;

    if (!full_key(full, "", key))
        return too_long(e);
    if (kv_begin(h->kv, false, &t, e))
        return e->code;
    if (!find(t, full, now_s, &stamp, &data, &n, e)) {
        *stored_s = stamp.stored_s;
        *len = n - sizeof stamp;
        *value = arena_strndup(a, (const char *)data + sizeof stamp, *len);
        e->code = OK;
    }
    kv_abort(t);
    return e->code;
}

/* How many of the kind of `full` there are, and the key of the oldest. What is over goes. */
static size_t count_kind(struct kv_txn *t, const char *full, int64_t now_s,
                         char oldest[KV_KEY_MAX + 1]) {
    size_t kind = strcspn(full, ":") + 1, count = 0, len;
    char at[KV_KEY_MAX + 1], next[KV_KEY_MAX + 1];
    struct passing stamp, first = {INT64_MAX, 0};
    const void *data;
    struct err ignored;

    memcpy(at, full, kind);
    at[kind] = 0;
    oldest[0] = 0;
    while (kv_next(t, at, next, &data, &len) && !strncmp(next, full, kind)) {
        memcpy(at, next, sizeof at);
        if (!read_stamp(data, len, &stamp) || is_over(&stamp, now_s)) {
            (void)!kv_del(t, next, &ignored);
            continue;
        }
        count++;
        if (stamp.stored_s < first.stored_s) {
            first = stamp;
            memcpy(oldest, next, KV_KEY_MAX + 1);
        }
    }
    return count;
}

static enum rc write_value(struct kv_txn *t, const char *full, const void *value, size_t len,
                           int64_t now_s, int64_t ttl_s, struct err *e) {
    struct passing stamp = {now_s, now_s + ttl_s};
    char *data = xmalloc(sizeof stamp + len);
    enum rc rc;

    memcpy(data, &stamp, sizeof stamp);
    if (len)
        memcpy(data + sizeof stamp, value, len);
    rc = kv_put(t, full, data, sizeof stamp + len, false, e);
    explicit_bzero(data, sizeof stamp + len);
    free(data);
    return rc;
}

static enum rc end(struct kv_txn *t, enum rc rc, struct err *e) {
    if (!rc)
        return kv_commit(t, e);
    kv_abort(t);
    return rc;
}

enum rc host_passing_put(struct host_cache *h, const char *key, const void *value, size_t len,
                         int64_t now_s, int64_t ttl_s, size_t most, struct err *e) {
    char full[KV_KEY_MAX + 1], oldest[KV_KEY_MAX + 1];
    struct kv_txn *t;
    struct err ignored;
    enum rc rc;

    if (len > HOST_CACHE_VALUE_MAX || !full_key(full, "", key))
        return too_long(e);
    if (kv_begin(h->kv, true, &t, e))
        return e->code;
    if (kv_del(t, full, &ignored) && ignored.code != ERR_MISSING) {
        kv_abort(t);
        *e = ignored;
        return e->code;
    }
    while (count_kind(t, full, now_s, oldest) >= most && *oldest)
        if (kv_del(t, oldest, &ignored))
            break;
    rc = write_value(t, full, value, len, now_s, ttl_s, e);
    return end(t, rc, e);
}

enum rc host_passing_add(struct host_cache *h, const char *key, int64_t now_s, int64_t ttl_s,
                         size_t most, struct err *e) {
    char full[KV_KEY_MAX + 1], oldest[KV_KEY_MAX + 1];
    struct passing stamp;
    struct kv_txn *t;
    const void *data;
    size_t len;
    enum rc rc;

    if (!full_key(full, "", key))
        return too_long(e);
    if (kv_begin(h->kv, true, &t, e))
        return e->code;
    rc = find(t, full, now_s, &stamp, &data, &len, e);
    if (!rc)
        rc = err_set(e, ERR_EXISTS, "there is such a record already");
    else if (rc == ERR_MISSING &&
             (count_kind(t, full, now_s, oldest) >= most || kv_is_nearly_full(t)))
        rc = err_set(e, ERR_TOO_LARGE, "there are too many of these");
    else if (rc == ERR_MISSING)
        rc = write_value(t, full, NULL, 0, now_s, ttl_s, e);
    return end(t, rc, e);
}

/* How many of the next SWEEP_ENTRIES it removed. */
static int sweep_step(struct host_cache *h, int64_t now_s) {
    char at[KV_KEY_MAX + 1], next[KV_KEY_MAX + 1];
    struct passing stamp;
    const void *data;
    struct kv_txn *t;
    struct err e;
    size_t len;
    int removed = 0;

    if (kv_begin(h->kv, true, &t, &e))
        return 0;
    memcpy(at, *h->swept ? h->swept : PASSING_PREFIX, *h->swept ? sizeof at : 2);
    for (int i = 0; i < SWEEP_ENTRIES; i++) {
        if (!kv_next(t, at, next, &data, &len) || next[0] != PASSING_PREFIX[0]) {
            at[0] = 0; /* from the start next time */
            break;
        }
        memcpy(at, next, sizeof at);
        if (!read_stamp(data, len, &stamp) || is_over(&stamp, now_s))
            removed += !kv_del(t, next, &e);
    }
    memcpy(h->swept, at, sizeof at);
    return kv_commit(t, &e) ? 0 : removed;
}

void host_passing_sweep(struct host_cache *h, int64_t now_s) {
    kv_forget_dead_readers(h->kv);
    for (int i = 0; i < SWEEP_STEPS && sweep_step(h, now_s) >= SWEEP_ENTRIES / 2; i++)
        ;
}

/* --- claims */

enum rc host_claim_take(struct host_cache *h, const char *key, int64_t now_s, int64_t ttl_s,
                        struct host_claim *out, struct err *e) {
    char full[KV_KEY_MAX + 1];
    struct passing stamp;
    struct kv_txn *t;
    const void *data;
    size_t len;
    enum rc rc;

    if (!full_key(full, CLAIM_KIND, key))
        return too_long(e);
    if (kv_begin(h->kv, true, &t, e))
        return e->code;
    rc = find(t, full, now_s, &stamp, &data, &len, e);
    if (!rc) {
        rc = err_set(e, ERR_EXISTS, "another worker does it");
    } else if (rc == ERR_MISSING) {
        memcpy(out->key, full, strlen(full) + 1);
        random_bytes(out->owner, sizeof out->owner);
        rc = write_value(t, full, out->owner, sizeof out->owner, now_s, ttl_s, e);
    }
    return end(t, rc, e);
}

void host_claim_release(struct host_cache *h, const struct host_claim *claim) {
    struct kv_txn *t;
    const void *data;
    struct err e;
    size_t len;

    if (kv_begin(h->kv, true, &t, &e))
        return;
    if (!kv_get(t, claim->key, &data, &len, &e) &&
        len == sizeof(struct passing) + sizeof claim->owner &&
        !memcmp((const char *)data + sizeof(struct passing), claim->owner, sizeof claim->owner))
        (void)!kv_del(t, claim->key, &e);
    (void)!kv_commit(t, &e);
}

bool host_claim_is_taken(struct host_cache *h, const char *key, int64_t now_s) {
    char full[KV_KEY_MAX + 1];
    struct passing stamp;
    struct kv_txn *t;
    const void *data;
    struct err e;
    size_t len;
    enum rc rc;

    if (!full_key(full, CLAIM_KIND, key) || kv_begin(h->kv, false, &t, &e))
        return false;
    rc = find(t, full, now_s, &stamp, &data, &len, &e);
    kv_abort(t);
    return rc == OK;
}
