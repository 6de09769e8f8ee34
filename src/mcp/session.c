#include "mcp/session.h"

#include "crypto/digest.h"
#include "crypto/seal.h"
#include "mcp/bearer_auth.h"
#include "mcp/headers.h"
#include "shared/cache.h"
#include "shared/message_socket.h"
#include "web/parked.h"
#include "web/subscription.h"

#define PURPOSE "mcp-session"
#define ID_MAX 4096
#define USER_DIGEST_BYTES 12 /* of 32: enough for a key that need not be secret */
#define CAPABILITIES                                                                               \
    "\"completions\":{},\"logging\":{},\"prompts\":{\"listChanged\":true},"                        \
    "\"resources\":{\"listChanged\":true,\"subscribe\":true},\"tools\":{\"listChanged\":true}"

/* The session id is sent in a header and must be short. */
struct json *mcp_known_capabilities(struct arena *a, const struct json *given) {
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

/* Opens a session: adds the Mcp-Session-Id header to the reply. The id contains, sealed, {"t": when
 * the session began, "c": the client's capabilities}. */
static void open_session(struct mcp_call *c) {
    struct json *state = json_new_object(c->arena);

    if (!c->x->site->seal || !c->x->site->cache)
        return;
    json_put_int(state, "t", clock_now_s(&c->x->site->clock));
    json_put(state, "c", mcp_known_capabilities(c->arena, json_get(c->msg.params, "capabilities")));
    reply_header(c->x->rp, "Mcp-Session-Id",
                 seal_json(c->arena,
                           &(struct seal_binding){.keys = c->x->site->seal,
                                                  .purpose = PURPOSE,
                                                  .associated = c->client.claims->sub},
                           state));
}

/* What follows other members; "" for none. */
static const char *instructions_member(struct mcp_call *c) {
    const char *text = c->x->site->config->server.instructions;

    return text ? arena_printf(c->arena, ",\"instructions\":%s",
                               json_text(c->arena, json_new_string(c->arena, text), NULL))
                : "";
}

/* What follows the other capabilities; "" for none. */
static const char *extensions_member(struct mcp_call *c) {
    const char *v = c->x->site->mcp->service->extensions(c);

    return v ? arena_printf(c->arena, ",\"extensions\":%s", v) : "";
}

enum rc mcp_initialize(struct mcp_call *c, struct err *e) {
    const char *requested = json_get_str(c->msg.params, "protocolVersion");

    if (c->msg.in_batch) /* lifecycle of 2025-03-26 */
        return rpc_invalid_request(e, "initialize must not be part of a batch");
    if (!requested)
        return rpc_invalid_params(e, "protocolVersion must be a string");
    /* "Version Negotiation": the requested version if it is supported, else the latest. */
    c->answer.result = text_of(arena_printf(
        c->arena,
        "{\"protocolVersion\":\"%s\",\"capabilities\":{" CAPABILITIES "%s},\"serverInfo\":%s%s}",
        mcp_version_has_handshake(requested) ? requested : MCP_VERSION_HANDSHAKE,
        extensions_member(c), c->x->site->config->server.info_with_icons, instructions_member(c)));
    open_session(c);
    return OK;
}

enum rc mcp_ping(struct mcp_call *c, struct err *e) {
    (void)e;
    c->answer.result = TEXT_LITERAL("{}");
    return OK;
}

/* May be cached as long as a list: a first skill or app changes the extensions. */
enum rc mcp_discover(struct mcp_call *c, struct err *e) {
    (void)e;
    c->answer.result = text_of(arena_printf(
        c->arena,
        "{\"resultType\":\"complete\",\"supportedVersions\":[\"" MCP_VERSION_STATELESS
        "\"],\"capabilities\":{" CAPABILITIES "%s},\"ttlMs\":" LIST_TTL_MS
        ",\"cacheScope\":\"public\"%s,\"_meta\":{\"" META_SERVER_INFO "\":%s}}",
        extensions_member(c), instructions_member(c), c->x->site->config->server.info_with_icons));
    return OK;
}

/* ---- sessions ---- */

static enum rc session_not_found(struct err *e) {
    return err_set(e, ERR_NOT_FOUND, "this session is unknown or has ended: initialize again");
}

/* Opens the sealed id. *capabilities is what the client declared. */
static enum rc unseal_id(struct mcp_call *c, const char *id, struct json **capabilities,
                         struct err *e) {
    const struct seal_binding binding = {
        .keys = c->x->site->seal, .purpose = PURPOSE, .associated = c->client.claims->sub};
    struct json *state;
    int64_t started;

