/* The tools, as the MCP room sees them. */
#ifndef CATALOG_TOOLS_H
#define CATALOG_TOOLS_H

#include "catalog/list.h"
#include "catalog/manifest.h"
#include "jsonschema/schema.h"
#include "mcp/call.h"
#include "mcp/headers.h"
#include "runner/process.h"

#define TOOLS_MAX 512

/* Fills *result with a CallToolResult, and *outcome with a word for the audit line. */
typedef void tool_builtin_fn(struct mcp_call *c, const struct json *arguments, struct json **result,
                             const char **outcome);

/* May a call become a task, or must it (Tasks extension)? */
enum tool_task { TASK_NEVER, TASK_OPTIONAL, TASK_REQUIRED };

struct tool {
    const char *name;
    const char *file;         /* of the manifest; NULL for a built-in tool */
    const char *scopes;       /* beyond those of every call; "" for none */
    tool_builtin_fn *builtin; /* NULL: a program */
    struct tool_run run;
    bool has_output_schema;
    enum tool_task task;
    bool task_after_input;               /* the task begins with the first call that brings input */
    const struct schema *input, *output; /* NULL: none, so anything is right */
    struct param_headers headers;
    struct text definition[2]; /* for each kind of protocol version, see protocol_index */
};

struct tool_set {
    struct arena *arena;
    struct tool *tools; /* by name */
    size_t count;
    struct list list; /* what tools/list answers */
};

/* tools.c */
const struct tool *tool_find(const struct tool_set *set, const char *name);

/* tool_manifest.c: ERR_INVALID_REQUEST with the reason. */
enum rc tool_manifest_read(const struct manifest *m, struct tool *out) MUST_USE;

/* tool_schema.c: compiles inputSchema and outputSchema of a Tool object. */
enum rc tool_schemas_compile(struct arena *keep, const struct json *definition, struct tool *tool,
                             struct err *e) MUST_USE;
/* Wrong arguments give a *result that says so, or before 2025-11-25 an error. */
enum rc tool_check_arguments(struct mcp_call *c, const struct tool *tool,
                             const struct json *arguments, struct json **result,
                             struct err *e) MUST_USE;
/* The result, or one in its place that says why it is not what outputSchema promises. */
struct json *tool_check_result(struct mcp_call *c, const struct tool *tool, struct json *result,
                               const char **outcome);

/* tool_builtin.c */
extern const struct tool tool_builtins[];
extern const size_t tool_builtin_count;

/* tool_result.c */
struct json *tool_text_result(struct arena *a, const char *text, size_t len, bool is_error);
struct json *tool_error_result(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* A result of a JSON value: structuredContent, and the same as text for clients that do not read
 * it ("Structured Content"). `value` may be NULL for JSON null. */
struct json *tool_structured_result(struct arena *a, struct json *value);
/* What a program's end and output mean. */
struct json *tool_run_result(struct arena *a, const struct tool *tool, const struct run_result *run,
                             const char **outcome);

#endif
