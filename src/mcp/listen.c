#include "mcp/listen.h"

#include "mcp/access.h"
#include "mcp/session.h"
#include "mcp/stream.h"
#include "web/sse.h"
#include "web/subscription.h"

#define META_SUBSCRIPTION "io.modelcontextprotocol/subscriptionId"

#define LISTS (sizeof lists / sizeof *lists)

/* Skills have none of their own: their files are resources. */
static const struct {
    const char *filter, *method;
} lists[] = {[CATALOG_TOOLS] = {"toolsListChanged", "notifications/tools/list_changed"},
             [CATALOG_RESOURCES] = {"resourcesListChanged", "notifications/resources/list_changed"},
             [CATALOG_PROMPTS] = {"promptsListChanged", "notifications/prompts/list_changed"}};

struct json *mcp_subscription_meta(struct mcp_call *c) {
    return json_new_member(c->arena, META_SUBSCRIPTION, c->msg.id);
}

/* The parameters of a notification, with the subscription's id if there is one. */
static struct json *make_params(struct mcp_call *c) {
    struct json *params = json_new_object(c->arena);

    if (c->msg.protocol == PROTOCOL_STATELESS)
        json_put(params, "_meta", mcp_subscription_meta(c));
    return params;
}

/* Makes the event of a notification. */
static struct text notification(struct mcp_call *c, const char *method, struct json *params) {
    return sse_event(c->arena, NULL,
                     json_as_text(c->arena, rpc_notification(c->arena, method, params)));
}

/* Subscribes to a change of the list: of the folder with its manifests. */
static void add_list_change(struct mcp_call *c, struct buf *b, size_t list) {
    const struct config *config = c->x->site->config;
    struct text event = notification(c, lists[list].method, make_params(c));
    char path[SUBSCRIPTION_PATH_MAX];
    const char *const dirs[] = {
        catalog_directory(config, (enum catalog_kind)list),
        *config->servers_dir ? arena_printf(c->arena, "%s/servers", config->state_dir) : "",
        list == CATALOG_RESOURCES ? config->skills_dir : ""};

    for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++)
        if (*dirs[i] && subscription_folder_path(dirs[i], path)) {
            subscription_add(b, SUBSCRIPTION_FOLDER, text_of(path), event);
            event.len = 0; /* those that follow send the same: it is kept only once */
        }
}

/* Subscribes to changes of the resource. False: nobody tells of them, or the caller may not read
 * it. */
static bool add_resource(struct mcp_call *c, struct buf *b, const char *uri) {
    struct json *variables, *params;
    const struct resource *r = uri ? mcp_find_resource(c, uri, &variables) : NULL;
    struct caller caller = mcp_caller(c);
    const char *path;

    if (!r || !access_is_allowed(&r->entry.access, &caller))
        return false;
    path = r->path ? r->path : c->x->site->mcp->service->watch_resource(c, r, uri);
    if (!path)
        return false;
    params = make_params(c);
    json_put_str(params, "uri", uri);
    subscription_add(b, SUBSCRIPTION_FILE, text_of(path),
                     notification(c, "notifications/resources/updated", params));
    return true;
}

static struct buf *new_list(struct mcp_call *c) {
    struct buf *b = arena_alloc(c->arena, sizeof *b);

    buf_init(b, c->arena, SUBSCRIPTION_BYTES_MAX);
    subscription_add(b, SUBSCRIPTION_USER, text_of(mcp_call_user(c)), TEXT_LITERAL(""));
    return b;
}

/* The part of the requested notifications that the server grants. */
static struct json *grant(struct mcp_call *c, const struct json *requested, struct buf *b) {
    const struct json *uris = json_get(requested, "resourceSubscriptions");
    struct json *granted = json_new_object(c->arena), *granted_uris = json_new_array(c->arena);

    for (size_t i = 0; i < LISTS; i++)
        if (json_get_bool(requested, lists[i].filter)) {
            add_list_change(c, b, i);
            json_put_bool(granted, lists[i].filter, true);
        }
    for (size_t i = 0; i < json_len(uris) && json_len(granted_uris) < SUBSCRIPTIONS_MAX; i++) {
        const char *uri = json_str(json_at(uris, i));

        if (uri && !json_has_str(granted_uris, uri) && add_resource(c, b, uri))
            json_add_str(granted_uris, uri);
    }
    if (json_len(granted_uris))
        json_put(granted, "resourceSubscriptions", granted_uris);
    return granted;
}

