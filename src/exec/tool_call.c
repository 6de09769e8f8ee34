#include "exec/tool_call.h"

#include <string.h>

#include "catalog/catalog.h"
#include "exec/executors.h"
#include "exec/param_headers_check.h"
#include "exec/tasks.h"
#include "exec/tool_result.h"
#include "exec/tool_schema.h"
#include "mcp/call.h"

static const struct tool *called_tool(const struct mcp_call *c) {
    const char *name = json_get_str(c->msg.params, "name");

    return name ? catalog_tool(c->x->site->mcp->catalog, name) : NULL;
}

const char *mcp_tools_call_scopes(const struct mcp_call *c) {
    const struct tool *tool = called_tool(c);

    return tool ? tool->entry.scopes : "";
}

/* Clients of the handshake versions accept only objects as structuredContent. */
static void finish(struct mcp_call *c, struct json *result) {
    if (c->msg.protocol == PROTOCOL_HANDSHAKE &&
        !json_is_object(json_get(result, "structuredContent")))
        json_del(result, "structuredContent");
    mcp_call_finish(c, result);
}

static enum rc create_task(struct mcp_call *c, const struct tool *tool, struct json *arguments,
                           struct err *e) {
    enum rc rc = execution_may_start(c, e);

    if (!rc)
        rc = task_create(c, tool, arguments, e);
    c->answer.outcome = !rc ? "task" : c->stream.gone ? "cancelled" : "error";
    return rc;
}

static enum rc call_tool(struct mcp_call *c, const struct tool *tool, struct json *arguments,
                         struct err *e) {
    const struct invocation i = {
        &tool->entry.source, "tool", tool->entry.name, {{"arguments", arguments}}};
    struct execution x;
    bool is_task;
    enum rc rc;

    c->answer.outcome = "missing_capability";
    rc = task_wanted(c, tool, &is_task, e);
    if (rc)
        return rc;
    if (is_task)
        return create_task(c, tool, arguments, e);
    rc = execute(c, &i, &x, e);
    if (!rc && !x.is_answered)
        finish(c, tool_check_result(c, tool, tool_result(c, tool, &x)));
    return rc;
}

static enum rc read_arguments(struct mcp_call *c, const struct tool *tool, struct json **arguments,
                              struct err *e) {
    *arguments = json_get(c->msg.params, "arguments");
    if (*arguments && !json_is_object(*arguments))
        return err_set(e, ERR_RPC_INVALID_PARAMS, "Invalid params: arguments must be an object");
    if (c->msg.protocol == PROTOCOL_STATELESS &&
        param_headers_check(c, &tool->headers, *arguments, e))
        return e->code;
    if (!*arguments)
        *arguments = json_new_object(c->arena);
    return OK;
}

enum rc mcp_tools_call(struct mcp_call *c, struct err *e) {
    const char *name = json_get_str(c->msg.params, "name");
    const struct tool *tool = called_tool(c);
    struct json *arguments, *refusal = NULL;
    enum rc rc;

    if (!name)
        return err_set(e, ERR_RPC_INVALID_PARAMS, "Invalid params: name must be a string");
    if (!tool) {
        c->answer.outcome = "unknown_tool";
        return err_set(e, ERR_RPC_INVALID_PARAMS, "Unknown tool: %s",
                       text_quotable(c->arena, name));
    }
    c->answer.target = tool->entry.name;
    rc = read_arguments(c, tool, &arguments, e);
    if (rc)
        return rc;
    c->answer.outcome = "bad_arguments";
    rc = tool_check_arguments(c, tool, arguments, &refusal, e);
    if (rc)
        return rc;
    if (!refusal)
        return call_tool(c, tool, arguments, e);
    finish(c, refusal);
    return OK;
}
