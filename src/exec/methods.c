#include "exec/methods.h"

#include "catalog/skills.h"
#include "exec/input_required.h"
#include "exec/server_lists.h"
#include "exec/server_subscriptions.h"
#include "exec/task_notifications.h"
#include "exec/tasks.h"
#include "mcp/access.h"
#include "mcp/listen.h"
#include "mcp/session.h"

#define CLIENT_CREDENTIALS_EXTENSION "io.modelcontextprotocol/oauth-client-credentials"

/* LIST_FORBIDDEN says whether lists include entries that the caller may not use. */
static enum rc mcp_list(struct mcp_call *c, struct err *e) {
    const char *method = c->msg.method; /* such as "tools/list" */
    const bool of_templates = !strcmp(method, "resources/templates/list");
    const struct site *site = c->x->site;
    struct caller caller = mcp_caller(c);
    const struct list_query query = {.protocol = c->msg.protocol,
                                     .cursor = json_get(c->msg.params, "cursor"),
                                     .caller = site->config->list_forbidden ? NULL : &caller};
    enum catalog_kind kind = CATALOG_TOOLS;

    server_lists_refresh(c);
    while (strncmp(catalog_kinds[kind]->plural, method, strcspn(method, "/")) != 0)
        kind++;
    if (list_page(&site->mcp->catalog->sets[kind]->lists[of_templates ? RESOURCE_TEMPLATES : 0],
                  &query, c->arena, &c->answer.result))
        return OK;
    return rpc_invalid_params(e, "unknown cursor");
}

/* ---- what a call names ---- */

static const struct entry *find_called(const struct mcp_call *c) {
    const enum catalog_kind kind =
        !strcmp(c->method->kind, "tool") ? CATALOG_TOOLS : CATALOG_PROMPTS;
    const char *name = json_get_str(c->msg.params, "name");

    return mcp_visible(c,
                       name ? catalog_set_find(c->x->site->mcp->catalog->sets[kind], name) : NULL);
}

static const struct entry *named_entry(struct mcp_call *c) {
    const struct entry *entry = find_called(c);

    /* The server may not have been asked yet, or another worker has asked it a moment ago. Only
     * here: what is found later has not been looked at for what it demands. */
    return !entry && server_lists_look_again(c) ? find_called(c) : entry;
}

enum rc called_entry(struct mcp_call *c, const struct entry **out, struct json **arguments,
                     struct err *e) {
    const char *name = json_get_str(c->msg.params, "name");

    *out = find_called(c);
    if (!name)
        return rpc_invalid_params(e, "name must be a string");
    if (!*out) {
        c->answer.outcome = arena_printf(c->arena, "unknown_%s", c->method->kind);
        return err_set(e, ERR_RPC_INVALID_PARAMS, "Unknown %s: %s", c->method->kind,
                       text_quotable(c->arena, name));
    }
    c->answer.target = (*out)->name;
    *arguments = json_get(c->msg.params, "arguments");
    if (*arguments && !json_is_object(*arguments))
        return rpc_invalid_params(e, "arguments must be an object");
    return OK;
}

#define HANDSHAKE PROTOCOL_HANDSHAKE
#define STATELESS PROTOCOL_STATELESS
#define BOTH (HANDSHAKE | STATELESS)

static const struct mcp_method methods[] = {
    {"completion/complete", BOTH, mcp_complete, mcp_complete_entry, NULL, "completion", "ref"},
    {"initialize", HANDSHAKE, mcp_initialize, NULL, NULL, NULL, NULL},
    {"logging/setLevel", HANDSHAKE, mcp_set_level, NULL, NULL, NULL, NULL},
    {"ping", HANDSHAKE, mcp_ping, NULL, NULL, NULL, NULL},
    {"prompts/get", BOTH, mcp_prompts_get, named_entry, "name", "prompt_get", "prompt"},
    {"prompts/list", BOTH, mcp_list, NULL, NULL, NULL, NULL},
    {"resources/directory/read", BOTH, mcp_directory_read, mcp_directory_read_entry, NULL, NULL,
     NULL},
    {"resources/list", BOTH, mcp_list, NULL, NULL, NULL, NULL},
    {"resources/read", BOTH, mcp_resources_read, mcp_resources_read_entry, "uri", "resource_read",
     "resource"},
    {"resources/subscribe", HANDSHAKE, mcp_subscribe, mcp_resources_read_entry, NULL, NULL, NULL},
    {"resources/templates/list", BOTH, mcp_list, NULL, NULL, NULL, NULL},
    {"resources/unsubscribe", HANDSHAKE, mcp_subscribe, NULL, NULL, NULL, NULL},
    {"server/discover", STATELESS, mcp_discover, NULL, NULL, NULL, NULL},
    {"skills/get", BOTH, mcp_skills_get, mcp_skills_get_entry, NULL, NULL, NULL},
    {"skills/list", BOTH, mcp_list, NULL, NULL, NULL, NULL},
    {"subscriptions/listen", STATELESS, mcp_listen, NULL, NULL, NULL, NULL},
    {"tasks/cancel", STATELESS, mcp_tasks_cancel, NULL, "taskId", NULL, NULL},
    {"tasks/get", STATELESS, mcp_tasks_get, NULL, "taskId", NULL, NULL},
    {"tasks/update", STATELESS, mcp_tasks_update, NULL, "taskId", NULL, NULL},
    {"tools/call", BOTH, mcp_tools_call, named_entry, "name", "tool_call", "tool"},
    {"tools/list", BOTH, mcp_list, NULL, NULL, NULL, NULL},
};

static const char *watch_resource(struct mcp_call *c, const struct resource *r, const char *uri) {
    return r->entry.is_foreign ? server_subscribe(c, r, uri) : NULL;
}

/* Those of which there is something, since clients ask for what is declared. */
static const char *extensions(const struct mcp_call *c) {
    struct catalog_set *const *sets = c->x->site->mcp->catalog->sets;
    struct json *v = json_new_object(c->arena);

    if (c->msg.protocol == PROTOCOL_STATELESS)
        json_put(v, TASKS_EXTENSION, json_new_object(c->arena));
    if (sets[CATALOG_SKILLS]->count)
        json_put_bool(json_ensure_object(c->arena, v, SKILLS_EXTENSION), "directoryRead", true);
    if (sets[CATALOG_TOOLS]->lists[0].apps)
        json_put(v, APPS_EXTENSION, json_new_object(c->arena));
    if (*c->x->site->config->idp.machine_client_ids)
        json_put(v, CLIENT_CREDENTIALS_EXTENSION, json_new_object(c->arena));
    return json_size(v) ? json_text(c->arena, v, NULL) : NULL;
}

const struct mcp_service exec_service = {
    .methods = methods,
    .method_count = sizeof methods / sizeof *methods,
    .subscribe = task_filter_subscribe,
    .extensions = extensions,
    .watch_resource = watch_resource,
    .take_response = input_required_deliver,
};
