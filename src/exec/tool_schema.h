/* Arguments and results against the schemas of a tool ("Security Considerations": servers MUST
 * validate all tool inputs, and "Output Schema": MUST provide results that conform). */
#ifndef EXEC_TOOL_SCHEMA_H
#define EXEC_TOOL_SCHEMA_H

#include "catalog/tools.h"

struct mcp_call;

/* Wrong arguments give a *result that says so, or before 2025-11-25 an error. */
enum rc tool_check_arguments(struct mcp_call *c, const struct tool *tool,
                             const struct json *arguments, struct json **result,
                             struct err *e) MUST_USE;
/* The result, or one in its place that says why it is not what outputSchema promises; then
 * c->answer.outcome says so too. */
struct json *tool_check_result(struct mcp_call *c, const struct tool *tool, struct json *result);

#endif
