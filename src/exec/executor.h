/* What answers a call of a tool, resource, prompt or completion: built-in code or a program. A new
 * kind is a file with an executor, and a row in the tables of executors.c. */
#pragma once

#include "base/err.h"
#include "base/text.h"
#include "catalog/manifest.h"
#include "catalog/program.h"

struct input_required;
struct mcp_call;

/* What to execute, and its arguments. */
struct invocation {
    const struct source *source;
    const char *kind, *name; /* such as "tool", and the name of the tool */
    /* Members of its input, such as "arguments". A requestState is valid only together with the
     * first value. */
    struct invocation_member {
        const char *key; /* NULL: there is none */
        struct json *value;
    } members[2];
};

enum execution_end {
    EXECUTION_OK,
    EXECUTION_ERROR,     /* it ended, and reports an error */
    EXECUTION_ABORTED,   /* no answer: it exceeded a limit, died of a signal, or did not start */
    EXECUTION_CANCELLED, /* it was stopped: the client does not wait, or a task must end */
};

/* The outcome. */
struct execution {
    enum execution_end end;
    const char *outcome;    /* a word for the audit line, such as "ok" or "timeout" */
    const char *failure;    /* why: a clause without capital and full stop; NULL: it is OK */
    struct json *result;    /* a complete result of MCP; NULL: it is made from the output */
    struct text output;     /* what it printed; empty unless it ended by itself or was cut off */
    enum output_form form;  /* of the output */
    struct json *requested; /* the input that it asks for, see input_required.h; NULL: none */
    bool is_answered;       /* c->answer.result is complete: it asks the client for that input */
};

struct executor {
    const struct source_kind *source;
    /* Executes it once, with the client's input; `input` may be NULL. */
    void (*execute)(struct mcp_call *c, const struct invocation *i,
                    const struct input_required *input, struct execution *out);
    bool is_immediate; /* it starts nothing, waits for nothing and needs no input */
};

extern const struct executor program_executor; /* program.c */
