/* tools/list and tools/call. */
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "mcp/tools.h"

enum rc mcp_tools_list(struct mcp_call *c, struct err *e) {
    return list_page(c, &c->cx->tools->list, e);
}

static const struct tool *called_tool(const struct mcp_call *c) {
    const char *name = json_get_str(c->msg.params, "name");

    return name ? tool_find(c->cx->tools, name) : NULL;
}

const char *mcp_tools_call_scopes(const struct mcp_call *c) {
    const struct tool *tool = called_tool(c);

    return tool ? tool->scopes : "";
}

/* Who did what, and how it ended; never what was passed. */
static void audit(const struct mcp_call *c, const char *tool, const char *outcome,
                  int64_t began_ms) {
    log_info("tool_call", kv("request", c->rq->id), kv("tool", tool), kv("sub", c->claims->sub),
             kv("client_id", c->claims->client_id), kv("outcome", outcome),
             kvn("ms", clock_monotonic_ms() - began_ms));
}

/* What the program reads (docs/tools.md). */
static struct text make_input(struct mcp_call *c, const struct tool *tool, struct json *arguments) {
    struct json *input = json_new_object(c->arena), *caller = json_new_object(c->arena);
    struct json *scopes = json_new_array(c->arena);
    struct text t;

    for (const char *p = c->claims->scope; *p;) {
        size_t n = strcspn(p, " ");

        if (n)
            json_add(scopes, json_new_stringn(c->arena, p, n));
        p += n + (p[n] == ' ');
    }
    json_put_str(caller, "sub", c->claims->sub);
    json_put_str(caller, "username", c->claims->username);
    json_put_str(caller, "client_id", c->claims->client_id);
    json_put(caller, "scopes", scopes);
    json_put_str(input, "tool", tool->name);
    json_put(input, "arguments", arguments);
    json_put(input, "caller", caller);
    t.p = json_text(c->arena, input, &t.len);
    return t;
}

static struct json *run(struct mcp_call *c, const struct tool *tool, struct json *arguments,
                        const char **outcome) {
    const char *envp[] = {"PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8",
                          arena_printf(c->arena, "MCP_TOOL=%s", tool->name),
                          arena_printf(c->arena, "MCP_REQUEST_ID=%s", c->rq->id), NULL};
    int64_t left = c->deadline_ms - clock_monotonic_ms();
    struct run_spec spec = {.argv = tool->run.argv,
                            .envp = envp,
                            .dir = tool->run.dir,
                            .timeout_ms = tool->run.timeout_ms,
                            .output_max = tool->run.output_max,
                            .input = make_input(c, tool, arguments)};
    struct run_result result;

    if (spec.timeout_ms > left)
        spec.timeout_ms = left > 0 ? left : 0;
    run_program(c->arena, &spec, &result);
    if (result.err.len)
        log_info("tool_stderr", kv("request", c->rq->id), kv("tool", tool->name),
                 kv("text", result.err.p));
    if (result.end == RUN_NOT_STARTED)
        log_error("tool_not_started", kv("request", c->rq->id), kv("tool", tool->name),
                  kv("why", strerror(result.code)));
    return tool_run_result(c->arena, tool, &result, outcome);
}

/* Clients of the handshake revisions know structuredContent as an object only. */
static void finish(struct mcp_call *c, struct json *result) {
    if (c->era == ERA_HANDSHAKE && !json_is_object(json_get(result, "structuredContent")))
        json_del(result, "structuredContent");
    mcp_call_finish(c, result);
}

enum rc mcp_tools_call(struct mcp_call *c, struct err *e) {
    const char *name = json_get_str(c->msg.params, "name"), *outcome = "ok";
    struct json *arguments = json_get(c->msg.params, "arguments"), *result = NULL;
    const struct tool *tool = called_tool(c);
    int64_t began = clock_monotonic_ms();

    if (!name)
        return err_set(e, ERR_RPC_INVALID_PARAMS, "Invalid params: name must be a string");
    if (!tool) {
        name = rpc_quotable(c->arena, name);
        audit(c, name, "unknown_tool", began);
        return err_set(e, ERR_RPC_INVALID_PARAMS, "Unknown tool: %s", name);
    }
    if (json_has(c->msg.params, "arguments") && !json_is_object(arguments))
        return err_set(e, ERR_RPC_INVALID_PARAMS, "Invalid params: arguments must be an object");
    if (c->era == ERA_MODERN) {
        enum rc rc = param_headers_check(c, &tool->headers, arguments, e);

        if (rc)
            return rc;
    }
    if (!arguments)
        arguments = json_new_object(c->arena);
    if (tool->builtin)
        tool->builtin(c, arguments, &result, &outcome);
    else
        result = run(c, tool, arguments, &outcome);
    finish(c, result);
    audit(c, tool->name, outcome, began);
    return OK;
}
