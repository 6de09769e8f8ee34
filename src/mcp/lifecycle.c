#include "mcp/lifecycle.h"

#include <string.h>

#include "mcp/call.h"
#include "mcp/protocol_version.h"
#include "mcp/session.h"
#include "mcp/site.h"

#define DISCOVER_TTL_MS 3600000 /* changes only when the program is upgraded */

#define CAPABILITIES                                                                               \
    "\"completions\":{},\"logging\":{},\"prompts\":{\"listChanged\":true},"                        \
    "\"resources\":{\"listChanged\":true,\"subscribe\":true},\"tools\":{\"listChanged\":true}"

enum rc mcp_initialize(struct mcp_call *c, struct err *e) {
    const char *requested = json_get_str(c->msg.params, "protocolVersion");

    if (c->msg.in_batch) /* lifecycle of 2025-03-26 */
        return err_set(e, ERR_RPC_INVALID_REQUEST,
                       "Invalid request: initialize must not be part of a batch");
    if (!requested)
        return err_set(e, ERR_RPC_INVALID_PARAMS,
                       "Invalid params: protocolVersion must be a string");
    /* "Version Negotiation": the requested version if it is supported, else the latest. */
    c->answer.result.p = arena_printf(
        c->arena,
        "{\"protocolVersion\":\"%s\",\"capabilities\":{" CAPABILITIES
        "},\"serverInfo\":" MCP_SERVER_INFO "}",
        mcp_version_is_handshake_version(requested) ? requested : MCP_VERSION_HANDSHAKE);
    c->answer.result.len = strlen(c->answer.result.p);
    mcp_session_start(c);
    return OK;
}

enum rc mcp_ping(struct mcp_call *c, struct err *e) {
    (void)e;
    c->answer.result = TEXT_LITERAL("{}");
    return OK;
}

enum rc mcp_discover(struct mcp_call *c, struct err *e) {
    (void)e;
    c->answer.result.p = arena_printf(
        c->arena,
        "{\"resultType\":\"complete\",\"supportedVersions\":[\"" MCP_VERSION_STATELESS
        "\"],\"capabilities\":{" CAPABILITIES ",\"extensions\":%s},\"ttlMs\":%d"
        ",\"cacheScope\":\"public\",\"_meta\":{\"" META_SERVER_INFO "\":" MCP_SERVER_INFO "}}",
        c->x->site->mcp->service->extensions, DISCOVER_TTL_MS);
    c->answer.result.len = strlen(c->answer.result.p);
    return OK;
}
