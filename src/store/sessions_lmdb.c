/* Sessions in an LMDB file. A record is its ttl (8 bytes, so that the sweep need not parse) and a
 * JSON object with a version, as the DynamoDB items have. */

#include "base/base.h"
#include "base/json.h"
#include "shared/kv.h"
#include "store/store.h"

#define FILE_BYTES_MAX (256UL << 20) /* address space, not memory; about 50,000 logins at once */
#define SWEEP_LOOK 64                /* records looked at in one step of a sweep, */
#define SWEEP_STEPS 32               /* of which there are more while half of them have expired */
#define ARENA_BYTES_MAX (1 << 20)
#define EVICTED 256 /* logins that go at once when the file is full */
#define HEAD_MAX 32 /* bytes in which a record says its version and state */

struct lmdb_store {
    struct store base;
    struct kv *kv;
    struct kv_txn *txn; /* of the operation that is carried out */
    struct arena *scratch;
    char sweep_at[KV_KEY_MAX + 1]; /* where the last sweep stopped; "" at the start */
};

static struct lmdb_store *self(struct store *s) {
    return (struct lmdb_store *)(void *)s;
}

static void encode(struct arena *a, const struct session *in, const void **data, size_t *len) {
    struct json *o = json_new_object(a);
    size_t text_len;
    const char *text;
    char *out;

    json_put_int(o, "v", SESSION_RECORD_VERSION);
    json_put_int(o, "state", in->state);
    json_put_str(o, "browser", in->browser);
    json_put_str(o, "login", in->login);
    json_put_str(o, "grant", in->grant);
    json_put_str(o, "attempt", in->attempt);
    text = json_text(a, o, &text_len);
    out = arena_alloc(a, sizeof in->ttl + text_len);
    memcpy(out, &in->ttl, sizeof in->ttl);
    memcpy(out + sizeof in->ttl, text, text_len);
    *data = out;
    *len = sizeof in->ttl + text_len;
}

static int64_t ttl_of(const void *data, size_t len) {
    int64_t ttl = 0;

    if (len > sizeof ttl)
        memcpy(&ttl, data, sizeof ttl);
    return ttl;
}

static enum rc decode(struct arena *a, const char *json, size_t len, struct session *out,
                      struct err *e) {
    struct json *o;
    int64_t version, state;

    if (json_parse(a, json, len, &o, e) || !json_get_int(o, "v", &version) ||
        version < SESSION_RECORD_VERSION_OLDEST || version > SESSION_RECORD_VERSION ||
        !json_get_int(o, "state", &state) || !json_get_str(o, "browser") ||
        !json_get_str(o, "login") || !json_get_str(o, "grant")) {
        (void)err_set(e, ERR_STORE, "the session store is not available");
        err_detail(e, "a session record is damaged or of another version");
        return e->code;
    }
    out->state = (enum session_state)state;
    out->browser = json_get_str(o, "browser");
    out->login = json_get_str(o, "login");
    out->grant = json_get_str(o, "grant");
    out->attempt = json_get_str(o, "attempt") ? json_get_str(o, "attempt") : "";
    return OK;
}

/* Reads the record in the transaction. One that has expired does not exist. */
static enum rc find(const struct lmdb_store *l, struct arena *a, const char *id,
                    struct session *out, struct err *e) {
    const void *data;
    size_t len;

    if (kv_get(l->txn, id, &data, &len, e))
        return e->code;
    out->id = arena_strdup(a, id);
    out->ttl = ttl_of(data, len);
    if (out->ttl <= clock_now_s(l->base.clock))
        return err_set(e, ERR_MISSING, "the login has expired");
    return decode(a, (const char *)data + sizeof out->ttl, len - sizeof out->ttl, out, e);
}

/* Of a record as encode() writes it: asked for each of many, it must not be parsed. */
static bool is_pending(const void *data, size_t len) {
    static const char mark[] = "\"state\":1,";
    const char *text = (const char *)data + sizeof(int64_t);
    size_t n = len > sizeof(int64_t) ? len - sizeof(int64_t) : 0;

    return memmem(text, n < HEAD_MAX ? n : HEAD_MAX, mark, sizeof mark - 1);
}

