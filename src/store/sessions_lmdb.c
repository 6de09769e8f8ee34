/* Private part of store.h: sessions in a cache of their own. The value is a JSON object with a
 * version, as the DynamoDB items have. */

#include "base/base.h"
#include "base/json.h"
#include "shared/cache.h"
#include "store/store.h"

#define ARENA_BYTES_MAX (1 << 20)
#define HEAD_MAX 32 /* a record has its version and state within its first bytes */
#define TRIES 8     /* while other workers change the same session */

struct lmdb_store {
    struct store base;
    struct cache *cache;
    struct arena *scratch; /* for operations that get no arena */
};

static struct lmdb_store *self(struct store *s) {
    return (struct lmdb_store *)(void *)s;
}

static struct cache_entry encode(const struct store *s, struct arena *a, const struct session *in) {
    struct cache_entry entry = {.ttl_s = in->ttl - clock_now_s(s->clock)};
    struct json *o = json_new_object(a);

    json_put_int(o, "v", SESSION_RECORD_VERSION);
    json_put_int(o, "state", in->state);
    json_put_str(o, "browser", in->browser);
    json_put_str(o, "login", in->login);
    json_put_str(o, "grant", in->grant);
    json_put_str(o, "attempt", in->attempt);
    entry.value = json_text(a, o, &entry.len);
    return entry;
}

static enum rc decode(struct arena *a, const struct cache_entry *entry, struct session *out,
                      struct err *e) {
    struct json *o;
    int64_t version, state;

    if (json_parse(a, entry->value, entry->len, &o, e) || !json_get_int(o, "v", &version) ||
        version < SESSION_RECORD_VERSION_OLDEST || version > SESSION_RECORD_VERSION ||
        !json_get_int(o, "state", &state) || !json_get_str(o, "browser") ||
        !json_get_str(o, "login") || !json_get_str(o, "grant")) {
        (void)err_set(e, ERR_STORE, "the session store is not available");
        err_detail(e, "a session record is damaged or of another version");
        return e->code;
    }
    out->ttl = entry->stored_s + entry->ttl_s;
    out->state = (enum session_state)state;
    out->browser = json_get_str(o, "browser");
    out->login = json_get_str(o, "login");
    out->grant = json_get_str(o, "grant");
    out->attempt = json_get_str(o, "attempt") ? json_get_str(o, "attempt") : "";
    return OK;
}

/* The session out->id, and the entry that it was read from. */
static enum rc read_session(struct store *s, struct arena *a, struct cache_entry *entry,
                            struct session *out, struct err *e) {
    if (cache_get(self(s)->cache, a, out->id, entry, e))
        return e->code;
    return decode(a, entry, out, e);
}

/* `value` is as encode() writes it. It is not parsed, since this is called for every entry. */
static bool is_authorized(const void *value, size_t len, int64_t now_s) {
    static const char mark[] = "\"state\":1,";

    (void)now_s;
    return !memmem(value, len < HEAD_MAX ? len : HEAD_MAX, mark, sizeof mark - 1);
}

/* If somebody begins many logins in order to fill the file, only pending logins are removed, and
 * none that has come back from the identity provider. */
static bool make_room(struct cache *c) {
    size_t evicted = cache_evict_if_full(c, is_authorized);

    if (evicted)
        log_warn("logins_evicted", kvn("logins", (int64_t)evicted));
    return evicted;
}

static enum rc session_put(struct store *s, const struct session *in, struct err *e) {
    struct lmdb_store *l = self(s);
    const struct cache_entry entry = encode(s, l->scratch, in);
    enum rc rc = cache_add(l->cache, in->id, &entry, 0, e);

    if (rc == ERR_STORE && make_room(l->cache))
        rc = cache_add(l->cache, in->id, &entry, 0, e);
    arena_reset(l->scratch);
    return rc;
}

static enum rc session_authorize(struct store *s, struct arena *a, const struct session *want,
                                 struct session *out, struct err *e) {
    enum rc rc = ERR_CONFLICT;

    out->id = arena_strdup(a, want->id);
    for (int i = 0; i < TRIES && rc == ERR_CONFLICT; i++) {
        struct cache_entry old, new;

        rc = read_session(s, a, &old, out, e);
        if (rc)
            return rc == ERR_MISSING ? err_set(e, ERR_CONFLICT, "the login is over") : rc;
        if (strcmp(out->browser, want->browser) != 0 ||
            (out->state != SESSION_PENDING &&
             (!*want->attempt || strcmp(out->attempt, want->attempt) != 0)))
            return err_set(e, ERR_CONFLICT, "the login is over or another browser's");
        out->state = SESSION_AUTHORIZED;
        out->grant = want->grant;
        out->attempt = want->attempt;
        out->ttl = want->ttl;
        new = encode(s, a, out);
        rc = cache_swap(self(s)->cache, want->id, &old, &new, e);
    }
    return rc;
}

static enum rc session_get(struct store *s, struct arena *a, const char *id, struct session *out,
                           struct err *e) {
    struct cache_entry entry;

    out->id = arena_strdup(a, id);
    return read_session(s, a, &entry, out, e);
}

static enum rc session_delete(struct store *s, struct arena *a, const char *id, struct session *out,
                              struct err *e) {
    enum rc rc = ERR_CONFLICT;

    out->id = arena_strdup(a, id);
    for (int i = 0; i < TRIES && rc == ERR_CONFLICT; i++) {
        struct cache_entry old;

        rc = read_session(s, a, &old, out, e);
        if (rc)
            return rc == ERR_MISSING ? err_set(e, ERR_CONFLICT, "the login is over") : rc;
        if (out->state != SESSION_AUTHORIZED)
            return err_set(e, ERR_CONFLICT, "the login is not complete");
        rc = cache_delete_if(self(s)->cache, id, &old, e);
    }
    return rc;
}

static void sweep(struct store *s) {
    cache_sweep(self(s)->cache);
}

static void lmdb_close(struct store *s) {
    cache_close(self(s)->cache);
    arena_free(self(s)->scratch);
    free(self(s));
}

enum rc store_lmdb_open(const char *dir, unsigned workers, const struct clock *clock,
                        struct store **out, struct err *e) {
    static const struct store_ops ops = {
        session_put, session_authorize, session_get, session_delete, sweep, lmdb_close};
    struct lmdb_store *l = xcalloc(1, sizeof *l);

    l->base = (struct store){&ops, clock};
    l->scratch = arena_new(ARENA_BYTES_MAX);
    *out = &l->base;
    return cache_open(dir, workers, clock, &l->cache, e);
}
