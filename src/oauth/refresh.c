#include "oauth/refresh.h"

#include "base/json.h"
#include "base/log.h"
#include "config/config.h"
#include "crypto/digest.h"
#include "crypto/seal.h"
#include "oauth/refresh_family.h"
#include "oauth/site.h"
#include "shared/single_flight.h"

#define LEASE_S 10   /* longer than a call of the provider can take */
#define WAIT_MS 7000 /* for another worker's call */
#define REPLAYS_MAX 4096
#define DEAD_TOKENS_MAX 8192
#define EXPIRES_IN_MIN_S                                                                           \
    60 /* an answer is not given again when its access token is about to end                       \
        */

/* One refresh: its keys in the cache are digests of the sealed token and of the provider's token in
 * it.
 */
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
    return err_set(e, ERR_INVALID_GRANT,
                   "the identity provider no longer accepts this login; log in again");
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
    const char *text;
    struct err e;
    size_t len;

    json_put_str(o, "access_token", t->access_token);
    json_put_str(o, "refresh_token", t->refresh_token);
    json_put_str(o, "scope", t->scope);
    json_put_int(o, "ends", now_s + t->expires_in_s);
    text = json_text(r->a, o, &len);
    if (len > SEAL_DATA_MAX)
        return;
    entry = cache_text(seal(r->a, &binding, text, len), r->site->config->refresh_replay_s);
    if (entry.ttl_s && cache_set(r->site->cache, r->answer_key, &entry, REPLAYS_MAX, &e))
        log_warn("refresh_not_shared", kv("detail", e.detail));
}

static bool read_answer(const struct refresh *r, struct idp_tokens *out) {
    int64_t now_s = clock_now_s(&r->site->clock), ends_s;
    struct cache_entry entry;
    struct err ignored;
    const struct seal_binding binding = answer_binding(r);
    struct plaintext text;
    struct json *o;

    if (cache_get(r->site->cache, r->a, r->answer_key, &entry, &ignored) ||
        seal_open(r->a, &binding, entry.value, &text, &ignored) ||
        json_parse(r->a, text.data, text.len, &o, &ignored) || !json_get_int(o, "ends", &ends_s) ||
        ends_s - now_s < EXPIRES_IN_MIN_S)
        return false;
    *out = (struct idp_tokens){.access_token = json_get_str(o, "access_token"),
                               .refresh_token = json_get_str(o, "refresh_token"),
                               .scope = json_get_str(o, "scope"),
                               .expires_in_s = ends_s - now_s};
    return out->access_token && out->refresh_token && out->scope;
}

static void mark_dead(const struct refresh *r) {
    const struct cache_entry entry = cache_text("", DEAD_TOKEN_S);
    struct err e;

    if (cache_set(r->site->cache, r->dead_key, &entry, DEAD_TOKENS_MAX, &e))
        log_warn("dead_token_not_kept", kv("detail", e.detail));
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
    enum flight_role role = single_flight_begin(&flight, r->e);

    /* Without a window no answer is shared: each asks for itself, one after another. */
    while (role == FLIGHT_ENDED && !r->site->config->refresh_replay_s)
        role = single_flight_begin(&flight, r->e);
    switch (role) {
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
    return err_set(e, ERR_INVALID_GRANT,
                   "the refresh token was used before, so this login has ended; log in again");
}

enum rc refresh_ask(struct site *site, struct arena *a, const struct refresh_token *t,
                    struct idp_tokens *out, struct err *e) {
    struct refresh r = refresh_of(site, a, t->sealed, t->grant.token);
    enum family family = family_state(site, a, &t->grant);
    enum rc rc;

    r.tokens = out;
    r.e = e;
    if (family == FAMILY_ENDED)
        return dead(e);
    if (family == FAMILY_REUSED)
        return end_reused(site, a, t, e);
    if (find_result(&r))
        return r.rc;
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
