/* What is sealed and comes back, or lies in the host's files. By its first byte an input is a text
 * that somebody sends as sealed (t); what a sealed value holds, such as one of another version: of
 * a login (l), a refresh token (r), a registered client (c), an MCP session (s), a state of a
 * program (p), remembered consents (m); or a record of the cache (h), of the session store
 * (d), a task (k), or the journal of a stream (j). */
#include "exec/input_required.h"
#include "exec/tasks.h"
#include "input.h"
#include "mcp/call.h"
#include "mcp/session.h"
#include "oauth/browser.h"
#include "oauth/client_metadata.h"
#include "oauth/clients.h"
#include "oauth/login.h"
#include "oauth/refresh.h"
#include "oauth/site.h"
#include "site.h"
#include "standalone.h"

/* For the records in the files beneath. */
#include "shared/lmdb.h"
#include "shared/replay_log.h"
#include "shared/single_flight.h"
#include "store/sessions_lmdb.c"

#define KEY "k"
#define CONSENTS_BYTES 384 /* entries of a hash and a time */
#define COOKIE_OF_CONSENTS "HTTP_COOKIE=__Host-mcp-authd-consent="

/* A stranger's text never opens; a sealed one does, and not with one bit changed. */
static void try_text(struct site *site, struct arena *a, const char *text, size_t len) {
    static const uint8_t key[SEAL_KEY_LEN] = {1};
    const struct seal_binding bound = {
        .keys = site->seal, .purpose = "session", .associated = "bound"};
    const struct seal_binding by_key = {.key = key, .purpose = "session", .associated = "bound"};
    const struct seal_binding right = {
        .keys = site->seal, .purpose = "session", .associated = text};
    const struct seal_binding other = {.keys = site->seal, .purpose = "client", .associated = text};
    struct plaintext out;
    char *sealed;
    size_t at;
    struct err e = {0};

    MUST(seal_open(a, &bound, text, &out, &e) == ERR_REFUSED);
    MUST(seal_open(a, &by_key, text, &out, &e) == ERR_REFUSED);
    MUST(!strcmp(e.text, "not sealed by this server"));
    sealed = seal(a, &right, text, len);
    MUST(!seal_open(a, &right, sealed, &out, &e));
    MUST(out.len == len && !memcmp(out.data, text, len) && !out.data[len]);
    MUST(seal_open(a, &other, sealed, &out, &e) == ERR_REFUSED);
    at = len % strlen(sealed);
    sealed[at] = sealed[at] == 'A' ? 'B' : 'A';
    MUST(seal_open(a, &right, sealed, &out, &e) == ERR_REFUSED);
}

static void try_login(struct site *site, struct arena *a, const char *text, size_t len) {
    const char *sealed = site_seal(a, site, "consent", "b", text, len);
    struct login login;
    struct err e = {0};

    if (login_open(site, a, &(struct sealed_login){"consent", "b", sealed}, &login, &e)) {
        MUST(e.code == ERR_INVALID_REQUEST && *e.text);
        return;
    }
    MUST(login.expires_s > NOW_S);
    MUST(login.client_id && login.redirect_uri && login.state && login.code_challenge);
    MUST(login.scope && login.resource && login.verifier && login.must_authenticate);
    (void)login_answer_uri(site, a, &login, &(struct login_answer){.code = "code"});
}

static void try_refresh(struct site *site, struct arena *a, const char *text, size_t len) {
    const char *sealed = site_seal(a, site, "refresh", "c", text, len);
    struct refresh_token t = {.client_id = "c", .sealed = sealed};
    struct err e = {0};

    if (refresh_open(site, a, &t, &e))
        MUST(e.code == ERR_INVALID_GRANT && *e.text);
    else
        MUST(t.grant.token && t.grant.scope && t.grant.resource && t.grant.must_authenticate);
    t.client_id = "d";
    MUST(refresh_open(site, a, &t, &e) == ERR_INVALID_GRANT);
}

static void try_client(struct site *site, struct arena *a, const char *text, size_t len) {
    const char *id = arena_printf(a, "dyn.%s", site_seal(a, site, "client", "", text, len));
    struct client client;
    struct err e = {0};

    if (client_dynamic_open(site, a, id, &client, &e)) {
        MUST(e.code == ERR_INVALID_CLIENT);
        return;
    }
    MUST(client.name && client.redirect_uri_count <= REDIRECT_URIS_MAX);
    for (unsigned i = 0; i < client.redirect_uri_count; i++)
        MUST(redirect_uri_is_acceptable(site->config, a, client.redirect_uris[i]));
}

static const struct token_claims claims = {
    .sub = "user-1", .username = "alice", .client_id = "app-1", .scope = "", .jti = "j"};

