/* Limits on requests to the OAuth endpoints; the MCP endpoint has none. */
#pragma once

#include "site/exchange.h"

/* ERR_RATE_LIMITED with Retry-After if the address, or the client at this address, has had its
 * share. */
enum rc rate_limit_check(struct exchange *x, struct err *e) MUST_USE;
