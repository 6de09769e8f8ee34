/* Arguments and results against the schemas of a tool ("Security Considerations": servers MUST
 * validate all tool inputs, and "Output Schema": MUST provide results that conform). */
#pragma once

#include "catalog/tools.h"

struct mcp_call;

/* Wrong arguments give a *result that says so, or before 2025-11-25 an error. */
enum rc tool_check_arguments(struct mcp_call *c, const struct tool *tool,
                             const struct json *arguments, struct json **result,
                             struct err *e) MUST_USE;
/* Returns the result, or if it does not match outputSchema an error that says why, and sets
 * c->answer.outcome. */
struct json *tool_check_result(struct mcp_call *c, const struct tool *tool, struct json *result);