    if (strlen(id) > ID_MAX || seal_open_json(c->arena, &binding, id, &state, e) ||
        !json_get_int(state, "t", &started) ||
        started < clock_now_s(&c->x->site->clock) - SESSION_MAX_S)
        return session_not_found(e);
    *capabilities = json_get(state, "c");
    return OK;
}

enum rc mcp_session_find(struct mcp_call *c, struct err *e) {
    const char *id = mcp_header(c->x->rq, "mcp-session-id");
    struct mcp_session *session;
    struct cache_entry entry;
    struct err ignored;
    int level;

    if (!id || !c->x->site->seal || !c->x->site->cache)
        return OK;
    if (unseal_id(c, id, &c->client.capabilities, e))
        return e->code;
    session = arena_alloc(c->arena, sizeof *session);
    session->user = sha256_base64url(c->arena, c->client.claims->sub, USER_DIGEST_BYTES);
    session->id =
        arena_printf(c->arena, "%s:%s", session->user, sha256_base64url(c->arena, id, SHA256_LEN));
    session->key = arena_printf(c->arena, SESSION_STORED_PREFIX "%s", session->id);
    if (!cache_get(c->x->site->cache, c->arena, session->key, &entry, &ignored))
        session->stored = json_of_text(c->arena, entry.value, entry.len);
    if (!session->stored)
        session->stored = json_new_object(c->arena);
    if (cache_has(c->x->site->cache,
                  arena_printf(c->arena, SESSION_ENDED_PREFIX "%s", session->id)))
        return session_not_found(e);
    level = mcp_log_level(json_get_str(session->stored, "level"));
    if (level >= 0)
        c->client.log_level = level;
    c->client.session = session;
    return OK;
}

/* Stores under the key PREFIX USER:SESSION, within the prefix's quotas. */
static enum rc store(struct mcp_call *c, const char *prefix, struct text t, struct err *e) {
    const char *of_user = arena_printf(c->arena, "%s%s:", prefix, c->client.session->user);
    const struct cache_quota user = {.prefix = of_user,
                                     .max_entries = SESSION_STORED_USER_MAX,
                                     .max_bytes = SESSION_STORED_USER_BYTES_MAX},
                             all = {.prefix = prefix,
                                    .max_entries = SESSION_STORED_HOST_MAX,
                                    .max_bytes = SESSION_STORED_HOST_BYTES_MAX};
    const struct cache_entry entry = {.value = t.p, .len = t.len, .ttl_s = SESSION_MAX_S};

    if (cache_set(c->x->site->cache, arena_printf(c->arena, "%s%s", prefix, c->client.session->id),
                  &entry, 0, e) ||
        cache_trim(c->x->site->cache, &user, e))
        return e->code;
    return cache_trim(c->x->site->cache, &all, e);
}

enum rc mcp_session_save(struct mcp_call *c, struct err *e) {
    const struct text t = json_as_text(c->arena, c->client.session->stored);

    if (t.len > SESSION_STORED_BYTES_MAX)
        return err_set(e, ERR_RPC_INVALID_PARAMS,
                       "The subscriptions of a session have at most %d bytes",
                       SESSION_STORED_BYTES_MAX);
    return store(c, SESSION_STORED_PREFIX, t, e);
}

/* Without a session the level is checked but not stored. */
enum rc mcp_set_level(struct mcp_call *c, struct err *e) {
    const char *level = json_get_str(c->msg.params, "level");

    if (mcp_log_level(level) < 0)
        return rpc_invalid_params(
            e,
            "level must be one of debug, info, notice, warning, error, critical, alert, emergency");
    if (c->client.session) {
        json_put_str(c->client.session->stored, "level", level);
        if (mcp_session_save(c, e))
            return e->code;
    }
    c->answer.result = TEXT_LITERAL("{}");
    return OK;
}

enum rc mcp_session_begin(struct exchange *x, struct mcp_call *c, const char *why, struct err *e) {
    enum rc rc;

