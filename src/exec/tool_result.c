#include "exec/tool_result.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void add_text(struct json *content, struct arena *a, const char *text, size_t len) {
    struct json *block = json_new_object(a);

    json_put_str(block, "type", "text");
    json_put(block, "text", json_new_stringn(a, text, len));
    json_add(content, block);
}

struct json *tool_text_result(struct arena *a, const char *text, size_t len, bool is_error) {
    struct json *result = json_new_object(a), *content = json_new_array(a);

    add_text(content, a, text, len);
    json_put(result, "content", content);
    if (is_error)
        json_put_bool(result, "isError", true);
    return result;
}

struct json *tool_error_result(struct arena *a, const char *fmt, ...) {
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return tool_text_result(a, text, strlen(text), true);
}

struct json *tool_structured_result(struct arena *a, struct json *value) {
    size_t len;
    const char *text = json_text(a, value, &len);
    struct json *result = tool_text_result(a, text, len, false);

    arena_release(a, text);
    json_put(result, "structuredContent", value);
    return result;
}

/* "content" is an array of objects that each say their type. */
static bool is_content(const struct json *content) {
    if (!json_is_array(content))
        return false;
    for (size_t i = 0; i < json_len(content); i++)
        if (!json_get_str(json_at(content, i), "type"))
            return false;
    return true;
}

/* The program speaks MCP itself. Only what belongs to a finished call is taken over. */
static struct json *own_result(struct arena *a, const struct json *v) {
    struct json *result = json_new_object(a);

    if (!is_content(json_get(v, "content")))
        return NULL;
    if (json_get(v, "isError") && !json_is_bool(json_get(v, "isError")))
        return NULL;
    if (json_get(v, "_meta") && !json_is_object(json_get(v, "_meta")))
        return NULL;
    json_put(result, "content", json_get(v, "content"));
    if (json_has(v, "structuredContent")) /* of which null is a value */
        json_put(result, "structuredContent", json_get(v, "structuredContent"));
    if (json_get(v, "_meta"))
        json_put(result, "_meta", json_get(v, "_meta"));
    if (json_get_bool(v, "isError"))
        json_put_bool(result, "isError", true);
    return result;
}

static struct json *json_output(struct arena *a, const struct tool *tool, struct text out,
                                const char **outcome) {
    struct json *v, *result;
    struct err e = {0};

    *outcome = "bad_output";
    if (json_parse(a, out.p, out.len, &v, &e))
        return tool_error_result(a, "The tool's output is %s.", e.text);
    result = json_has(v, "content") ? own_result(a, v) : tool_structured_result(a, v);
    if (!result)
        return tool_error_result(a, "The tool's output is not a tool result.");
    if (tool->has_output_schema && !json_has(result, "structuredContent") &&
        !json_get_bool(result, "isError"))
        return tool_error_result(a, "The tool gave no structured result, but has a schema for it.");
    *outcome = json_get_bool(result, "isError") ? "tool_error" : "ok";
    return result;
}

/* A failed program may have said on stdout what is wrong. */
static struct json *failed(struct arena *a, const struct run_result *run, const char *sentence) {
    struct json *result = json_new_object(a), *content = json_new_array(a);

    if (run->out.len)
        add_text(content, a, run->out.p, run->out.len);
    add_text(content, a, sentence, strlen(sentence));
    json_put(result, "content", content);
    json_put_bool(result, "isError", true);
    return result;
}

static struct json *exited(struct arena *a, const struct tool *tool, const struct run_result *run,
                           const char **outcome) {
    if (run->code) {
        *outcome = "exit_status";
        return failed(a, run, arena_printf(a, "The tool ended with exit status %d.", run->code));
    }
    *outcome = run->truncated ? "truncated" : "ok";
    if (tool->run.output == TOOL_OUTPUT_TEXT)
        return tool_text_result(a, run->out.p, run->out.len, false);
    if (run->out.len || tool->run.output == TOOL_OUTPUT_JSON)
        return json_output(a, tool, run->out, outcome);
    *outcome = "bad_output";
    return tool_error_result(a, "The tool ended without a line that has its result.");
}

struct json *tool_run_result(struct arena *a, const struct tool *tool, const struct run_result *run,
                             const char **outcome) {
    const char *name;

    switch (run->end) {
    case RUN_EXITED:
        return exited(a, tool, run, outcome);
    case RUN_SIGNALLED:
        *outcome = "signal";
        name = sigabbrev_np(run->code);
        return failed(a, run,
                      arena_printf(a, "The tool was ended by signal %d (SIG%s).", run->code,
                                   name ? name : "?"));
    case RUN_TIMED_OUT:
        *outcome = "timeout";
        return tool_error_result(a, "The tool did not finish within %lld ms and was stopped.",
                                 (long long)run->timeout_ms);
    case RUN_TOO_MUCH:
        *outcome = "too_much_output";
        return tool_error_result(a, "The tool printed more than %zu bytes and was stopped.",
                                 tool->run.output_max);
    case RUN_CANCELLED:
        *outcome = "cancelled";
        return tool_error_result(a, "The call was cancelled.");
    case RUN_NOT_STARTED:
        break;
    }
    *outcome = "not_started";
    return tool_error_result(a, "The tool could not be started.");
}
