/* CallToolResults: of texts, of JSON values, and of a program's end and output. What goes wrong is
 * said in a sentence that a model, and the person it works for, can act on ("Error Handling"). */
#ifndef EXEC_TOOL_RESULT_H
#define EXEC_TOOL_RESULT_H

#include "base/attr.h"
#include "catalog/tools.h"
#include "runner/process.h"

struct json *tool_text_result(struct arena *a, const char *text, size_t len, bool is_error);
struct json *tool_error_result(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* A result of a JSON value: structuredContent, and the same as text for clients that do not read
 * it ("Structured Content"). `value` may be NULL for JSON null. */
struct json *tool_structured_result(struct arena *a, struct json *value);
/* What a program's end and output mean. */
struct json *tool_run_result(struct arena *a, const struct tool *tool, const struct run_result *run,
                             const char **outcome);

#endif
