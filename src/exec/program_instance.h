/* Which instances of a persistent program may answer a call (runner/instance.h). */
#pragma once

#include "exec/executor.h"
#include "runner/instance.h"

/* The program of i->source is persistent. */
void program_instance_key(struct mcp_call *c, const struct invocation *i, struct instance_key *out);
