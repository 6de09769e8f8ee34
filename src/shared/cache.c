#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/cache_file.h"

#define FILE_BYTES_MAX (256UL << 20) /* address space, not memory */
#define SWEEP_LOOK 64                /* values looked at in one sweep */
#define TURN_PREFIX "turn:"          /* keeps turns and values apart */

enum rc host_cache_open(const char *dir, unsigned workers, struct host_cache **out, struct err *e) {
    struct host_cache *h = xcalloc(1, sizeof *h);

    *out = h;
    return kv_open(dir, FILE_BYTES_MAX, workers, &h->kv, e);
}

void host_cache_close(struct host_cache *h) {
    if (!h)
        return;
    kv_close(h->kv);
    free(h);
}

enum rc host_cache_get(struct host_cache *h, struct arena *a, const char *key, const char **value,
                       size_t *len, int64_t *stored_s, struct err *e) {
    struct kv_txn *t;
    const void *data;
    size_t n;
    enum rc rc = kv_begin(h->kv, false, &t, e);

    if (rc)
        return rc;
    rc = kv_get(t, key, &data, &n, e);
    if (!rc && n < sizeof *stored_s)
        rc = err_set(e, ERR_MISSING, "there is no such record");
    if (!rc) {
        memcpy(stored_s, data, sizeof *stored_s);
        *len = n - sizeof *stored_s;
        *value = arena_strndup(a, (const char *)data + sizeof *stored_s, *len);
    }
    kv_abort(t);
    return rc;
}

/* Does the value of the key begin so? NULL: there must be none. */
static enum rc check_present(struct kv_txn *t, const char *key, const void *begins,
                             size_t begins_len, struct err *e) {
    const void *data;
    size_t len;
    enum rc rc = kv_get(t, key, &data, &len, e);

    if (rc && rc != ERR_MISSING)
        return rc;
    if (!begins)
        return rc ? OK : err_set(e, ERR_EXISTS, "there is such a record already");
    if (rc || len < sizeof(int64_t) + begins_len ||
        memcmp((const char *)data + sizeof(int64_t), begins, begins_len) != 0)
        return err_set(e, ERR_CONFLICT, "the record was changed meanwhile");
    return OK;
}

/* With `checked`, only if what is there is as it should be. */
static enum rc put(struct host_cache *h, const char *key, bool checked, const void *begins,
                   size_t begins_len, const void *value, size_t len, int64_t now_s, struct err *e) {
    struct kv_txn *t;
    char *data;
    enum rc rc;

    if (len > HOST_CACHE_VALUE_MAX || strlen(key) > HOST_CACHE_KEY_MAX)
        return err_set(e, ERR_TOO_LARGE, "too long for the host cache");
    data = xmalloc(sizeof now_s + len);
    memcpy(data, &now_s, sizeof now_s);
    memcpy(data + sizeof now_s, value, len);
    rc = kv_begin(h->kv, true, &t, e);
    if (!rc) {
        if (checked)
            rc = check_present(t, key, begins, begins_len, e);
        if (!rc)
            rc = kv_put(t, key, data, sizeof now_s + len, false, e);
        if (rc)
            kv_abort(t);
        else
            rc = kv_commit(t, e);
    }
    free(data);
    return rc;
}

enum rc host_cache_put(struct host_cache *h, const char *key, const void *value, size_t len,
                       int64_t now_s, struct err *e) {
    return put(h, key, false, NULL, 0, value, len, now_s, e);
}

enum rc host_cache_swap(struct host_cache *h, const char *key, const void *begins,
                        size_t begins_len, const void *value, size_t len, int64_t now_s,
                        struct err *e) {
    return put(h, key, true, begins, begins_len, value, len, now_s, e);
}

static char *sweep_position(struct host_cache *h, const char *prefix) {
    for (size_t i = 0; i < HOST_CACHE_PREFIXES; i++) {
        if (!*h->sweep_at[i])
            (void)snprintf(h->sweep_at[i], sizeof h->sweep_at[i], "%s", prefix);
        if (!strncmp(h->sweep_at[i], prefix, strlen(prefix)))
            return h->sweep_at[i];
    }
    return NULL;
}

