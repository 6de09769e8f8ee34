/* What answers a call of a tool, a resource, a prompt or a completion: built in, a program. A new
 * kind is a file that has an executor, and a row in the tables of executor.c. */
#ifndef EXEC_EXECUTOR_H
#define EXEC_EXECUTOR_H

#include "base/err.h"
#include "base/text.h"
#include "catalog/program.h"
#include "catalog/source.h"

struct input_required;
struct mcp_call;

/* What is to be executed, and for what. */
struct invocation {
    const struct source *source;
    const char *kind, *name; /* "tool", and which one */
    /* What this kind is called with; the first is what a requestState is bound to. */
    struct invocation_member {
        const char *key; /* NULL: there is none */
        struct json *value;
    } members[2];
};

enum execution_end {
    EXECUTION_OK,
    EXECUTION_ERROR,     /* it ended by itself, and says that it failed */
    EXECUTION_ABORTED,   /* it gave no answer: a limit, a signal, no start */
    EXECUTION_CANCELLED, /* nobody waited for it any more */
};

/* What came of it. */
struct execution {
    enum execution_end end;
    const char *outcome;   /* a word for the audit line, such as "ok" or "timeout" */
    const char *failure;   /* a sentence without its end, unless it is EXECUTION_OK */
    struct json *result;   /* a whole result of MCP; NULL: */
    struct text output;    /* what it gave, after an error what it gave until then */
    enum output_form form; /* of the output */
    struct json *wanted;   /* input that it needs first: the value of "inputRequired" */
    bool is_answered;      /* c->answer.result is filled: the client is asked for that input */
};

struct executor {
    const struct source_kind *source;
    /* Executes it once, with what the client has answered; `input` may be NULL. */
    void (*execute)(struct mcp_call *c, const struct invocation *i,
                    const struct input_required *input, struct execution *out);
    bool is_immediate; /* it starts nothing, waits for nothing and needs no input */
};

const struct executor *executor_of(const struct source *source);
/* For catalog_new. */
extern const struct catalog_sources executor_sources;

/* Executes it, and again with the input that it needs. Fills c->answer.outcome. */
enum rc execute(struct mcp_call *c, const struct invocation *i, struct execution *out,
                struct err *e) MUST_USE;

/* May the user start something now (RATE_LIMIT_USER)? ERR_RATE_LIMITED, with the time to wait in
 * the reply. execute asks itself. */
enum rc execution_may_start(struct mcp_call *c, struct err *e) MUST_USE;

#endif
