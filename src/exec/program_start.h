/* What a program of a manifest is started with: environment, secrets and what it may use. */
#pragma once

#include "exec/executor.h"
#include "runner/process.h"

struct program_start {
    struct run_request run;
    int secrets[PROGRAM_SECRETS_MAX]; /* sealed files in memory, closed by program_start_end */
};

/* Reads the secrets' files. ERR_MISSING or ERR_TOO_LARGE: one is not given; the text of e names it
 * and says why, and is for the log. Nothing is open then. */
enum rc program_start_begin(struct mcp_call *c, const struct invocation *i,
                            struct program_start *out, struct err *e) MUST_USE;
void program_start_end(struct program_start *s);

/* Who calls, and what only programs are told: groups, and the claims of the manifest. */
struct json *program_caller(struct mcp_call *c, const struct program *p);

/* Variables that are different for each call: MCP_REQUEST_ID and the trace context. A persistent
 * program, whose environment cannot change, has them in its input. */
struct json *program_call_variables(struct mcp_call *c);

/* Which instances of a persistent program, that of i->source, may answer a call
 * (runner/instance.h). */
void program_instance_key(struct mcp_call *c, const struct invocation *i, struct instance_key *out);
