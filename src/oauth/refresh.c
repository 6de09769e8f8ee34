#include "oauth/refresh.h"

#include "crypto/digest.h"
#include "crypto/seal.h"
#include "shared/single_flight.h"

#define REFRESH_TOKEN_MAX 16384 /* bytes: the longest that refresh_seal makes of the provider's */
#define FAMILY_ID_BYTES 12
/* In the cache the families lie in 64 parts, by the first character of their ids, so that no more
 * than one part has to be counted: 8,192 and 16,384 in all. */
#define USED_MAX 128
#define USED_S (30 * 86400)
#define ENDED_MAX 256
#define ENDED_S (400 * 86400)
#define LATE_MIN_S 10 /* parallel refreshes take so long where none is given again */
#define LEASE_S 10    /* longer than a call of the provider can take */
#define WAIT_MS 7000  /* for another worker's call */
#define REPLAYS_MAX 4096
#define DEAD_TOKENS_MAX 8192
/* An answer is not given again when its access token is about to end. */
#define EXPIRES_IN_MIN_S 60

const char *refresh_seal(struct site *site, struct arena *a, const char *client_id,
                         const struct refresh_grant *grant) {
    struct json *o = json_new_object(a);

    json_put_str(o, "token", grant->token);
    json_put_str(o, "resource", grant->resource);
    json_put_str(o, "scope", grant->scope);
    if (*grant->asked)
        json_put_str(o, "asked", grant->asked);
    json_put_int(o, "login", grant->login_s);
    json_put_str(o, "family", grant->family);
    json_put_int(o, "generation", grant->generation);
    if (*grant->must_authenticate)
        json_put_str(o, "authenticates", grant->must_authenticate);
    return seal_json(
        a,
        &(struct seal_binding){.keys = site->seal, .purpose = "refresh", .associated = client_id},
        o);
}

enum rc refresh_open(struct site *site, struct arena *a, struct refresh_token *t, struct err *e) {
    const struct seal_binding binding = {
        .keys = site->seal, .purpose = "refresh", .associated = t->client_id};
    struct refresh_grant *out = &t->grant;
    struct json *o;

    if (strlen(t->sealed) > REFRESH_TOKEN_MAX || seal_open_json(a, &binding, t->sealed, &o, e) ||
        !(out->token = json_get_str(o, "token")) || !(out->scope = json_get_str(o, "scope")) ||
        !(out->resource = json_get_str(o, "resource")))
        return invalid_grant(e,
                             "the refresh token is not one of this server's, or another client's");
    out->login_s = out->generation = 0; /* these are not in those of earlier versions */
    (void)json_get_int(o, "login", &out->login_s);
    (void)json_get_int(o, "generation", &out->generation);
    out->family = json_get_str(o, "family") ? json_get_str(o, "family") : "";
    out->asked = json_get_str(o, "asked") ? json_get_str(o, "asked") : "";
    out->must_authenticate = json_get_str(o, "authenticates") ? "yes" : "";
    return OK;
}

/* The youngest that was used, and when that was first so. */
struct used {
    int64_t generation, at_s;
};

/* kind: "family" (struct used), or "ended". */
static const char *family_key(struct arena *a, const char *kind, const struct refresh_grant *g) {
    return arena_printf(a, "%s%c:%s", kind, *g->family, g->family);
}

static bool get_used(struct site *site, struct arena *a, const struct refresh_grant *g,
                     struct used *out) {
    struct cache_entry entry;

    if (cache_get(site->cache, a, family_key(a, "family", g), &entry, ERR_IGNORED) ||
        entry.len != sizeof *out)
        return false;
    memcpy(out, entry.value, sizeof *out);
    return true;
}

/* Reused: this one, or a younger one, was used longer ago than an answer is given again. */
enum family_status { FAMILY_GOOD, FAMILY_ENDED, FAMILY_REUSED };

static enum family_status family_status(struct site *site, struct arena *a,
                                        const struct refresh_grant *g) {
    int64_t late_s = site->config->refresh_replay_s, now_s = clock_now_s(&site->clock);
    struct used used;

    if (!*g->family)
        return FAMILY_GOOD;
    if (cache_has(site->cache, family_key(a, "ended", g)))
        return FAMILY_ENDED;
    if (late_s < LATE_MIN_S)
        late_s = LATE_MIN_S;
    return get_used(site, a, g, &used) && g->generation <= used.generation &&
                   now_s > used.at_s + late_s
               ? FAMILY_REUSED
               : FAMILY_GOOD;
}

