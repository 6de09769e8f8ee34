/* HTTP headers that repeat parts of a message of 2026-07-28 (Streamable HTTP, "Request Metadata"):
 * proxies may route by them, so they must agree with what is executed. */
#pragma once

#include "base/base.h"
#include "base/text.h"
#include "web/request.h"

struct mcp_call;

/* The value of a header without white space around it (RFC 9110 §5.5), or NULL. */
const char *mcp_header(const struct request *rq, const char *name);

/* Decodes `=?base64?…?=` ("Value Encoding"); copies any other value. False for invalid base64, and
 * for bytes that a field value must not have. */
bool mcp_header_decode(struct arena *a, const char *value, struct text *out) MUST_USE;

/* If Mcp-Method is present, it must name the method. */
enum rc mcp_headers_check_method(const struct mcp_call *c, struct err *e) MUST_USE;
/* Requires the headers of a request: Mcp-Method, and Mcp-Name if params.<mirrored> is present. */
enum rc mcp_headers_check(const struct mcp_call *c, const char *mirrored, struct err *e) MUST_USE;