struct pending {
    int64_t ttl;
    char key[KV_KEY_MAX + 1];
};

/* The oldest that were begun and are not back from the identity provider; how many. */
static size_t find_oldest(struct lmdb_store *l, struct pending found[EVICTED]) {
    char key[KV_KEY_MAX + 1] = "";
    size_t count = 0, youngest = 0, len;
    const void *data;
    struct kv_txn *t;
    struct err e;

    if (kv_begin(l->kv, false, &t, &e))
        return 0;
    while (kv_next(t, key, key, &data, &len)) {
        if (!is_pending(data, len) ||
            (count == EVICTED && ttl_of(data, len) >= found[youngest].ttl))
            continue;
        if (count < EVICTED)
            youngest = count++;
        found[youngest].ttl = ttl_of(data, len);
        memcpy(found[youngest].key, key, sizeof key);
        for (size_t i = 0; i < count; i++)
            if (found[i].ttl > found[youngest].ttl)
                youngest = i;
    }
    kv_abort(t);
    return count;
}

/* Who begins logins in order to fill the file pushes out what was begun so, and no login that has
 * come back from the identity provider. */
static bool make_room(struct lmdb_store *l) {
    struct pending *oldest = xcalloc(EVICTED, sizeof *oldest);
    size_t count = find_oldest(l, oldest), evicted = 0, len;
    const void *data;
    struct kv_txn *t;
    struct err e;

    if (count && !kv_begin(l->kv, true, &t, &e)) {
        for (size_t i = 0; i < count; i++)
            evicted += !kv_get(t, oldest[i].key, &data, &len, &e) && is_pending(data, len) &&
                       !kv_del(t, oldest[i].key, &e);
        if (kv_commit(t, &e))
            evicted = 0;
    }
    free(oldest);
    log_warn("logins_evicted", kvn("logins", (int64_t)evicted));
    return evicted > 0;
}

static enum rc put_once(struct lmdb_store *l, const struct session *in, bool *full, struct err *e) {
    struct kv_txn *t;
    const void *data;
    size_t len;
    enum rc rc = kv_begin(l->kv, true, &t, e);

    *full = false;
    if (rc)
        return rc;
    encode(l->scratch, in, &data, &len);
    rc = kv_add(t, in->id, data, len, e);
    if (rc) {
        *full = rc != ERR_EXISTS && kv_is_full(t);
        kv_abort(t);
    } else {
        rc = kv_commit(t, e);
    }
    arena_reset(l->scratch);
    return rc;
}

static enum rc session_put(struct store *s, const struct session *in, struct err *e) {
    struct lmdb_store *l = self(s);
    bool full;
    enum rc rc = put_once(l, in, &full, e);

    return full && make_room(l) ? put_once(l, in, &full, e) : rc;
}

static enum rc authorize_in(struct lmdb_store *l, struct arena *a, const struct session *want,
                            struct session *out, struct err *e) {
    const void *data;
    size_t len;

    if (find(l, a, want->id, out, e))
        return e->code == ERR_MISSING ? err_set(e, ERR_CONFLICT, "the login is over") : e->code;
    if (strcmp(out->browser, want->browser) != 0 ||
        (out->state != SESSION_PENDING &&
         (!*want->attempt || strcmp(out->attempt, want->attempt) != 0)))
        return err_set(e, ERR_CONFLICT, "the login is over or another browser's");
    out->state = SESSION_AUTHORIZED;
    out->grant = want->grant;
    out->attempt = want->attempt;
    out->ttl = want->ttl;
    encode(l->scratch, out, &data, &len);
    return kv_put(l->txn, want->id, data, len, e);
}

static enum rc finish(const struct lmdb_store *l, enum rc rc, struct err *e) {
    if (!rc)
        return kv_commit(l->txn, e);
    kv_abort(l->txn);
    return rc;
}

static enum rc session_authorize(struct store *s, struct arena *a, const struct session *want,
                                 struct session *out, struct err *e) {
    struct lmdb_store *l = self(s);
    enum rc rc;

    if (kv_begin(l->kv, true, &l->txn, e))
        return e->code;
    rc = finish(l, authorize_in(l, a, want, out, e), e);
    arena_reset(l->scratch);
    return rc;
}

