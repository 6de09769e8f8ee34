/* The tools: what clients see of each, and how it is served. */
#ifndef CATALOG_TOOLS_H
#define CATALOG_TOOLS_H

#include "catalog/list.h"
#include "catalog/manifest.h"
#include "catalog/param_headers.h"
#include "config/config.h"
#include "jsonschema/schema.h"

#define TOOLS_MAX 512

struct mcp_call;
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

/* The built-in tools and those of TOOLS_DIR, in the order of their names. A bad manifest is left
 * out and reported to `problems`, a line each with file and reason; *bad counts them. Never NULL.
 */
struct tool_set *tool_set_load(const struct config *config, FILE *problems, unsigned *bad);
void tool_set_free(struct tool_set *t); /* NULL is accepted */
/* tool_advice.c: writes a line, with "warning:", for whatever in a tool of the directory widely
 * used clients refuse. */
void tool_set_advise(const struct tool_set *set, const char *dir, FILE *out);
const struct tool *tool_find(const struct tool_set *set, const char *name);

/* tool_manifest.c: ERR_INVALID_REQUEST with the reason. */
enum rc tool_manifest_read(const struct manifest *m, struct tool *out) MUST_USE;
/* Compiles inputSchema and outputSchema of a Tool object. */
enum rc tool_schemas_compile(struct arena *keep, const struct json *definition, struct tool *tool,
                             struct err *e) MUST_USE;

/* exec/tool_builtin.c */
extern const struct tool tool_builtins[];
extern const size_t tool_builtin_count;

#endif
