/* The methods, and those small enough to be here. */
#include <string.h>

#include "exec/complete.h"
#include "exec/list.h"
#include "exec/prompt_get.h"
#include "exec/resource_read.h"
#include "exec/tasks.h"
#include "exec/tool_call.h"
#include "mcp/call.h"
#include "mcp/mcp.h"
#include "mcp/session.h"

#define DISCOVER_TTL_MS 3600000 /* changes only with another version of the program */

/* Only what is there is declared. */
#define CAPABILITIES_OF_BOTH                                                                       \
    "\"completions\":{},\"logging\":{},\"prompts\":{\"listChanged\":true},"                        \
    "\"resources\":{\"listChanged\":true,\"subscribe\":true},\"tools\":{\"listChanged\":true}"
#define CAPABILITIES "{" CAPABILITIES_OF_BOTH "}"
#define CAPABILITIES_MODERN "{" CAPABILITIES_OF_BOTH ",\"extensions\":{\"" TASKS_EXTENSION "\":{}}}"

#define STRING(n) STRING_(n)
#define STRING_(n) #n

static enum rc initialize(struct mcp_call *c, struct err *e) {
    const char *requested = json_get_str(c->msg.params, "protocolVersion");

    if (c->msg.in_batch) /* lifecycle of 2025-03-26 */
        return err_set(e, ERR_RPC_INVALID_REQUEST,
                       "Invalid request: initialize must not be part of a batch");
    if (!requested)
        return err_set(e, ERR_RPC_INVALID_PARAMS,
                       "Invalid params: protocolVersion must be a string");
    /* "Version Negotiation": the requested one if we have it, else our latest. */
    c->answer.result.p = arena_printf(
        c->arena,
        "{\"protocolVersion\":\"%s\",\"capabilities\":" CAPABILITIES
        ",\"serverInfo\":" MCP_SERVER_INFO "}",
        mcp_version_is_handshake_version(requested) ? requested : MCP_VERSION_HANDSHAKE);
    c->answer.result.len = strlen(c->answer.result.p);
    mcp_session_start(c);
    return OK;
}

static enum rc ping(struct mcp_call *c, struct err *e) {
    (void)e;
    c->answer.result = TEXT_LITERAL("{}");
    return OK;
}

static enum rc discover(struct mcp_call *c, struct err *e) {
    (void)e;
    c->answer.result = TEXT_LITERAL(
        "{\"resultType\":\"complete\",\"supportedVersions\":[\"" MCP_VERSION_MODERN
        "\"],\"capabilities\":" CAPABILITIES_MODERN ",\"ttlMs\":" STRING(
            DISCOVER_TTL_MS) ",\"cacheScope\":\"public\",\"_meta\":{\"" META_SERVER_INFO
                             "\":" MCP_SERVER_INFO "}}");
    return OK;
}

#define BOTH (PROTOCOL_HANDSHAKE | PROTOCOL_STATELESS)

static const struct mcp_method methods[] = {
    {"completion/complete", BOTH, mcp_complete, mcp_complete_scopes, NULL, "completion", "ref"},
    {"initialize", PROTOCOL_HANDSHAKE, initialize, NULL, NULL, NULL, NULL},
    {"logging/setLevel", PROTOCOL_HANDSHAKE, mcp_set_level, NULL, NULL, NULL, NULL},
    {"ping", PROTOCOL_HANDSHAKE, ping, NULL, NULL, NULL, NULL},
    {"prompts/get", BOTH, mcp_prompts_get, mcp_prompts_get_scopes, "name", "prompt_get", "prompt"},
    {"prompts/list", BOTH, mcp_prompts_list, NULL, NULL, NULL, NULL},
    {"resources/list", BOTH, mcp_resources_list, NULL, NULL, NULL, NULL},
    {"resources/read", BOTH, mcp_resources_read, mcp_resources_read_scopes, "uri", "resource_read",
     "resource"},
    {"resources/subscribe", PROTOCOL_HANDSHAKE, mcp_subscribe, mcp_resources_read_scopes, NULL,
     NULL, NULL},
    {"resources/templates/list", BOTH, mcp_resource_templates_list, NULL, NULL, NULL, NULL},
    {"resources/unsubscribe", PROTOCOL_HANDSHAKE, mcp_unsubscribe, NULL, NULL, NULL, NULL},
    {"server/discover", PROTOCOL_STATELESS, discover, NULL, NULL, NULL, NULL},
    {"subscriptions/listen", PROTOCOL_STATELESS, mcp_listen, NULL, NULL, NULL, NULL},
    {"tasks/cancel", PROTOCOL_STATELESS, mcp_tasks_cancel, NULL, "taskId", NULL, NULL},
    {"tasks/get", PROTOCOL_STATELESS, mcp_tasks_get, NULL, "taskId", NULL, NULL},
    {"tasks/update", PROTOCOL_STATELESS, mcp_tasks_update, NULL, "taskId", NULL, NULL},
    {"tools/call", BOTH, mcp_tools_call, mcp_tools_call_scopes, "name", "tool_call", "tool"},
    {"tools/list", BOTH, mcp_tools_list, NULL, NULL, NULL, NULL},
};

const struct mcp_method *mcp_method_find(const char *name, enum mcp_protocol protocol) {
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if ((methods[i].protocols & protocol) && !strcmp(methods[i].name, name))
            return &methods[i];
    return NULL;
}