static struct mcp_call a_call(struct exchange *x) {
    reply_init(x->rp, x->rq->arena);
    return (struct mcp_call){.x = x,
                             .arena = x->rq->arena,
                             .client.claims = &claims,
                             .msg.protocol = PROTOCOL_STATELESS};
}

static void try_session(struct site *site, struct arena *a, const char *text, size_t len) {
    char *const params[] = {arena_printf(a, "HTTP_MCP_SESSION_ID=%s",
                                         site_seal(a, site, "mcp-session", claims.sub, text, len)),
                            NULL};
    const struct request rq = {.arena = a, .id = "id", .params = params};
    struct reply rp;
    struct exchange x = {site, &rq, &rp};
    struct mcp_call c = a_call(&x);
    struct err e = {0};

    if (mcp_session_find(&c, &e))
        MUST(e.code == ERR_NOT_FOUND && *e.text);
    else
        MUST(c.client.session && json_is_object(c.client.session->stored));
}

static void try_state(struct site *site, struct arena *a, const char *text, size_t len) {
    const struct request rq = {.arena = a, .id = "id", .params = NULL};
    struct reply rp;
    struct exchange x = {site, &rq, &rp};
    struct mcp_call c = a_call(&x);
    struct input_required rounds = {.name = "n"};
    const char *bound = arena_printf(a, "%s\n%s\nn\n%s", claims.sub, claims.client_id,
                                     /* SHA-256 of "null" */
                                     "74234e98afe7498fb5daf1f36ac2d78acc339464f950703b8c019892f982b"
                                     "90b");
    struct err e = {0};

    c.msg.params = json_new_object(a);
    json_put_str(c.msg.params, "requestState",
                 site_seal(a, site, "mcp-request-state", bound, text, len));
    if (input_required_read(&c, &rounds, &e))
        MUST(e.code == ERR_RPC_INVALID_PARAMS && *e.text);
}

static void try_consents(struct site *site, struct arena *a, const char *text, size_t len) {
    char *const params[] = {
        arena_printf(a, COOKIE_OF_CONSENTS "%s", site_seal(a, site, "remembered", "b", text, len)),
        NULL};
    const struct request rq = {.arena = a, .params = params};
    const struct login login = {.client_id = "c",
                                .redirect_uri = "https://client.example/cb",
                                .resource = "r",
                                .scope = "s"};
    struct reply rp;
    struct exchange x = {site, &rq, &rp};

    reply_init(&rp, a);
    if (consent_cookie_has(&x, "b", &login))
        MUST(len == CONSENTS_BYTES); /* and its hash was in them: libFuzzer sees what is compared */
    consent_cookie_set(&x, "b", &login, true);
    MUST(rp.header_count);
}

/* ---- files ---- */

static void put_record(struct lmdb *db, const char *key, const void *data, size_t len) {
    struct err e;

    MUST(!lmdb_begin(db, true, &e));
    MUST(!lmdb_put(db, key, data, len, &e));
    MUST(!lmdb_commit(db, &e));
}

/* The file beneath a cache, which is its first member. */
static struct lmdb *file_of(struct cache *c) {
    struct lmdb *db;

    memcpy(&db, c, sizeof db);
    return db;
}

static bool finds_nothing(void *arg) {
    (void)arg;
    return false;
}

/* Records as they lie in the file, and values in records that are good. */
static void try_cache(struct site *site, struct arena *a, const char *text, size_t len) {
    static const char *const keys[] = {KEY, KEY ":1", "lease:" KEY, TASK_KEY_PREFIX KEY};
    const struct cache_entry value = {.value = text, .len = len, .ttl_s = 10};
    struct cache *c = site->cache;
    struct cache_entry found;
    const struct request rq = {.arena = a, .id = "id", .params = NULL};
    struct reply rp;
    struct exchange x = {site, &rq, &rp};
    struct mcp_call call = a_call(&x);
    struct single_flight flight = {.cache = c, .name = KEY, .lease_s = 1, .find = finds_nothing};
    struct task task;
    struct err e;

    for (int raw = 1; raw >= 0; raw--) {
        for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
            if (raw)
                put_record(file_of(c), keys[i], text, len);
            else
                MUST(!cache_set(c, keys[i], &value, 0, &e));
        if (!cache_get(c, a, KEY, &found, &e))
            MUST(found.len <= len && (raw || !memcmp(found.value, text, len)));
        else
            MUST(raw);
        if (single_flight_begin(&flight, &e) == FLIGHT_LEADS)
            single_flight_end(&flight);
        if (!task_read_for_caller(&call, KEY, &task, &e))
            MUST(json_is_object(task.record));
        cache_sweep(c);
        MUST(!cache_set(c, KEY ":2", &value, 2, &e));
        MUST(!cache_get(c, a, KEY ":2", &found, &e) && found.len == len);
    }
}

