#include "mcp/session.h"

#include <string.h>

#include "base/encode.h"
#include "crypto/digest.h"
#include "crypto/seal.h"
#include "mcp/bearer_auth.h"
#include "mcp/call.h"
#include "mcp/headers.h"
#include "mcp/protocol_version.h"
#include "shared/cache.h"

#define PURPOSE "mcp-session"
#define ID_MAX 4096
#define USER_DIGEST_BYTES 12 /* of 32: enough for a name that need not be secret */

/* Only the capabilities that programs can use, since the session id, a header, must be short. */
static struct json *known_capabilities(struct arena *a, const struct json *given) {
    static const struct {
        const char *name, *parts[3];
    } known[] = {{"elicitation", {"form", "url", NULL}},
                 {"sampling", {"tools", "context", NULL}},
                 {"roots", {NULL}}};
    struct json *out = json_new_object(a);

    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const struct json *v = json_get(given, known[i].name);
        struct json *copy = json_new_object(a);

        if (!json_is_object(v))
            continue;
        for (const char *const *part = known[i].parts; *part; part++)
            if (json_is_object(json_get(v, *part)))
                json_put(copy, *part, json_new_object(a));
        json_put(out, known[i].name, copy);
    }
    return out;
}

void mcp_session_start(struct mcp_call *c) {
    struct json *state = json_new_object(c->arena);
    const char *text;
    size_t len;

    if (!c->x->site->seal || !c->x->site->cache)
        return;
    json_put_int(state, "t", clock_now_s(&c->x->site->clock));
    json_put(state, "c", known_capabilities(c->arena, json_get(c->msg.params, "capabilities")));
    text = json_text(c->arena, state, &len);
    reply_header(c->x->rp, "Mcp-Session-Id",
                 seal(c->arena,
                      &(struct seal_binding){.keys = c->x->site->seal,
                                             .purpose = PURPOSE,
                                             .associated = c->client.claims->sub},
                      text, len));
}

static enum rc unknown(struct err *e) {
    return err_set(e, ERR_NOT_FOUND, "this session is unknown or has ended: initialize again");
}

static const char *digest_of(struct arena *a, const char *text, size_t bytes) {
    uint8_t digest[SHA256_LEN];

    sha256(text, strlen(text), digest);
    return base64url_encode(a, digest, bytes);
}

static struct json *read_note(struct mcp_call *c, const char *key) {
    struct cache_entry entry;
    struct json *note;
    struct err e;

    if (cache_get(c->x->site->cache, c->arena, key, &entry, &e) ||
        json_parse(c->arena, entry.value, entry.len, &note, &e))
        return json_new_object(c->arena);
    return note;
}

static bool has_ended(struct mcp_call *c, const struct mcp_session *session) {
    return cache_has(c->x->site->cache,
                     arena_printf(c->arena, SESSION_ENDED_PREFIX "%s", session->id));
}

/* Opens the sealed id. *capabilities is what the client declared. */
static enum rc open_id(struct mcp_call *c, const char *id, struct json **capabilities,
                       struct err *e) {
    const struct seal_binding binding = {
        .keys = c->x->site->seal, .purpose = PURPOSE, .associated = c->client.claims->sub};
    struct plaintext text;
    struct json *state;
    int64_t started;

    if (strlen(id) > ID_MAX || seal_open(c->arena, &binding, id, &text, e) ||
        json_parse(c->arena, text.data, text.len, &state, e) ||
        !json_get_int(state, "t", &started) ||
        started < clock_now_s(&c->x->site->clock) - SESSION_MAX_S)
        return unknown(e);
    *capabilities = json_get(state, "c");
    return OK;
}

enum rc mcp_session_find(struct mcp_call *c, struct err *e) {
    const char *id = mcp_header(c->x->rq, "mcp-session-id");
    struct mcp_session *session;
    int level;

    if (!id || !c->x->site->seal || !c->x->site->cache)
        return OK;
    if (open_id(c, id, &c->client.capabilities, e))
        return e->code;
    session = arena_alloc(c->arena, sizeof *session);
    session->user = digest_of(c->arena, c->client.claims->sub, USER_DIGEST_BYTES);
    session->id =
        arena_printf(c->arena, "%s:%s", session->user, digest_of(c->arena, id, SHA256_LEN));
    session->key = arena_printf(c->arena, SESSION_NOTE_PREFIX "%s", session->id);
    session->note = read_note(c, session->key);
    if (has_ended(c, session))
        return unknown(e);
    level = mcp_log_level(json_get_str(session->note, "level"));
    if (level >= 0)
        c->client.log_level = level;
    c->client.session = session;
    return OK;
}

/* Stores under the key PREFIX USER:SESSION, within the prefix's quotas. */
static enum rc note(struct mcp_call *c, const char *prefix, const char *text, size_t len,
                    struct err *e) {
    const char *of_user = arena_printf(c->arena, "%s%s:", prefix, c->client.session->user);
    const struct cache_quota user = {.prefix = of_user,
                                     .most = SESSION_NOTES_USER_MAX,
                                     .bytes = SESSION_NOTES_USER_BYTES_MAX},
                             all = {.prefix = prefix,
                                    .most = SESSION_NOTES_MAX,
                                    .bytes = SESSION_NOTES_BYTES_MAX};
    const struct cache_entry entry = {.value = text, .len = len, .ttl_s = SESSION_MAX_S};

    if (cache_set(c->x->site->cache, arena_printf(c->arena, "%s%s", prefix, c->client.session->id),
                  &entry, 0, e) ||
        cache_trim(c->x->site->cache, &user, e))
        return e->code;
    return cache_trim(c->x->site->cache, &all, e);
}

enum rc mcp_session_save(struct mcp_call *c, struct err *e) {
    size_t len;
    const char *text = json_text(c->arena, c->client.session->note, &len);

    if (len > SESSION_NOTE_BYTES_MAX)
        return err_set(e, ERR_RPC_INVALID_PARAMS,
                       "The subscriptions of a session have at most %d bytes",
                       SESSION_NOTE_BYTES_MAX);
    return note(c, SESSION_NOTE_PREFIX, text, len, e);
}

/* Without a session the level could not be stored. */
enum rc mcp_set_level(struct mcp_call *c, struct err *e) {
    const char *level = json_get_str(c->msg.params, "level");

    if (mcp_log_level(level) < 0)
        return err_set(e, ERR_RPC_INVALID_PARAMS,
                       "Invalid params: level must be one of debug, info, notice, warning, error, "
                       "critical, alert, emergency");
    if (c->client.session) {
        json_put_str(c->client.session->note, "level", level);
        if (mcp_session_save(c, e))
            return e->code;
    }
    c->answer.result = (struct text){"{}", 2};
    return OK;
}

enum rc mcp_delete(struct exchange *x, struct err *e) {
    struct mcp_call c = mcp_call_begin(x);
    enum rc rc = mcp_bearer_auth(x, &c.client.claims, e);

    if (!rc && mcp_version_of_header(x->rq) == PROTOCOL_STATELESS) {
        reply_header(x->rp, "Allow", "POST");
        return err_set(e, ERR_METHOD_NOT_ALLOWED, "this protocol version has no sessions");
    }
    if (!rc)
        rc = mcp_session_find(&c, e);
    if (rc)
        return rc;
    if (!c.client.session)
        return err_set(e, ERR_INVALID_REQUEST, "Mcp-Session-Id is missing");
    rc = note(&c, SESSION_ENDED_PREFIX, "", 0, e);
    if (!rc)
        reply_empty(x->rp, 204);
    return rc;
}