enum rc mcp_listen(struct mcp_call *c, struct err *e) {
    const struct json *requested = json_get(c->msg.params, "notifications");
    struct buf *b = new_list(c);
    struct json *params, *granted;

    if (!json_is_object(requested))
        return rpc_invalid_params(e, "notifications must be an object");
    if (!mcp_stream_possible(c))
        return rpc_invalid_request(e, "Accept must allow text/event-stream");
    params = make_params(c);
    granted = grant(c, requested, b);
    if (c->x->site->mcp->service->subscribe(c, requested, b, granted, e))
        return e->code;
    json_put(params, "notifications", granted);
    /* The response, which the stream holder sends when it ends the stream ("Graceful Closure"). */
    mcp_call_finish(c, make_params(c));
    subscription_add(b, SUBSCRIPTION_END, TEXT_LITERAL(""),
                     sse_event(c->arena, NULL, rpc_result(c->arena, c->msg.id, c->answer.result)));
    if (b->overflow)
        return rpc_invalid_params(e, "too many subscriptions at once");
    c->x->rp->subscriptions = b;
    c->x->rp->subscription_until_s = c->client.claims->exp;
    mcp_stream_notify(c, c->arena, "notifications/subscriptions/acknowledged", params);
    log_info("listen", kv("request", c->x->rq->id), kv("sub", c->client.claims->sub),
             kv("client_id", c->client.claims->client_id));
    return OK;
}

/* ---- before 2026-07-28 ---- */

struct buf *mcp_session_subscriptions(struct mcp_call *c) {
    const struct json *uris =
        c->client.session ? json_get(c->client.session->stored, "uris") : NULL;
    struct buf *b = new_list(c);

    for (size_t i = 0; i < LISTS; i++)
        add_list_change(c, b, i);
    for (size_t i = 0; i < json_len(uris); i++)
        (void)add_resource(c, b, json_str(json_at(uris, i)));
    if (c->client.session)
        subscription_add(b, SUBSCRIPTION_KEY, text_of(c->client.session->key), TEXT_LITERAL(""));
    if (mcp_stream_has_ids(c))
        subscription_add(b, SUBSCRIPTION_EVENT_IDS, TEXT_LITERAL(GET_STREAM_ID), TEXT_LITERAL(""));
    return b;
}

/* Stores or removes the session's subscription to the resource, and changes its open stream. */
enum rc mcp_subscribe(struct mcp_call *c, struct err *e) {
    const bool subscribe = !strcmp(c->msg.method, "resources/subscribe");
    const char *uri = json_get_str(c->msg.params, "uri");
    struct json *uris, *variables;
    const struct json *old;

    if (!uri)
        return rpc_invalid_params(e, "uri must be a string");
    /* From one that is gone a client may withdraw: it would hear of it again when it comes back. */
    if (subscribe && !mcp_find_resource(c, uri, &variables)) {
        c->answer.error_data = json_new_member(c->arena, "uri", json_new_string(c->arena, uri));
        return err_set(e, ERR_RPC_RESOURCE_NOT_FOUND, "Resource not found");
    }
    if (!c->client.session)
        return rpc_invalid_request(e, "subscriptions need a session (Mcp-Session-Id)");
    uris = json_new_array(c->arena);
    old = json_get(c->client.session->stored, "uris");
    for (size_t i = 0; i < json_len(old); i++)
        if (strcmp(json_str(json_at(old, i)), uri) != 0)
            json_add(uris, json_at(old, i));
    if (subscribe && json_len(uris) == SUBSCRIPTIONS_MAX)
        return err_set(e, ERR_RPC_INVALID_PARAMS, "A session has at most %d subscriptions",
                       SUBSCRIPTIONS_MAX);
    if (subscribe)
        json_add_str(uris, uri);
    json_put(c->client.session->stored, "uris", uris);
    if (mcp_session_save(c, e))
        return e->code;
    c->x->rp->subscriptions = mcp_session_subscriptions(c);
    c->answer.result = TEXT_LITERAL("{}");
    return OK;
}
