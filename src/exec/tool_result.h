/* CallToolResults from texts, JSON values and executions. Errors are sentences that a model and its
 * user can act on ("Error Handling"). */
#pragma once

#include "exec/executor.h"

/* A content block (TextContent), and a result with one. */
struct json *text_content(struct arena *a, struct text t);
struct json *tool_text_result(struct arena *a, struct text t, bool is_error);
/* A result of a JSON value: structuredContent, and the same as text for clients that do not read
 * it ("Structured Content"). `value` may be NULL for JSON null. */
struct json *tool_structured_result(struct arena *a, struct json *value);
/* The CallToolResult that a program or a server has sent, with its known members only: they are of
 * the types that others rely on. NULL: it is malformed. */
struct json *tool_read_result(struct arena *a, const struct json *v);
/* Makes a result of an execution. Fills c->answer.outcome. */
struct json *tool_result(struct mcp_call *c, const struct tool *tool, const struct execution *x);

/* Checks against the tool's schemas: servers MUST validate all tool inputs ("Security
 * Considerations") and MUST provide results that conform ("Output Schema"). */
/* If the arguments are invalid, *result is an error result that says why; in versions before
 * 2025-11-25 it returns ERR_RPC_INVALID_PARAMS instead. */
enum rc tool_check_arguments(struct mcp_call *c, const struct tool *tool,
                             const struct json *arguments, struct json **result,
                             struct err *e) MUST_USE;
/* Returns the result. If it does not match outputSchema, sets c->answer.outcome and returns an
 * error result that says why. */
struct json *tool_check_result(struct mcp_call *c, const struct tool *tool, struct json *result);
