/* All executors, the built-in tools (whoami returns the caller's claims, echo its argument), and
 * how an executor is used for a call. */
#pragma once

#include "exec/executor.h"

const struct executor *executor_of(const struct source *source);
/* For catalog_new. */
extern const struct catalog_sources executor_sources;

/* Executes it, and again with the input that it needs. Fills c->answer.outcome. */
enum rc execute(struct mcp_call *c, const struct invocation *i, struct execution *out,
                struct err *e) MUST_USE;

/* May the user start something now (RATE_LIMIT_USER)? ERR_RATE_LIMITED, with the time to wait in
 * the reply. execute asks itself. */
enum rc execution_take_rate_limit(struct mcp_call *c, struct err *e) MUST_USE;
