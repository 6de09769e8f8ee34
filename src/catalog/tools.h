/* The tools: their schemas, and whether a call may become a task. */
#pragma once

#include "catalog/catalog.h"
#include "catalog/param_headers.h"
#include "jsonschema/schema.h"

/* Can or must a call become a task (Tasks extension)? */
enum tool_task { TASK_NEVER, TASK_OPTIONAL, TASK_REQUIRED };

struct tool {
    struct entry entry; /* first */
    bool has_output_schema;
    enum tool_task task;
    bool task_after_input;               /* only a call with inputResponses becomes a task */
    const struct schema *input, *output; /* NULL: none; anything is valid */
    struct param_headers headers;
};