static void try_task(struct site *site, struct arena *a, const char *text, size_t len) {
    struct task_record r = {.id = random_text(a, 16), .ttl = NOW_S + 10};
    const struct request rq = {.arena = a, .id = "id", .params = NULL};
    struct reply rp;
    struct exchange x = {site, &rq, &rp};
    struct mcp_call c = a_call(&x);
    struct task task;
    struct err e;

    r.sealed = site_seal(a, site, "task", r.id, text, len);
    MUST(!task_store_write(site->mcp->tasks, &r, &e));
    if (!task_read_for_caller(&c, r.id, &task, &e))
        (void)task_view(&task, true);
    else
        MUST(e.code == ERR_RPC_INVALID_PARAMS || e.code == ERR_STORE);
}

/* The record as it lies in the file, and the value of one that is good. */
static void try_store(struct site *site, struct arena *a, const char *text, size_t len) {
    const struct cache_entry value = {.value = text, .len = len, .ttl_s = 10};
    struct session s, want = {.id = KEY, .browser = "b", .grant = "g", .attempt = "x"};
    struct session_store *store = site->oauth->sessions;
    struct cache *cache = lmdb_of(store)->cache;
    struct err e;

    want.ttl = NOW_S + 10;
    for (int raw = len > 0; raw >= 0; raw--) {
        if (raw)
            put_record(file_of(cache), KEY, text, len);
        else
            MUST(!cache_set(cache, KEY, &value, 0, &e));
        if (!session_store_get(store, a, KEY, &s, &e))
            MUST(s.browser && s.login && s.grant && s.attempt && s.ttl > NOW_S);
        else
            MUST(e.code == ERR_MISSING || e.code == ERR_STORE);
        (void)!session_store_authorize(store, a, &want, &s, &e);
        (void)!session_store_delete(store, a, KEY, &e);
        session_store_sweep(store);
    }
}

static void try_journal(struct arena *a, const char *text, size_t len) {
    const char *dir = fuzz_path(a, "journals");
    struct replay_log *j;
    char *back = arena_alloc(a, len + 1);
    size_t got = 0, n;
    struct err e;

    (void)mkdir(dir, 0700);
    fuzz_write(arena_printf(a, "%s/j", dir), text, len, 0600); /* damaged, or of an older version */
    MUST(!replay_log_open(dir, "j", &j, &e));
    while ((n = replay_log_read(j, got, back + got, len + 1 - got)))
        got += n;
    MUST(got < len || !len);
    replay_log_close(j);
    (void)unlink(arena_printf(a, "%s/j", dir));
    MUST(!replay_log_create(dir, "j", NOW_S, &j, &e) && !replay_log_add(j, text, len, &e));
    replay_log_close(j);
    MUST(!replay_log_open(dir, "j", &j, &e));
    for (got = 0; (n = replay_log_read(j, got, back + got, len + 1 - got));)
        got += n;
    MUST(got == len && !memcmp(back, text, len) && replay_log_has_ended(j));
    replay_log_close(j);
    if (!replay_log_open(dir, text, &j, &e)) /* as a name that somebody sends */
        replay_log_close(j);
    else
        MUST(e.code == ERR_MISSING);
    MUST(strchr(text, '/') == NULL || e.code == ERR_MISSING);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct site *site = site_of(site_app());
    struct arena *a;
    const char *text;

    if (!size || size > 16384)
        return 0;
    a = arena_new(ARENA_BYTES);
    text = arena_strndup(a, (const char *)data + 1, size - 1);
    switch (*data) {
    case 't':
        try_text(site, a, text, strlen(text));
        break;
    case 'l':
        try_login(site, a, text, size - 1);
        break;
    case 'r':
        try_refresh(site, a, text, size - 1);
        break;
    case 'c':
        try_client(site, a, text, size - 1);
        break;
    case 's':
        try_session(site, a, text, size - 1);
        break;
    case 'p':
        try_state(site, a, text, size - 1);
        break;
    case 'm':
        try_consents(site, a, text, size - 1);
        break;
    case 'k':
        try_task(site, a, text, size - 1);
        break;
    case 'h':
        try_cache(site, a, text, size - 1);
        break;
    case 'd':
        try_store(site, a, text, size - 1);
        break;
    case 'j':
        try_journal(a, text, size - 1);
        break;
    default:
        break;
    }
    arena_free(a);
    return 0;
}
