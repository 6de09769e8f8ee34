/* CallToolResults from texts, JSON values and executions. Errors are sentences that a model and its
 * user can act on ("Error Handling"). */
#pragma once

#include "base/attr.h"
#include "catalog/tools.h"
#include "exec/executor.h"

struct json *tool_text_result(struct arena *a, const char *text, size_t len, bool is_error);
struct json *tool_error_result(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* A result of a JSON value: structuredContent, and the same as text for clients that do not read
 * it ("Structured Content"). `value` may be NULL for JSON null. */
struct json *tool_structured_result(struct arena *a, struct json *value);
/* Makes a result of an execution. Fills c->answer.outcome. */
struct json *tool_result(struct mcp_call *c, const struct tool *tool, const struct execution *x);

/* Checks against the tool's schemas: servers MUST validate all tool inputs ("Security
 * Considerations") and MUST provide results that conform ("Output Schema"). */
/* If the arguments are wrong, *result is an error result that says so; before 2025-11-25 it returns
 * ERR_RPC_INVALID_PARAMS instead. */
enum rc tool_check_arguments(struct mcp_call *c, const struct tool *tool,
                             const struct json *arguments, struct json **result,
                             struct err *e) MUST_USE;
/* Returns the result, or if it does not match outputSchema an error that says why, and sets
 * c->answer.outcome. */
struct json *tool_check_result(struct mcp_call *c, const struct tool *tool, struct json *result);
