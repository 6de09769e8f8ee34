#include "exec/tool_result.h"

#include <ctype.h>

#include "mcp/call.h"

struct json *text_content(struct arena *a, struct text t) {
    struct json *content = json_new_object(a);

    json_put_str(content, "type", "text");
    json_put(content, "text", json_new_stringn(a, t.p, t.len));
    return content;
}

struct json *tool_text_result(struct arena *a, struct text t, bool is_error) {
    struct json *content = json_new_array(a), *result = json_new_member(a, "content", content);

    json_add(content, text_content(a, t));
    if (is_error)
        json_put_bool(result, "isError", true);
    return result;
}

static struct json *error_result(struct arena *a, const char *sentence) {
    return tool_text_result(a, text_of(sentence), true);
}

struct json *tool_structured_result(struct arena *a, struct json *value) {
    const struct text t = json_as_text(a, value);
    struct json *result = tool_text_result(a, t, false);

    arena_release(a, t.p);
    json_put(result, "structuredContent", value);
    return result;
}

/* Is it an array of objects, each with a "type"? */
static bool is_content(const struct json *content) {
    if (!json_is_array(content))
        return false;
    for (size_t i = 0; i < json_len(content); i++)
        if (!json_get_str(json_at(content, i), "type"))
            return false;
    return true;
}

struct json *tool_read_result(struct arena *a, const struct json *v) {
    struct json *result = json_new_object(a);

    if (!is_content(json_get(v, "content")))
        return NULL;
    if (json_get(v, "isError") && !json_is_bool(json_get(v, "isError")))
        return NULL;
    if (json_get(v, "_meta") && !json_is_object(json_get(v, "_meta")))
        return NULL;
    json_put(result, "content", json_get(v, "content"));
    if (json_has(v, "structuredContent")) /* null is a value too */
        json_put(result, "structuredContent", json_get(v, "structuredContent"));
    json_put_given(result, "_meta", json_get(v, "_meta"));
    if (json_get_bool(v, "isError"))
        json_put_bool(result, "isError", true);
    return result;
}

static struct json *json_output(struct mcp_call *c, const struct tool *tool, struct text out) {
    struct arena *a = c->arena;
    struct json *v, *result;
    struct err e = {0};

    c->answer.outcome = "bad_output";
    if (json_parse(a, out.p, out.len, &v, &e))
        return error_result(a, arena_printf(a, "The tool's output is %s.", e.text));
    result = json_has(v, "content") ? tool_read_result(a, v) : tool_structured_result(a, v);
    if (!result)
        return error_result(a, "The tool's output is not a valid CallToolResult.");
    if (tool->output && !json_has(result, "structuredContent") && !json_get_bool(result, "isError"))
        return error_result(a, "The tool's output has no structuredContent, but the tool has an "
                               "outputSchema.");
    c->answer.outcome = json_get_bool(result, "isError") ? "tool_error" : "ok";
    return result;
}

/* A failed program may have printed the reason to stdout. */
static struct json *failed(struct arena *a, const struct execution *x) {
    char *sentence = arena_printf(a, "%s.", x->failure);
    struct json *result;

    *sentence = (char)toupper((unsigned char)*sentence);
    if (!x->output.len)
        return error_result(a, sentence);
    result = tool_text_result(a, x->output, true);
    json_add(json_get(result, "content"), text_content(a, text_of(sentence)));
    return result;
}

struct json *tool_result(struct mcp_call *c, const struct tool *tool, const struct execution *x) {
    c->answer.outcome = x->outcome;
    if (x->failure)
        return failed(c->arena, x);
    if (x->result)
        return x->result;
    if (x->form == OUTPUT_TEXT)
        return tool_text_result(c->arena, x->output, false);
    if (x->output.len || x->form == OUTPUT_JSON)
        return json_output(c, tool, x->output);
    c->answer.outcome = "bad_output";
    return error_result(c->arena, "The tool ended without printing a line with its result.");
}

/* ---- against the tool's schemas ---- */

/* From this version on invalid arguments are answered by a result with isError; before it, by a
 * protocol error ("Error Handling" of each version). */
#define FIRST_VERSION_WITH_ERROR_RESULTS "2025-11-25"

/* Such as "/a must be a string (inputSchema #/properties/a/type)". */
static const char *violation(struct arena *a, const struct schema_error *why, const char *schema) {
    return arena_printf(a, "%s%s%s%s%s%s%s%s", why->instance, *why->instance ? " " : "",
                        why->reason, *why->keyword ? " (" : "", *why->keyword ? schema : "",
                        *why->keyword ? " " : "", why->keyword, *why->keyword ? ")" : "");
}

/* A check that exceeds a limit is usually the schema's fault, so it is logged for the admin. */
static void log_limit(const struct mcp_call *c, const struct tool *tool, const char *schema,
                      const struct schema_error *why) {
    log_warn("schema_limit_exceeded", kv("request", c->x->rq->id), kv("tool", tool->entry.name),
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
        log_limit(c, tool, "inputSchema", &why);
    text = violation(c->arena, &why, "inputSchema");
    if (strcmp(c->msg.version, FIRST_VERSION_WITH_ERROR_RESULTS) < 0)
        return err_set(e, ERR_RPC_INVALID_PARAMS, "Invalid arguments: %s",
                       text_quotable(c->arena, text));
    text = arena_printf(c->arena, "Invalid arguments: %s.", text);
    *result = error_result(c->arena, text);
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
        log_limit(c, tool, "outputSchema", &why);
    else
        log_error("tool_output_mismatch", kv("request", c->x->rq->id), kv("tool", tool->entry.name),
                  kv("at", why.instance), kv("schema", why.keyword), kv("why", why.reason));
    c->answer.outcome = "bad_output";
    text = arena_printf(c->arena, "The tool's result does not match its outputSchema: %s.",
                        violation(c->arena, &why, "outputSchema"));
    return error_result(c->arena, text);
}
