#include "exec/methods.h"

#include "catalog/catalog.h"
#include "catalog/resources.h"
#include "exec/input_required.h"
#include "exec/task_notifications.h"
#include "exec/tasks.h"
#include "mcp/call.h"
#include "mcp/listen.h"
#include "mcp/session.h"

/* LIST_FORBIDDEN says whether lists include entries that the caller lacks the scopes for. */
static enum rc answer_list(struct mcp_call *c, enum catalog_kind kind, size_t which,
                           struct err *e) {
    const struct site *site = c->x->site;
    const struct list_query query = {
        .protocol = c->msg.protocol,
        .cursor = json_get(c->msg.params, "cursor"),
        .scopes = site->config->list_forbidden ? NULL : c->client.claims->scope};

    if (list_page(&site->mcp->catalog->sets[kind]->lists[which], &query, c->arena,
                  &c->answer.result))
        return OK;
    return err_set(e, ERR_RPC_INVALID_PARAMS, "Invalid params: unknown cursor");
}

static enum rc mcp_tools_list(struct mcp_call *c, struct err *e) {
    return answer_list(c, CATALOG_TOOLS, 0, e);
}

static enum rc mcp_resources_list(struct mcp_call *c, struct err *e) {
    return answer_list(c, CATALOG_RESOURCES, RESOURCES, e);
}

static enum rc mcp_resource_templates_list(struct mcp_call *c, struct err *e) {
    return answer_list(c, CATALOG_RESOURCES, RESOURCE_TEMPLATES, e);
}

static enum rc mcp_prompts_list(struct mcp_call *c, struct err *e) {
    return answer_list(c, CATALOG_PROMPTS, 0, e);
}

#define HANDSHAKE PROTOCOL_HANDSHAKE
#define STATELESS PROTOCOL_STATELESS
#define BOTH (HANDSHAKE | STATELESS)

static const struct mcp_method methods[] = {
    {"completion/complete", BOTH, mcp_complete, mcp_complete_scopes, NULL, "completion", "ref"},
    {"initialize", HANDSHAKE, mcp_initialize, NULL, NULL, NULL, NULL},
    {"logging/setLevel", HANDSHAKE, mcp_set_level, NULL, NULL, NULL, NULL},
    {"ping", HANDSHAKE, mcp_ping, NULL, NULL, NULL, NULL},
    {"prompts/get", BOTH, mcp_prompts_get, mcp_prompts_get_scopes, "name", "prompt_get", "prompt"},
    {"prompts/list", BOTH, mcp_prompts_list, NULL, NULL, NULL, NULL},
    {"resources/list", BOTH, mcp_resources_list, NULL, NULL, NULL, NULL},
    {"resources/read", BOTH, mcp_resources_read, mcp_resources_read_scopes, "uri", "resource_read",
     "resource"},
    {"resources/subscribe", HANDSHAKE, mcp_subscribe, mcp_resources_read_scopes, NULL, NULL, NULL},
    {"resources/templates/list", BOTH, mcp_resource_templates_list, NULL, NULL, NULL, NULL},
    {"resources/unsubscribe", HANDSHAKE, mcp_unsubscribe, NULL, NULL, NULL, NULL},
    {"server/discover", STATELESS, mcp_discover, NULL, NULL, NULL, NULL},
    {"subscriptions/listen", STATELESS, mcp_listen, NULL, NULL, NULL, NULL},
    {"tasks/cancel", STATELESS, mcp_tasks_cancel, NULL, "taskId", NULL, NULL},
    {"tasks/get", STATELESS, mcp_tasks_get, NULL, "taskId", NULL, NULL},
    {"tasks/update", STATELESS, mcp_tasks_update, NULL, "taskId", NULL, NULL},
    {"tools/call", BOTH, mcp_tools_call, mcp_tools_call_scopes, "name", "tool_call", "tool"},
    {"tools/list", BOTH, mcp_tools_list, NULL, NULL, NULL, NULL},
};

static const struct mcp_filter filters[] = {{"taskIds", task_filter_subscribe}};

const struct mcp_service exec_service = {
    .methods = methods,
    .method_count = sizeof methods / sizeof *methods,
    .filters = filters,
    .filter_count = sizeof filters / sizeof *filters,
    .extensions = "{\"" TASKS_EXTENSION "\":{}}",
    .take_response = input_required_deliver,
};