void host_cache_sweep(struct host_cache *h, const char *prefix, int64_t age_s, int64_t now_s) {
    char *at = sweep_position(h, prefix), key[KV_KEY_MAX + 1];
    struct kv_txn *t;
    const void *data;
    int64_t stored_s;
    struct err e;
    size_t len;

    if (!at || kv_begin(h->kv, true, &t, &e))
        return;
    for (int i = 0; i < SWEEP_LOOK; i++) {
        if (!kv_next(t, at, key, &data, &len) || strncmp(key, prefix, strlen(prefix)) != 0) {
            memcpy(at, prefix, strlen(prefix) + 1); /* from the start next time */
            break;
        }
        memcpy(at, key, sizeof key);
        if (len < sizeof stored_s)
            continue;
        memcpy(&stored_s, data, sizeof stored_s);
        if (stored_s < now_s - age_s && kv_del(t, key, &e))
            break;
    }
    if (kv_commit(t, &e))
        memcpy(at, prefix, strlen(prefix) + 1);
}

/* ---- a share of the file ---- */

struct tally {
    size_t count, bytes;
    char oldest[KV_KEY_MAX + 1]; /* of those that may go; "": none may */
};

static struct tally count(struct kv_txn *t, const struct host_cache_share *share, int64_t now_s) {
    char at[KV_KEY_MAX + 1], next[KV_KEY_MAX + 1];
    int64_t stored_s, oldest_s = INT64_MAX;
    struct tally tally = {0};
    const void *data;
    size_t len;

    (void)snprintf(at, sizeof at, "%s", share->prefix);
    while (kv_next(t, at, next, &data, &len) &&
           !strncmp(next, share->prefix, strlen(share->prefix))) {
        memcpy(at, next, sizeof at);
        if (len < sizeof stored_s)
            continue;
        tally.count++;
        tally.bytes += len;
        memcpy(&stored_s, data, sizeof stored_s);
        if (stored_s >= oldest_s ||
            (share->must_stay &&
             share->must_stay((const char *)data + sizeof stored_s, len - sizeof stored_s, now_s)))
            continue;
        oldest_s = stored_s;
        memcpy(tally.oldest, next, sizeof next);
    }
    return tally;
}

static bool is_over(const struct tally *tally, const struct host_cache_share *share) {
    return (tally->count > share->most || tally->bytes > share->bytes) && *tally->oldest;
}

enum rc host_cache_trim(struct host_cache *h, const struct host_cache_share *share, int64_t now_s,
                        struct err *e) {
    struct tally tally;
    struct kv_txn *t;

    if (kv_begin(h->kv, false, &t, e)) /* mostly there is nothing to delete, and no lock needed */
        return e->code;
    tally = count(t, share, now_s);
    kv_abort(t);
    if (!is_over(&tally, share))
        return OK;
    if (kv_begin(h->kv, true, &t, e))
        return e->code;
    for (tally = count(t, share, now_s); is_over(&tally, share); tally = count(t, share, now_s))
        if (kv_del(t, tally.oldest, e))
            break;
    return kv_commit(t, e);
}

/* ---- turns ---- */

/* The last turn was less than every_s ago: ERR_EXISTS. A turn in the future (the clock was set
 * back) does not count. */
static enum rc check_turn(struct kv_txn *t, const char *key, int64_t every_s, int64_t now_s,
                          struct err *e) {
    const void *data;
    size_t len;
    int64_t last;
    enum rc rc = kv_get(t, key, &data, &len, e);

    if (rc || len != sizeof last)
        return rc == ERR_MISSING ? OK : rc;
    memcpy(&last, data, sizeof last);
    if (last <= now_s && last > now_s - every_s)
        return err_set(e, ERR_EXISTS, "another worker had the turn");
    return OK;
}

enum rc host_cache_take_turn(struct host_cache *h, const char *key, int64_t every_s, int64_t now_s,
                             struct err *e) {
    char full[KV_KEY_MAX + 1] = TURN_PREFIX;
    struct kv_txn *t;

    if (strlen(key) > KV_KEY_MAX - strlen(TURN_PREFIX))
        return err_set(e, ERR_STORE, "too long for the host cache");
    memcpy(full + strlen(TURN_PREFIX), key, strlen(key) + 1);
    if (kv_begin(h->kv, true, &t, e))
        return e->code;
    if (check_turn(t, full, every_s, now_s, e) || kv_put(t, full, &now_s, sizeof now_s, false, e)) {
        kv_abort(t);
        return e->code;
    }
    return kv_commit(t, e);
}