    *c = mcp_call_begin(x);
    rc = mcp_bearer_auth(x, &c->client.claims, e);
    if (!rc && (mcp_protocol_of_header(x->rq) == PROTOCOL_STATELESS ||
                !strcmp(x->rq->method, "HEAD"))) { /* the route of GET is also that of HEAD */
        reply_header(x->rp, "Allow", "POST");
        return err_set(e, ERR_METHOD_NOT_ALLOWED, "%s", why);
    }
    c->msg.version = mcp_header(x->rq, "mcp-protocol-version");
    return rc ? rc : mcp_session_find(c, e);
}

/* Of a session that is over nobody hears anything more. */
static void end_streams(struct mcp_call *c) {
    struct buf *b = arena_alloc(c->arena, sizeof *b);

    buf_init(b, c->arena, SUBSCRIPTION_BYTES_MAX);
    subscription_add(b, SUBSCRIPTION_KEY, text_of(c->client.session->key), TEXT_LITERAL(""));
    c->x->rp->subscriptions = b;
}

enum rc mcp_delete(struct exchange *x, struct err *e) {
    struct mcp_call c;

    if (mcp_session_begin(x, &c, "this protocol version has no sessions", e))
        return e->code;
    if (!c.client.session)
        return err_set(e, ERR_INVALID_REQUEST, "Mcp-Session-Id is missing");
    if (store(&c, SESSION_ENDED_PREFIX, TEXT_LITERAL(""), e))
        return e->code;
    end_streams(&c);
    reply_empty(x->rp, 204);
    return OK;
}

/* ---- notifications/cancelled ---- */

#define MESSAGE "cancelled"
#define MESSAGE_MAX 64 /* bytes */

/* The name of the message socket of a request. It is unique, since ids are unique within a session
 * (the number 1 and the string "1" are different ids), and unguessable, since only the user's
 * client knows the session's id, of which the key is made. */
static const char *cancel_socket_name(const struct mcp_call *c, const struct json *id) {
    const char *text = arena_printf(c->arena, "cancel\n%s\n%s", c->client.session->key,
                                    json_text(c->arena, id, NULL));

    return sha256_base64url(c->arena, text, SHA256_LEN);
}

void cancel_begin(struct mcp_call *c) {
    struct err e;

    if (c->msg.protocol != PROTOCOL_HANDSHAKE || !c->client.session || !c->msg.id ||
        c->msg.in_batch)
        return;
    if (c->x->rq->resumed)
        c->cancel.socket = resumed_take(c->x->rq->resumed, PARKED_CANCEL);
    else if (message_socket_open(cancel_socket_name(c, c->msg.id), &c->cancel.socket, &e))
        return;
    if (c->cancel.socket < 0)
        return;
    c->cancel.watch = &c->cancel.socket;
    c->cancel.must_stop = cancel_arrived;
    c->cancel.must_stop_arg = c;
}

void cancel_end(struct mcp_call *c) {
    descriptor_clear(&c->cancel.socket);
    c->cancel.watch = NULL;
    c->cancel.must_stop = NULL;
}

bool cancel_arrived(void *call) {
    struct mcp_call *c = call;
    struct buf message;

    if (c->cancel.socket >= 0 && !c->cancel.arrived) {
        buf_init(&message, c->arena, MESSAGE_MAX);
        c->cancel.arrived = message_socket_wait(c->cancel.socket, -1, clock_monotonic_ms(),
                                                &message) == MESSAGE_SOCKET_RECEIVED;
    }
    return c->cancel.arrived;
}

void cancel_deliver(const struct mcp_call *c) {
    const struct json *id = json_get(c->msg.params, "requestId");
    const char *reason = json_get_str(c->msg.params, "reason");

    if (c->msg.protocol != PROTOCOL_HANDSHAKE || !c->client.session ||
        (!json_is_string(id) && !json_is_number(id)))
        return;
    if (message_socket_send(cancel_socket_name(c, id), MESSAGE, strlen(MESSAGE)))
        log_info("cancelled", kv("request", c->x->rq->id), kv("sub", c->client.claims->sub),
                 kv("reason", reason ? text_quotable(c->arena, reason) : ""));
}
