/* All executors, the built-in tools (whoami returns the caller's claims, echo its argument), and
 * how an executor is used for a call. */
#pragma once

#include "exec/executor.h"

const struct executor *executor_of(const struct source *source);
/* What manifests can name, and the built-in tools, for catalog_new. */
extern const struct catalog_sources executor_sources;

/* Executes it. While it asks for input, gets the input and executes it again. Fills
 * c->answer.outcome. */
enum rc execute(struct mcp_call *c, const struct invocation *i, struct execution *out,
                struct err *e) MUST_USE;

/* Counts a start against the user's rate limit (RATE_LIMIT_USER). ERR_RATE_LIMITED over the limit,
 * with Retry-After in the reply; in a batch ERR_RPC_INTERNAL. execute() calls this itself. */
enum rc execution_take_rate_limit(struct mcp_call *c, struct err *e) MUST_USE;
