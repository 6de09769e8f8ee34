/* Private part of methods.h: tools/call. */
#include "exec/methods.h"

#include <ctype.h>
#include <string.h>

#include "base/base.h"
#include "catalog/catalog.h"
#include "catalog/tools.h"
#include "exec/executors.h"
#include "exec/tasks.h"
#include "exec/tool_result.h"
#include "mcp/call.h"
#include "mcp/headers.h"

/* ---- headers that repeat arguments ---- */

#define SAFE_INTEGER_MAX 9007199254740991 /* 2^53 - 1, "Schema Extension" */

/* A decimal number as clients write integers: 42, -7, and 42.0 too ("Server Validation"). */
static bool is_decimal(const char *s, size_t len) {
    size_t i = len && *s == '-', digits = 0;

    for (; i < len && isdigit((unsigned char)s[i]); i++)
        digits++;
    if (!digits || i == len)
        return digits > 0;
    if (s[i++] != '.' || i == len)
        return false;
    while (i < len && isdigit((unsigned char)s[i]))
        i++;
    return i == len;
}

static bool equals_text(struct text t, const char *s, size_t len) {
    return t.len == len && !memcmp(t.p, s, len);
}

/* Is the header's text the string form of the value ("Value Encoding", type conversion)? */
static bool equals(struct arena *a, const struct param_header *h, struct text header,
                   const struct json *v, bool is_true) {
    size_t len;
    const char *s;
    int64_t n;

    if (json_is_string(v)) {
        s = json_strn(v, &len);
        return equals_text(header, s, len);
    }
    if (json_is_bool(v))
        return is_true ? equals_text(header, "true", 4) : equals_text(header, "false", 5);
    if (h->integer && json_int(v, &n) && is_decimal(header.p, header.len)) {
        if (n > SAFE_INTEGER_MAX || n < -SAFE_INTEGER_MAX)
            return false;
        return strtod(arena_strndup(a, header.p, header.len), NULL) == (double)n;
    }
    s = json_text(a, v, &len);
    return equals_text(header, s, len);
}

static enum rc check_one(const struct mcp_call *c, const struct param_header *h,
                         const struct json *arguments, struct err *e) {
    const struct json *object = arguments, *v;
    const char *last = h->path[h->depth - 1], *value;
    struct text decoded;

    for (size_t i = 0; i + 1 < h->depth; i++)
        object = json_get(object, h->path[i]);
    v = json_get(object, last);
    value = mcp_header(c->x->rq, h->header);
    /* "The server MUST NOT expect the header" for null or an absent argument. Values that are not
     * primitive are left to the check against the schema. But a header without its argument is
     * refused, since proxies may route by it. */
    if (!json_is_string(v) && !json_is_number(v) && !json_is_bool(v))
        return !value ? OK
                      : err_set(e, ERR_RPC_HEADER_MISMATCH,
                                "Header mismatch: the arguments have nothing that %s repeats",
                                h->header);
    if (!value)
        return err_set(e, ERR_RPC_HEADER_MISMATCH, "Header mismatch: %s is missing", h->header);
    if (!mcp_header_decode(c->arena, value, &decoded))
        return err_set(e, ERR_RPC_HEADER_MISMATCH, "Header mismatch: %s is malformed", h->header);
    if (!equals(c->arena, h, decoded, v, json_get_bool(object, last)))
        return err_set(e, ERR_RPC_HEADER_MISMATCH,
                       "Header mismatch: %s is not what the arguments say", h->header);
    return OK;
}

/* ERR_RPC_HEADER_MISMATCH unless each mirrored argument that is present has a header with an equal
 * value, and each that is absent has no header ("Server Validation"). */
static enum rc param_headers_check(const struct mcp_call *c, const struct param_headers *h,
                                   const struct json *arguments, struct err *e) {
    enum rc rc = OK;

    for (size_t i = 0; !rc && i < h->count; i++)
        rc = check_one(c, &h->list[i], arguments, e);
    return rc;
}

/* ---- tools/call ---- */

static const struct tool *called_tool(const struct mcp_call *c) {
    const char *name = json_get_str(c->msg.params, "name");

    return name ? catalog_tool(c->x->site->mcp->catalog, name) : NULL;
}

const char *mcp_tools_call_scopes(const struct mcp_call *c) {
    const struct tool *tool = called_tool(c);

    return tool ? tool->entry.scopes : "";
}

/* Clients of the handshake versions accept only objects as structuredContent: any other value is
 * left out. */
static void finish(struct mcp_call *c, struct json *result) {
    if (c->msg.protocol == PROTOCOL_HANDSHAKE &&
        !json_is_object(json_get(result, "structuredContent")))
        json_del(result, "structuredContent");
    mcp_call_finish(c, result);
}

static enum rc create_task(struct mcp_call *c, const struct tool *tool, struct json *arguments,
                           struct err *e) {
    enum rc rc = execution_take_rate_limit(c, e);

    if (!rc)
        rc = task_create(c, tool, arguments, e);
    c->answer.outcome = !rc ? "task" : c->stream.disconnected ? "cancelled" : "error";
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
