/* Private part of sessions.h: sessions in a cache of their own. The value is a JSON object with a
 * version, as the DynamoDB items have.
 *
 * A session that is deleted is only marked as ended, and its record expires soon, so that /token
 * does not wait for the disk. If a power failure takes the mark, there is a session again whose
 * code of the identity provider is used up. */

#include "base/json.h"
#include "shared/cache.h"
#include "shared/marks.h"
#include "store/sessions.h"
#include "store/stores.h"

#define ARENA_BYTES_MAX (1 << 20)
#define STATE_POSITION_MAX 32 /* a record's version and state end within its first bytes */
#define TRIES 8               /* while other workers change the same session */

struct lmdb_sessions {
    struct session_store base;
    struct cache *cache;
    struct marks *ended;   /* by id */
    struct arena *scratch; /* for operations that get no arena */
};

static struct lmdb_sessions *lmdb_of(struct session_store *s) {
    return (struct lmdb_sessions *)(void *)s;
}

static struct cache_entry encode(const struct session_store *s, struct arena *a,
                                 const struct session *in) {
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
        return err_detail(e, "a session record is damaged or of another version");
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
static enum rc read_session(struct session_store *s, struct arena *a, struct cache_entry *entry,
                            struct session *out, struct err *e) {
    if (cache_get(lmdb_of(s)->cache, a, out->id, entry, e))
        return e->code;
    if (marks_has(lmdb_of(s)->ended, out->id, clock_now_s(s->clock)))
        return err_set(e, ERR_MISSING, "the session has ended");
    return decode(a, entry, out, e);
}

/* `value` is as encode() writes it. It is not parsed, since this is called for every entry. */
static bool is_authorized(const void *value, size_t len, int64_t now_s) {
    static const char mark[] = "\"state\":1,";

    (void)now_s;
    return !memmem(value, len < STATE_POSITION_MAX ? len : STATE_POSITION_MAX, mark,
                   sizeof mark - 1);
}

/* If somebody begins many logins in order to fill the file, only pending logins are removed, and
 * none that has come back from the identity provider. */
static bool make_room(struct cache *c) {
    size_t evicted = cache_evict_if_full(c, is_authorized);

    if (evicted)
        log_warn("logins_evicted", kvn("logins", (int64_t)evicted));
    return evicted;
}

/* As if the record of a session that has ended were not there. */
static enum rc add(struct lmdb_sessions *l, const char *id, const struct cache_entry *entry,
                   struct err *e) {
    enum rc rc = cache_add(l->cache, id, entry, 0, e);

    if (rc != ERR_EXISTS || !marks_has(l->ended, id, clock_now_s(l->base.clock)))
        return rc;
    rc = cache_set(l->cache, id, entry, 0, e);
    if (!rc)
        marks_remove(l->ended, id, 0);
    return rc;
}

static enum rc put(struct session_store *s, const struct session *in, struct err *e) {
    struct lmdb_sessions *l = lmdb_of(s);
    const struct cache_entry entry = encode(s, l->scratch, in);
    enum rc rc = add(l, in->id, &entry, e);

    if (rc == ERR_STORE && make_room(l->cache))
        rc = add(l, in->id, &entry, e);
    arena_reset(l->scratch);
    return rc;
}

/* `old`: its record, which is deleted if it cannot be marked. */
static enum rc end_session(struct session_store *s, const struct session *ended,
                           const struct cache_entry *old, struct err *e) {
    enum rc rc = marks_add(lmdb_of(s)->ended, ended->id, ended->ttl, clock_now_s(s->clock), e);

    if (rc == ERR_STORE)
        return cache_swap(lmdb_of(s)->cache, ended->id, old, NULL, e);
    return rc ? err_set(e, ERR_CONFLICT, "the login is over") : OK;
}

/* Authorizes the session out->id if it is pending; if `want` is NULL, deletes it if it is
 * authorized. */
static enum rc change(struct session_store *s, struct arena *a, const struct session *want,
                      struct session *out, struct err *e) {
    enum rc rc = ERR_CONFLICT;

    for (int i = 0; i < TRIES && rc == ERR_CONFLICT; i++) {
        struct cache_entry old, new;

        rc = read_session(s, a, &old, out, e);
        if (rc)
            return rc == ERR_MISSING ? err_set(e, ERR_CONFLICT, "the login is over") : rc;
        if (!want && out->state != SESSION_AUTHORIZED)
            return err_set(e, ERR_CONFLICT, "the login is not complete");
        if (want && (strcmp(out->browser, want->browser) != 0 ||
                     (out->state != SESSION_PENDING &&
                      (!*want->attempt || strcmp(out->attempt, want->attempt) != 0))))
            return err_set(e, ERR_CONFLICT, "the login is over or another browser's");
        if (!want) {
            rc = end_session(s, out, &old, e);
            continue;
        }
        out->state = SESSION_AUTHORIZED;
        out->grant = want->grant;
        out->attempt = want->attempt;
        out->ttl = want->ttl;
        new = encode(s, a, out);
        rc = cache_swap(lmdb_of(s)->cache, out->id, &old, &new, e);
    }
    return rc;
}

static enum rc authorize(struct session_store *s, struct arena *a, const struct session *want,
                         struct session *out, struct err *e) {
    out->id = arena_strdup(a, want->id);
    return change(s, a, want, out, e);
}

static enum rc get(struct session_store *s, struct arena *a, const char *id, struct session *out,
                   struct err *e) {
    struct cache_entry entry;

    out->id = arena_strdup(a, id);
    return read_session(s, a, &entry, out, e);
}

static enum rc delete_session(struct session_store *s, struct arena *a, const char *id,
                              struct err *e) {
    struct session ended = {.id = id};

    return change(s, a, NULL, &ended, e);
}

static void sweep(struct session_store *s) {
    cache_sweep(lmdb_of(s)->cache);
}

static void close_store(struct session_store *s) {
    cache_close(lmdb_of(s)->cache);
    marks_close(lmdb_of(s)->ended);
    arena_free(lmdb_of(s)->scratch);
    free(lmdb_of(s));
}

static enum rc open_store(const struct store_options *o, struct session_store **out,
                          struct err *e) {
    struct lmdb_sessions *l = xcalloc(1, sizeof *l);
    const char *dir;
    enum rc rc;

    l->base = (struct session_store){&session_store_lmdb, o->clock};
    l->scratch = arena_new(ARENA_BYTES_MAX);
    *out = &l->base;
    dir = arena_printf(l->scratch, "%s/sessions", o->config->state_dir);
    rc = cache_open(dir, o->config->workers_max, o->clock, &l->cache, e);
    (void)!marks_open(arena_printf(l->scratch, "%s/ended", dir), &l->ended, ERR_IGNORED);
    return rc;
}

const struct session_store_ops session_store_lmdb = {NULL, open_store,     put,   authorize,
                                                     get,  delete_session, sweep, close_store};
