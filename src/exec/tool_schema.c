#include "exec/tool_schema.h"

#include "base/base.h"
#include "exec/tool_result.h"
#include "mcp/call.h"

/* From this version on wrong arguments give a result with isError; before, a protocol error ("Error
 * Handling" of each revision). */
#define VERSION_ERRORS_ARE_RESULTS "2025-11-25"

/* "/a must be a string (inputSchema #/properties/a/type)" */
static const char *sentence(struct arena *a, const struct schema_error *why, const char *schema) {
    return arena_printf(a, "%s%s%s%s%s%s%s%s", why->instance, *why->instance ? " " : "",
                        why->reason, *why->keyword ? " (" : "", *why->keyword ? schema : "",
                        *why->keyword ? " " : "", why->keyword, *why->keyword ? ")" : "");
}

/* A check that exceeds a limit is usually the schema's fault, so the admin must know. */
static void log_bound(const struct mcp_call *c, const struct tool *tool, const char *schema,
                      const struct schema_error *why) {
    log_warn("schema_bound", kv("request", c->x->rq->id), kv("tool", tool->entry.name),
             kv("schema", schema), kv("at", why->keyword), kv("why", why->reason));
}

enum rc tool_check_arguments(struct mcp_call *c, const struct tool *tool,
                             const struct json *arguments, struct json **result, struct err *e) {
    struct schema_error why;
    const char *text;
    enum rc rc = tool->input ? schema_check(tool->input, arguments, c->arena, &why) : OK;

    if (!rc)
        return OK;
    if (rc == ERR_TOO_LARGE)
        log_bound(c, tool, "inputSchema", &why);
    text = sentence(c->arena, &why, "inputSchema");
    if (strcmp(c->msg.version, VERSION_ERRORS_ARE_RESULTS) < 0)
        return err_set(e, ERR_RPC_INVALID_PARAMS, "Invalid arguments: %s",
                       text_quotable(c->arena, text));
    text = arena_printf(c->arena, "Invalid arguments: %s.", text);
    *result = tool_text_result(c->arena, text, strlen(text), true);
    return OK;
}

struct json *tool_check_result(struct mcp_call *c, const struct tool *tool, struct json *result) {
    struct schema_error why;
    const char *text;
    enum rc rc;

    if (!tool->output || json_get_bool(result, "isError") || !json_has(result, "structuredContent"))
        return result;
    rc = schema_check(tool->output, json_get(result, "structuredContent"), c->arena, &why);
    if (!rc)
        return result;
    if (rc == ERR_TOO_LARGE)
        log_bound(c, tool, "outputSchema", &why);
    else
        log_error("tool_output_mismatch", kv("request", c->x->rq->id), kv("tool", tool->entry.name),
                  kv("at", why.instance), kv("schema", why.keyword), kv("why", why.reason));
    c->answer.outcome = "bad_output";
    text = arena_printf(c->arena, "The tool's result is not what its outputSchema promises: %s.",
                        sentence(c->arena, &why, "outputSchema"));
    return tool_text_result(c->arena, text, strlen(text), true);
}
