/* The tools: their schemas, and whether a call may become a task. */
#pragma once

#include "catalog/catalog.h"
#include "jsonschema/schema.h"

/* An argument that clients repeat in the HTTP header Mcp-Param-<name>, by `x-mcp-header` in an
 * inputSchema ("Schema Extension" of Streamable HTTP, 2026-07-28). */
struct param_header {
    const char *const *path; /* members of the arguments, from the outside in */
    size_t depth;
    const char *header; /* in lower case, as requests have it */
    const char *name;   /* as the schema has it, for requests of ours */
    bool integer;       /* compared as a number */
};

struct param_headers {
    struct param_header *list;
    size_t count;
};

#define APPS_EXTENSION "io.modelcontextprotocol/ui" /* MCP Apps (SEP-1865) */
#define APP_SCHEME "ui://"
#define APP_MIME_TYPE "text/html;profile=mcp-app" /* of the resource with a tool's interface */

/* Can or must a call become a task (Tasks extension)? */
enum tool_task { TASK_NEVER, TASK_OPTIONAL, TASK_REQUIRED };

struct tool {
    struct entry entry; /* first */
    enum tool_task task;
    bool task_after_input;               /* only a call with inputResponses becomes a task */
    const struct schema *input, *output; /* NULL: none; anything is valid */
    struct param_headers headers;
};
