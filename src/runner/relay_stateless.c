/* Private part of relay.h: servers of 2026-07-28, which know no handshake: each request says in
 * _meta what initialize says otherwise, and one that stays open asks for changes. */
#include "runner/relay.h"

void relay_add_meta(struct relay *r, struct json *message) {
    struct json *capabilities = json_get(message, "capabilities"), *meta;

    if (!r->is_stateless)
        return;
    meta = json_ensure_object(r->arena, json_ensure_object(r->arena, message, "params"), "_meta");
    json_put_str(meta, RELAY_META "protocolVersion", RELAY_VERSION_STATELESS);
    json_put(meta, RELAY_META "clientInfo", relay_parse(r, RELAY_CLIENT_INFO));
    json_put(meta, RELAY_META "clientCapabilities",
             capabilities ? capabilities : relay_parse(r, RELAY_CAPABILITIES));
    json_put_str(meta, RELAY_META "logLevel", json_get_str(message, "levelName"));
}

/* ---- its beginning ---- */

void relay_begin_negotiation(struct relay *r) {
    const uint32_t given = r->key.revisions;
    const bool is_first = !r->refusal;
    int64_t wait = (int64_t)r->key.start_s * 1000;

    if (is_first && given == REVISIONS_STATELESS_FIRST && wait > RELAY_DISCOVER_MS)
        wait = RELAY_DISCOVER_MS;
    r->state = RELAY_STARTING;
    r->deadline_ms = clock_monotonic_ms() + wait;
    r->is_stateless = given == REVISIONS_STATELESS ||
                      given == (is_first ? REVISIONS_STATELESS_FIRST : REVISIONS_HANDSHAKE_FIRST);
    if (r->is_stateless)
        r->discovering = relay_request(r, "server/discover", NULL);
    else
        relay_initialize(r);
}

/* What it said to the handshake tells more than that it does not know server/discover. */
void relay_refused(struct relay *r, const char *why) {
    const uint32_t given = r->key.revisions;

    r->initializing = NULL;
    if (r->refusal || given == REVISIONS_HANDSHAKE || given == REVISIONS_STATELESS) {
        relay_end(r, r->refusal && given == REVISIONS_HANDSHAKE_FIRST ? r->refusal : why);
        return;
    }
    r->refusal = why;
    relay_begin_negotiation(r);
}

/* A server that knows only older revisions may leave a request unanswered that it does not know:
 * then the handshake has all of its time. */
void relay_note_silence(struct relay *r) {
    struct relay_call *call = r->discovering;
    const char *why = arena_printf(r->keep, "it did not answer %s within %u s",
                                   call ? "server/discover" : "initialize", r->key.start_s);

    r->discovering = NULL;
    if (call)
        relay_remove_call(r, call);
    if (call && !r->refusal)
        relay_refused(r, why);
    else
        relay_end(r, why);
}

void relay_take_discover(struct relay *r, const struct json *message) {
    const struct json *result = json_get(message, "result");

    r->discovering = NULL;
    if (!json_has_str(json_get(result, "supportedVersions"), RELAY_VERSION_STATELESS)) {
        relay_refused(r, "it does not speak revision " RELAY_VERSION_STATELESS
                         " of MCP: its answer to "
                         "server/discover has it not in supportedVersions");
        return;
    }
    relay_begin(r, result, RELAY_VERSION_STATELESS);
    relay_listen(r);
}

/* ---- changes ---- */

void relay_listen(struct relay *r) {
    struct json *wanted = json_new_object(r->arena), *uris = json_new_array(r->arena);

    if (r->listening)
        relay_cancel(r, r->listening);
    json_put_bool(wanted, "toolsListChanged", true);
    json_put_bool(wanted, "resourcesListChanged", true);
    json_put_bool(wanted, "promptsListChanged", true);
    for (unsigned i = 0; i < r->subscription_count; i++)
        json_add_str(uris, r->subscriptions[i].uri);
    if (r->subscription_count)
        json_put(wanted, "resourceSubscriptions", uris);
    r->listening = relay_request(r, "subscriptions/listen",
                                 json_new_member(r->arena, "notifications", wanted));
    r->listened_from_ms = clock_monotonic_ms();
    r->listen_ms = r->listening ? 0 : r->listened_from_ms + RELAY_LISTEN_FIRST_MS;
}

/* What changes until it is asked again is not known: subscribers are told, and the lists are read
 * again. */
void relay_note_listen_end(struct relay *r, const struct json *answer) {
    const int64_t now = clock_monotonic_ms();
    int64_t code = 0;

    r->listening = NULL;
    if (json_get_int(json_get(answer, "error"), "code", &code) && code == METHOD_NOT_FOUND)
        return;
    if (now - r->listened_from_ms >= RELAY_LISTEN_MAX_MS)
        r->listen_failures = 0;
    if (!r->listen_failures) {
        r->changes++;
        relay_lists_changed(r);
        relay_resource_changed(r, NULL);
    }
    r->listen_ms =
        now + clock_back_off_ms(&r->listen_failures, RELAY_LISTEN_FIRST_MS, RELAY_LISTEN_MAX_MS);
}

int64_t relay_listen_due(struct relay *r) {
    if (!r->listen_ms || r->state != RELAY_RUNNING)
        return INT64_MAX;
    if (r->listen_ms > clock_monotonic_ms())
        return r->listen_ms;
    arena_reset(r->arena);
    relay_listen(r);
    return INT64_MAX;
}
