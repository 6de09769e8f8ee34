#include "exec/tool_call.h"

#include <string.h>

#include "catalog/tools.h"
#include "exec/param_headers_check.h"
#include "exec/program.h"
#include "exec/tasks.h"
#include "exec/tool_result.h"
#include "exec/tool_schema.h"
#include "mcp/call.h"
#include "mcp/site.h"

static const struct tool *called_tool(const struct mcp_call *c) {
    const char *name = json_get_str(c->msg.params, "name");

    return name ? tool_find(c->x->site->mcp->tools, name) : NULL;
}

const char *mcp_tools_call_scopes(const struct mcp_call *c) {
    const struct tool *tool = called_tool(c);

    return tool ? tool->scopes : "";
}

/* NULL with OK: c->answer.result holds the answer, because the program needs input. */
static enum rc run(struct mcp_call *c, const struct tool *tool, struct json *arguments,
                   struct json **result, const char **outcome, struct err *e) {
    struct program p = {
        .run = &tool->run, .kind = "tool", .name = tool->name, .input = json_new_object(c->arena)};
    struct run_result end;
    bool answered, is_task;
    enum rc rc = task_wanted(c, tool, &is_task, e);

    *outcome = rc ? "missing_capability" : "task";
    if (!rc && is_task)
        rc = program_may_start(c, e);
    if (!rc && is_task)
        rc = task_create(c, tool, arguments, e);
    if (rc && is_task)
        *outcome = c->stream.gone ? "cancelled" : "error";
    if (rc || is_task)
        return rc;
    json_put(p.input, "arguments", arguments);
    p.bound = arguments;
    rc = program_call(c, &p, &end, &answered, e);
    *outcome = rc ? "error" : "input_required";
    if (!rc && !answered)
        *result = tool_run_result(c->arena, tool, &end, outcome);
    return rc;
}

/* Clients of the handshake revisions know structuredContent as an object only. */
static void finish(struct mcp_call *c, struct json *result) {
    if (c->msg.protocol == PROTOCOL_HANDSHAKE &&
        !json_is_object(json_get(result, "structuredContent")))
        json_del(result, "structuredContent");
    mcp_answer_finish(c, result);
}

enum rc mcp_tools_call(struct mcp_call *c, struct err *e) {
    const char *name = json_get_str(c->msg.params, "name"), *outcome = "ok";
    struct json *arguments = json_get(c->msg.params, "arguments"), *result = NULL;
    const struct tool *tool = called_tool(c);
    enum rc rc = OK;

    if (tool)
        c->answer.target = tool->name;
    if (!name)
        return err_set(e, ERR_RPC_INVALID_PARAMS, "Invalid params: name must be a string");
    if (!tool) {
        c->answer.outcome = "unknown_tool";
        return err_set(e, ERR_RPC_INVALID_PARAMS, "Unknown tool: %s",
                       text_quotable(c->arena, name));
    }
    if (arguments && !json_is_object(arguments))
        return err_set(e, ERR_RPC_INVALID_PARAMS, "Invalid params: arguments must be an object");
    if (c->msg.protocol == PROTOCOL_STATELESS)
        rc = param_headers_check(c, &tool->headers, arguments, e);
    if (rc)
        return rc;
    if (!arguments)
        arguments = json_new_object(c->arena);
    rc = tool_check_arguments(c, tool, arguments, &result, e);
    if (rc || result)
        outcome = "bad_arguments";
    else if (tool->builtin)
        tool->builtin(c, arguments, &result, &outcome);
    else
        rc = run(c, tool, arguments, &result, &outcome, e);
    if (result)
        finish(c, tool_check_result(c, tool, result, &outcome));
    c->answer.outcome = outcome;
    return rc;
}
