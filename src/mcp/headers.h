/* HTTP headers that repeat parts of a modern message (Streamable HTTP 2026-07-28, "Request
 * Metadata"): whoever routes by them must see what we execute. */
#ifndef MCP_HEADERS_H
#define MCP_HEADERS_H

#include "mcp/call.h"

/* The value of a header without white space around it (RFC 9110 §5.5), or NULL. */
const char *mcp_header(const struct request *rq, const char *name);

/* Decodes `=?base64?…?=` ("Value Encoding"); any other value stands for itself. False for bad
 * base64, and for bytes that a field value must not have. */
bool mcp_header_decode(struct arena *a, const char *value, struct text *out) MUST_USE;

/* Mcp-Method, if it is there, names the method. */
enum rc mcp_headers_check_method(const struct mcp_call *c, struct err *e) MUST_USE;
/* All that a request needs: Mcp-Method, and Mcp-Name if params.<mirrored> is there. */
enum rc mcp_headers_check(const struct mcp_call *c, const char *mirrored, struct err *e) MUST_USE;

/* A parameter of a tool that `x-mcp-header` mirrors into Mcp-Param-<name>. */
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

/* param_headers.c: finds every annotation of an inputSchema. ERR_INVALID_REQUEST with the reason
 * if one breaks the rules: clients must drop such a tool. */
enum rc param_headers_scan(struct arena *a, const struct json *input_schema,
                           struct param_headers *out, struct err *e) MUST_USE;
/* ERR_RPC_HEADER_MISMATCH unless each mirrored argument that is there has its equal header, and
 * each other one has none. */
enum rc param_headers_check(const struct mcp_call *c, const struct param_headers *h,
                            const struct json *arguments, struct err *e) MUST_USE;

#endif