static enum rc session_get(struct store *s, struct arena *a, const char *id, struct session *out,
                           struct err *e) {
    struct lmdb_store *l = self(s);
    enum rc rc;

    if (kv_begin(l->kv, false, &l->txn, e))
        return e->code;
    rc = find(l, a, id, out, e);
    kv_abort(l->txn);
    return rc;
}

static enum rc delete_in(const struct lmdb_store *l, struct arena *a, const char *id,
                         struct session *out, struct err *e) {
    if (find(l, a, id, out, e))
        return e->code == ERR_MISSING ? err_set(e, ERR_CONFLICT, "the login is over") : e->code;
    if (out->state != SESSION_AUTHORIZED)
        return err_set(e, ERR_CONFLICT, "the login is not complete");
    return kv_del(l->txn, id, e);
}

static enum rc session_delete(struct store *s, struct arena *a, const char *id, struct session *out,
                              struct err *e) {
    struct lmdb_store *l = self(s);

    if (kv_begin(l->kv, true, &l->txn, e))
        return e->code;
    return finish(l, delete_in(l, a, id, out, e), e);
}

/* Looks at the next SWEEP_LOOK records; returns how many expired keys it found. */
static unsigned find_expired(struct lmdb_store *l, int64_t now_s,
                             char keys[SWEEP_LOOK][KV_KEY_MAX + 1]) {
    struct kv_txn *t;
    struct err e;
    unsigned found = 0;

    if (kv_begin(l->kv, false, &t, &e))
        return 0;
    for (int i = 0; i < SWEEP_LOOK; i++) {
        char key[KV_KEY_MAX + 1];
        const void *data;
        size_t len;

        if (!kv_next(t, l->sweep_at, key, &data, &len)) {
            l->sweep_at[0] = 0;
            break;
        }
        memcpy(l->sweep_at, key, sizeof key);
        if (ttl_of(data, len) <= now_s)
            memcpy(keys[found++], key, sizeof key);
    }
    kv_abort(t);
    return found;
}

static void delete_expired(struct lmdb_store *l, int64_t now_s, unsigned found,
                           char keys[SWEEP_LOOK][KV_KEY_MAX + 1]) {
    struct kv_txn *t;
    struct err e;

    if (kv_begin(l->kv, true, &t, &e))
        return;
    for (unsigned i = 0; i < found; i++) {
        const void *data;
        size_t len;

        /* Looked at again: the record may have been replaced since. */
        if (!kv_get(t, keys[i], &data, &len, &e) && ttl_of(data, len) <= now_s &&
            kv_del(t, keys[i], &e)) {
            kv_abort(t);
            return;
        }
    }
    if (kv_commit(t, &e))
        return; /* the next sweep tries again */
}

/* Somebody who leaves many logins unfinished must not fill the file faster than it is swept. */
static void sweep(struct store *s) {
    struct lmdb_store *l = self(s);
    int64_t now_s = clock_now_s(s->clock);
    char keys[SWEEP_LOOK][KV_KEY_MAX + 1];

    kv_forget_dead_readers(l->kv);
    for (int i = 0; i < SWEEP_STEPS; i++) {
        unsigned found = find_expired(l, now_s, keys);

        if (found)
            delete_expired(l, now_s, found, keys);
        if (found < SWEEP_LOOK / 2)
            break;
    }
}

static void lmdb_close(struct store *s) {
    struct lmdb_store *l = self(s);

    kv_close(l->kv);
    arena_free(l->scratch);
    free(l);
}

enum rc store_lmdb_open(const char *dir, unsigned workers, const struct clock *clock,
                        struct store **out, struct err *e) {
    static const struct store_ops ops = {
        session_put, session_authorize, session_get, session_delete, sweep, lmdb_close};
    struct lmdb_store *l = xcalloc(1, sizeof *l);

    l->base = (struct store){&ops, clock};
    l->scratch = arena_new(ARENA_BYTES_MAX);
    *out = &l->base;
    return kv_open(dir, FILE_BYTES_MAX, workers, &l->kv, e);
}
