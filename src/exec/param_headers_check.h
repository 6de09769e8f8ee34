/* Do the headers of a tools/call agree with its arguments ("Server Validation")? */
#pragma once

#include "base/err.h"
#include "base/json.h"
#include "catalog/param_headers.h"

struct mcp_call;

/* ERR_RPC_HEADER_MISMATCH unless each mirrored argument that is present has an equal header, and no
 * other one has a header. */
enum rc param_headers_check(const struct mcp_call *c, const struct param_headers *h,
                            const struct json *arguments, struct err *e) MUST_USE;