/* Tokens of the family up to this one count as used, the youngest since now. */
static void set_used(struct site *site, struct arena *a, const struct refresh_grant *g,
                     int64_t generation) {
    const struct used used = {generation, clock_now_s(&site->clock)};
    const struct cache_entry entry = {.value = &used, .len = sizeof used, .ttl_s = USED_S};
    struct err e;

    if (cache_set(site->cache, family_key(a, "family", g), &entry, USED_MAX, &e))
        log_warn("refresh_use_store_failed", kv("detail", e.detail));
}

static void remember_use(struct site *site, struct arena *a, const struct refresh_grant *g) {
    struct used used;

    if (!get_used(site, a, g, &used) || used.generation < g->generation)
        set_used(site, a, g, g->generation);
}

/* Remembers that it was used, and makes it the next one. */
static void family_next(struct site *site, struct arena *a, struct refresh_grant *g) {
    if (*g->family)
        remember_use(site, a, g);
    else /* of an earlier version */
        g->family = random_text(a, FAMILY_ID_BYTES);
    g->generation++;
}

void refresh_take_back(struct site *site, struct arena *a, const struct refresh_grant *g) {
    struct used used;

    if (*g->family && get_used(site, a, g, &used) && used.generation == g->generation)
        set_used(site, a, g, g->generation - 1);
}

static void family_end(struct site *site, struct arena *a, const struct refresh_grant *g) {
    const struct cache_entry entry = cache_text_entry("", ENDED_S);
    struct err e;

    if (*g->family && cache_set(site->cache, family_key(a, "ended", g), &entry, ENDED_MAX, &e))
        log_error("login_end_store_failed", kv("detail", e.detail));
}

const char *family_new(struct arena *a) {
    return random_text(a, FAMILY_ID_BYTES);
}

/* One refresh: its keys in the cache are digests of the sealed token and of the provider's token in
 * it. */
struct refresh {
    struct site *site;
    struct arena *a;
    const char *digest, *answer_key, *dead_key;
    /* What find_result has found. */
    struct idp_tokens *tokens;
    enum rc rc;
    struct err *e;
};

/* The answer belongs to the sealed token: without rotation the next one holds the same token of
 * the provider's, but its client wants a new answer. */
static struct refresh refresh_of(struct site *site, struct arena *a, const char *sealed,
                                 const char *token) {
    struct refresh r = {.site = site, .a = a, .digest = sha256_base64url(a, sealed, SHA256_LEN)};

    r.answer_key = arena_printf(a, "refreshed:%s", r.digest);
    r.dead_key = arena_printf(a, "dead:%s", sha256_base64url(a, token, SHA256_LEN));
    return r;
}

static enum rc dead(struct err *e) {
    return invalid_grant(e, "the identity provider no longer accepts this login; log in again");
}

static struct seal_binding answer_binding(const struct refresh *r) {
    return (struct seal_binding){
        .keys = r->site->seal, .purpose = "refreshed", .associated = r->digest};
}

/* Sealed: the cache holds no token that can be used. */
static void keep_answer(const struct refresh *r, const struct idp_tokens *t) {
    int64_t now_s = clock_now_s(&r->site->clock);
    struct json *o = json_new_object(r->a);
    const struct seal_binding binding = answer_binding(r);
    struct cache_entry entry;
    struct err e;

    json_put_str(o, "access_token", t->access_token);
    json_put_str(o, "refresh_token", t->refresh_token);
    json_put_str(o, "scope", t->scope);
    json_put_int(o, "ends", now_s + t->expires_in_s);
    if (json_text_len(o) > SEAL_DATA_MAX)
        return;
    entry = cache_text_entry(seal_json(r->a, &binding, o), r->site->config->refresh_replay_s);
    if (entry.ttl_s && cache_set(r->site->cache, r->answer_key, &entry, REPLAYS_MAX, &e))
        log_warn("refresh_not_shared", kv("detail", e.detail));
}

static bool read_answer(const struct refresh *r, struct idp_tokens *out) {
    int64_t now_s = clock_now_s(&r->site->clock), ends_s;
    struct cache_entry entry;
    const struct seal_binding binding = answer_binding(r);
    struct json *o;

    if (cache_get(r->site->cache, r->a, r->answer_key, &entry, ERR_IGNORED) ||
        seal_open_json(r->a, &binding, entry.value, &o, ERR_IGNORED) ||
        !json_get_int(o, "ends", &ends_s) || ends_s - now_s < EXPIRES_IN_MIN_S)
        return false;
    *out = (struct idp_tokens){.access_token = json_get_str(o, "access_token"),
                               .refresh_token = json_get_str(o, "refresh_token"),
                               .scope = json_get_str(o, "scope"),
                               .expires_in_s = ends_s - now_s};
    out->claims = access_token_unverified(r->a, out->access_token);
    return out->access_token && out->refresh_token && out->scope;
}

