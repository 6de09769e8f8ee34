/* Private part of methods.h: tools/call. */
#include "exec/methods.h"

#include "exec/executor.h"
#include "exec/limits.h"
#include "exec/tasks.h"
#include "exec/tool_result.h"
#include "mcp/headers.h"
#include "metrics/metrics.h"

/* ---- headers that repeat arguments ---- */

#define SAFE_INTEGER_MAX 9007199254740991 /* 2^53 - 1, "Schema Extension" */

/* A decimal number as clients write integers: 42, -7, and 42.0 too ("Server Validation"). */
static bool is_decimal(const char *s) {
    static const char digits[] = "0123456789";
    size_t n;

    s += *s == '-';
    n = strspn(s, digits);
    s += n;
    if (!n || !*s)
        return n > 0;
    n = *s == '.' ? strspn(s + 1, digits) : 0;
    return n && !s[1 + n];
}

/* Is the header's text the string form of the value ("Value Encoding", type conversion)? */
static bool equals(struct arena *a, const struct param_header *h, struct text header,
                   const struct json *v) {
    const char *number = arena_strndup(a, header.p, header.len);
    struct text t;
    int64_t n;

    if (h->integer && json_int(v, &n) && strlen(number) == header.len && is_decimal(number))
        return n <= SAFE_INTEGER_MAX && n >= -SAFE_INTEGER_MAX && strtod(number, NULL) == (double)n;
    t.p = json_is_string(v) ? json_strn(v, &t.len) : json_text(a, v, &t.len);
    return text_equal(header, t);
}

/* ERR_RPC_HEADER_MISMATCH unless an argument that a header has to repeat has a header with an equal
 * value, or both are absent ("Server Validation"). */
static enum rc check_param_header(const struct mcp_call *c, const struct param_header *h,
                                  const struct json *arguments, struct err *e) {
    const struct json *v = arguments;
    const char *value;
    struct text decoded;

    for (size_t i = 0; i < h->depth; i++)
        v = json_get(v, h->path[i]);
    value = mcp_header(c->x->rq, h->header);
    /* "The server MUST NOT expect the header" if the argument is null or absent. A value that is
     * not primitive is refused later, by the schema. But a header without its argument is refused
     * here, since proxies may route by it. */
    if (!json_is_string(v) && !json_is_number(v) && !json_is_bool(v))
        return !value
                   ? OK
                   : rpc_header_mismatch(e, "the argument that %s repeats is missing", h->header);
    if (!value)
        return rpc_header_mismatch(e, "%s is missing", h->header);
    if (!mcp_header_decode(c->arena, value, &decoded))
        return rpc_header_mismatch(e, "%s is malformed", h->header);
    if (!equals(c->arena, h, decoded, v))
        return rpc_header_mismatch(e, "%s differs from the argument that it repeats", h->header);
    return OK;
}

/* ---- tools/call ---- */

/* Clients of the handshake versions accept only objects as structuredContent: any other value is
 * left out. */
static void finish(struct mcp_call *c, struct json *result) {
    if (c->msg.protocol == PROTOCOL_HANDSHAKE &&
        !json_is_object(json_get(result, "structuredContent")))
        json_del(result, "structuredContent");
    mcp_call_finish(c, result);
}

static void finish_execution(struct mcp_call *c, const struct tool *tool,
                             const struct execution *x) {
    if (x->error == ERR_RPC_QUOTA) /* answered by a result, so not counted as an error */
        metrics_count(METRIC_DENIALS, x->error);
    finish(c, tool_check_result(c, tool, tool_result(c, tool, x)));
}

static enum rc create_task(struct mcp_call *c, const struct tool *tool, struct json *arguments,
                           struct err *e) {
    const char *refused = NULL;
    struct execution x;
    enum rc rc = limit_rate(c, e);

    if (!rc)
        rc = task_create(c, tool, arguments, &refused, e);
    c->answer.outcome = !rc ? "task" : c->stream.disconnected ? "cancelled" : "error";
    if (rc || !refused)
        return rc;
    execution_over_quota(&x, refused);
    finish_execution(c, tool, &x);
    return OK;
}

static enum rc execute_tool(struct mcp_call *c, const struct tool *tool, struct json *arguments,
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
    if (!rc && !x.is_input_required)
        finish_execution(c, tool, &x);
    return rc;
}

enum rc tool_call(struct mcp_call *c, const struct tool *tool, struct json *arguments,
                  struct err *e) {
    struct json *error_result = NULL;

    c->answer.outcome = "bad_arguments";
    if (tool_check_arguments(c, tool, arguments, &error_result, e))
        return e->code;
    if (!error_result)
        return execute_tool(c, tool, arguments, e);
    finish(c, error_result);
    return OK;
}

enum rc mcp_tools_call(struct mcp_call *c, struct err *e) {
    struct json *arguments;
    const struct entry *entry;
    const struct tool *tool;

    if (called_entry(c, &entry, &arguments, e))
        return e->code;
    tool = (const struct tool *)entry;
    for (size_t i = 0; c->msg.protocol == PROTOCOL_STATELESS && i < tool->headers.count; i++)
        if (check_param_header(c, &tool->headers.list[i], arguments, e))
            return e->code;
    return tool_call(c, tool, arguments ? arguments : json_new_object(c->arena), e);
}
