/* Private part of relay.h: servers of 2026-07-28, which know no handshake: each request says in
 * _meta what initialize says otherwise, and one that stays open asks for changes. */
#include "runner/relay.h"

#define VERSION "2026-07-28"
#define META "io.modelcontextprotocol/"

void relay_add_meta(struct relay *r, struct json *message) {
    struct json *params = json_get(message, "params"), *meta, *info = json_new_object(r->arena);

    if (!r->is_stateless)
        return;
    if (!json_is_object(params)) {
        params = json_new_object(r->arena);
        json_put(message, "params", params);
    }
    meta = json_get(params, "_meta");
    if (!json_is_object(meta)) {
        meta = json_new_object(r->arena);
        json_put(params, "_meta", meta);
    }
    json_put_str(info, "name", "mcp-authd");
    json_put_str(info, "version", MCP_AUTHD_VERSION);
    json_put_str(meta, META "protocolVersion", VERSION);
    json_put(meta, META "clientInfo", info);
    json_put(meta, META "clientCapabilities", relay_parse(r, RELAY_CAPABILITIES));
    json_put_str(meta, META "logLevel", json_get_str(message, "levelName"));
}

/* ---- its beginning ---- */

void relay_discover(struct relay *r, const char *refusal) {
    const struct relay_call *call;

    r->refusal = refusal;
    r->is_stateless = true;
    call = relay_request(r, "server/discover", NULL);
    r->discover_id = call ? call->id : 0;
}

static bool has_version(const struct json *result) {
    const struct json *list = json_get(result, "supportedVersions");

    for (size_t i = 0; i < json_len(list); i++)
        if (json_str(json_at(list, i)) && !strcmp(json_str(json_at(list, i)), VERSION))
            return true;
    return false;
}

void relay_take_discover(struct relay *r, const struct json *message) {
    const struct json *result = json_get(message, "result");

    r->discover_id = 0;
    if (!has_version(result)) {
        relay_end(r, r->refusal);
        return;
    }
    relay_begin(r, result, VERSION);
    relay_listen(r);
}

/* ---- changes ---- */

void relay_listen(struct relay *r) {
    struct json *params = json_new_object(r->arena), *wanted = json_new_object(r->arena);
    struct json *uris = json_new_array(r->arena);
    struct relay_call *call;

    if (r->listening)
        relay_cancel(r, r->listening);
    json_put_bool(wanted, "toolsListChanged", true);
    json_put_bool(wanted, "resourcesListChanged", true);
    json_put_bool(wanted, "promptsListChanged", true);
    for (unsigned i = 0; i < r->subscription_count; i++)
        json_add_str(uris, r->subscriptions[i].uri);
    if (r->subscription_count)
        json_put(wanted, "resourceSubscriptions", uris);
    json_put(params, "notifications", wanted);
    call = relay_request(r, "subscriptions/listen", params);
    r->listening = call;
}