static void mark_dead(const struct refresh *r) {
    const struct cache_entry entry = cache_text_entry("", DEAD_TOKEN_S);
    struct err e;

    if (cache_set(r->site->cache, r->dead_key, &entry, DEAD_TOKENS_MAX, &e))
        log_warn("refused_token_store_failed", kv("detail", e.detail));
}

/* The provider's answer is in the cache when this returns. */
static enum rc ask_idp(const struct refresh *r, const struct refresh_token *t) {
    struct refresh_grant next = t->grant;
    struct idp_tokens *out = r->tokens;
    enum rc rc = idp_refresh(r->site->idp, r->a, next.token, out, r->e);

    if (rc == ERR_REFUSED) {
        mark_dead(r);
        return r->e->code = ERR_INVALID_GRANT;
    }
    if (rc)
        return rc;
    if (out->refresh_token) /* otherwise it was not rotated */
        next.token = out->refresh_token;
    if (*out->scope)
        next.scope = out->scope;
    out->scope = next.scope;
    family_next(r->site, r->a, &next);
    out->refresh_token = refresh_seal(r->site, r->a, t->client_id, &next);
    keep_answer(r, out);
    return OK;
}

/* What there is to say without asking. False: nothing. */
static bool find_result(void *arg) {
    struct refresh *r = arg;

    if (cache_has(r->site->cache, r->dead_key)) {
        r->rc = dead(r->e);
        return true;
    }
    r->rc = OK;
    return read_answer(r, r->tokens);
}

static enum rc ask_once(struct refresh *r, const struct refresh_token *t) {
    struct single_flight flight = {.cache = r->site->cache,
                                   .name = r->answer_key,
                                   .lease_s = LEASE_S,
                                   .until_ms = clock_monotonic_ms() + WAIT_MS,
                                   .find = find_result,
                                   .arg = r};
    enum flight_result result = single_flight_begin(&flight, r->e);

    /* Without a window no answer is shared: each asks for itself, one after another. */
    while (result == FLIGHT_ENDED && !r->site->config->refresh_replay_s)
        result = single_flight_begin(&flight, r->e);
    switch (result) {
    case FLIGHT_FOUND:
        return r->rc;
    case FLIGHT_LEADS:
        r->rc = ask_idp(r, t);
        single_flight_end(&flight);
        return r->rc;
    case FLIGHT_ALONE: /* the disk is full: the provider alone decides */
        log_warn("refresh_lease_failed", kv("detail", r->e->detail));
        return ask_idp(r, t);
    default: /* its call failed in a way that may pass, and would fail for us too */
        return err_set(r->e, ERR_UPSTREAM,
                       "the identity provider is not available; try again later");
    }
}

/* RFC 9700 §4.14.2: of the two who have it, one is a thief, so neither keeps it. */
static enum rc end_reused(struct site *site, struct arena *a, const struct refresh_token *t,
                          struct err *e) {
    struct err why;

    refresh_end(site, a, &t->grant);
    log_warn("refresh_token_reused", kv("client_id", t->client_id), kv("family", t->grant.family));
    if (*site->config->idp.revoke_url && !idp_wait_begin(site->idp, &why)) {
        if (idp_revoke(site->idp, a, t->grant.token, &why))
            log_warn("login_not_revoked", kv("detail", why.detail));
        idp_wait_end(site->idp);
    }
    return invalid_grant(
        e, "the refresh token was used before, so this login has ended; log in again");
}

enum rc refresh_ask(struct site *site, struct arena *a, const struct refresh_token *t,
                    struct idp_tokens *out, struct err *e) {
    struct refresh r = refresh_of(site, a, t->sealed, t->grant.token);
    enum family_status status = family_status(site, a, &t->grant);
    enum rc rc;

    r.tokens = out;
    r.e = e;
    if (status == FAMILY_ENDED)
        return dead(e);
    if (status == FAMILY_REUSED)
        return end_reused(site, a, t, e);
    if (find_result(&r)) {
        if (!r.rc && *t->grant.family) /* since its use may have been taken back */
            remember_use(site, a, &t->grant);
        return r.rc;
    }
    if (idp_wait_begin(site->idp, e))
        return e->code;
    rc = ask_once(&r, t);
    idp_wait_end(site->idp);
    return rc;
}

void refresh_end(struct site *site, struct arena *a, const struct refresh_grant *grant) {
    struct refresh r = refresh_of(site, a, "", grant->token);

    mark_dead(&r);
    family_end(site, a, grant);
}
