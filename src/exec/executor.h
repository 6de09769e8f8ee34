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
    const char *kind, *name; /* "tool", and which one */
    /* Arguments; a requestState is bound to the first. */
    struct invocation_member {
        const char *key; /* NULL: there is none */
        struct json *value;
    } members[2];
};

enum execution_end {
    EXECUTION_OK,
    EXECUTION_ERROR,     /* it ended, and reports an error */
    EXECUTION_ABORTED,   /* it gave no answer: a limit, a signal, no start */
    EXECUTION_CANCELLED, /* the client no longer waits for it */
};

/* The outcome. */
struct execution {
    enum execution_end end;
    const char *outcome;    /* a word for the audit line, such as "ok" or "timeout" */
    const char *failure;    /* a sentence without its end, unless it is EXECUTION_OK */
    struct json *result;    /* a whole result of MCP; NULL: */
    struct text output;     /* its output; after an error, the output until then */
    enum output_form form;  /* of the output */
    struct json *requested; /* the input that it needs: the value of "inputRequired" */
    bool is_answered;       /* c->answer.result is filled: the client is asked for that input */
};

struct executor {
    const struct source_kind *source;
    /* Executes it once, with the client's input; `input` may be NULL. */
    void (*execute)(struct mcp_call *c, const struct invocation *i,
                    const struct input_required *input, struct execution *out);
    bool is_immediate; /* it starts nothing, waits for nothing and needs no input */
};

extern const struct executor program_executor; /* program.c */
