/* All executors, and how one is used for a call. */
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
enum rc execution_may_start(struct mcp_call *c, struct err *e) MUST_USE;
