#include "mcp/answer.h"

#include "mcp/call.h"

void mcp_answer_finish(struct mcp_call *c, struct json *result) {
    struct json *meta, *info;

    if (c->msg.protocol == PROTOCOL_STATELESS) {
        meta = json_get(result, "_meta");
        if (!meta) {
            meta = json_new_object(c->arena);
            json_put(result, "_meta", meta);
        }
        info = json_new_object(c->arena);
        json_put_str(info, "name", MCP_SERVER_NAME);
        json_put_str(info, "title", MCP_SERVER_NAME);
        json_put_str(info, "version", MCP_AUTHD_VERSION);
        json_put(meta, META_SERVER_INFO, info);
        if (!json_has(result, "resultType"))
            json_put_str(result, "resultType", "complete");
    }
    c->answer.result.p = json_text(c->arena, result, &c->answer.result.len);
}
