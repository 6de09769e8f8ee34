/* Arguments that clients repeat in HTTP headers, by `x-mcp-header` in an inputSchema ("Schema
 * Extension" of Streamable HTTP, 2026-07-28). */
#pragma once

#include "base/err.h"
#include "base/json.h"

/* A parameter of a tool that is mirrored into Mcp-Param-<name>. */
struct param_header {
    const char *const *path; /* members of the arguments, from the outside in */
    size_t depth;
    const char *header; /* in lower case */
    bool integer;       /* compared as a number */
};

struct param_headers {
    struct param_header *list;
    size_t count;
};

/* Finds every annotation of an inputSchema. ERR_INVALID_REQUEST with the reason if one breaks the
 * rules: clients must drop such a tool. */
enum rc param_headers_scan(struct arena *a, const struct json *input_schema,
                           struct param_headers *out, struct err *e) MUST_USE;
