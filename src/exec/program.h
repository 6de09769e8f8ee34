/* A program of a manifest at work for one call: what it reads, its messages on the way, and the
 * input that it asks for (docs/tools.md). */
#ifndef EXEC_PROGRAM_H
#define EXEC_PROGRAM_H

#include "catalog/manifest.h"
#include "mcp/call.h"
#include "runner/process.h"

struct program {
    const struct tool_run *run;
    const char *kind, *name; /* "tool", and which one */
    struct json *input;      /* what this kind of program reads; the rest is added */
    struct json *bound;      /* what a requestState is bound to, besides user and name */
};

/* May the user start a program now (RATE_LIMIT_USER)? ERR_RATE_LIMITED, with the time to wait in
 * the reply. program_call asks itself. */
enum rc program_may_start(struct mcp_call *c, struct err *e) MUST_USE;

struct input_required;
/* Runs it once. */
void program_once(struct mcp_call *c, const struct program *p, const struct input_required *rounds,
                  struct run_result *out);
/* Runs it, again for each round of input. *answered: c->result holds the answer already, because
 * the program needs input. Otherwise *out has its end and its output; a stream's output is the text
 * of its result, empty if it gave none. */
enum rc program_call(struct mcp_call *c, const struct program *p, struct run_result *out,
                     bool *answered, struct err *e) MUST_USE;

/* A sentence on how the program failed, or NULL if it ended well. *outcome is a word for the
 * audit line. */
const char *program_failure(struct mcp_call *c, const struct tool_run *run,
                            const struct run_result *r, const char **outcome);

#endif
