#include "mcp/client.h"

#include <string.h>

#include "mcp/call.h"
#include "mcp/protocol_version.h"
#include "mcp/session.h"

int mcp_log_level(const char *name) {
    static const char *const names[] = {"debug", "info",     "notice", "warning",
                                        "error", "critical", "alert",  "emergency"};

    for (int i = 0; name && i < 8; i++)
        if (!strcmp(name, names[i]))
            return i;
    return -1;
}

enum rc mcp_client_settle(struct mcp_call *c, struct err *e) {
    const struct json *meta = json_get(c->msg.params, "_meta");

    if (c->msg.protocol == PROTOCOL_HANDSHAKE) {
        c->client.log_level = LOG_WANTED_INFO;
        return c->msg.method && !strcmp(c->msg.method, "initialize") ? OK : mcp_session_find(c, e);
    }
    c->client.capabilities = json_get(meta, META_CLIENT_CAPABILITIES);
    c->client.log_level = LOG_WANTED_NONE;
    if (!json_get(meta, META_LOG_LEVEL))
        return OK;
    c->client.log_level = mcp_log_level(json_get_str(meta, META_LOG_LEVEL));
    if (c->client.log_level >= 0)
        return OK;
    c->answer.error_status = 400;
    return err_set(e, ERR_RPC_INVALID_PARAMS, "Invalid params: _meta.%s is no log level",
                   META_LOG_LEVEL);
}
