#include "exec/methods.h"

#include "exec/complete.h"
#include "exec/input_required.h"
#include "exec/list.h"
#include "exec/prompt_get.h"
#include "exec/resource_read.h"
#include "exec/task_filter.h"
#include "exec/tasks.h"
#include "exec/tool_call.h"
#include "mcp/listen.h"
#include "mcp/session.h"

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
