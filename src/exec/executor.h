/* What answers a call of a tool, resource, prompt or completion: a built-in tool, a program or an
 * MCP server. A new kind is a file with its struct source_kind (catalog/manifest.h) and its struct
 * executor, and its name in EXECUTORS. */
#pragma once

#include "catalog/tools.h"

struct input_required;
struct mcp_call;

/* What to execute, and its input. */
struct invocation {
    const struct source *source;
    const char *kind, *name; /* such as "tool", and the name of the tool */
    /* Members of the input, such as "arguments". A requestState is valid only together with the
     * first value. */
    struct invocation_param {
        const char *key; /* NULL: there is none */
        struct json *value;
    } params[2];
};

enum execution_end {
    EXECUTION_OK,
    EXECUTION_ERROR,     /* it ended by itself, and reports an error */
    EXECUTION_ABORTED,   /* no answer: it exceeded a limit, died of a signal, or did not start */
    EXECUTION_CANCELLED, /* it was stopped: the client does not wait, or a task must end */
};

/* The outcome. */
struct execution {
    enum execution_end end;
    const char *outcome; /* a word for the log line of the call, such as "ok" or "timeout" */
    const char *failure; /* why it failed: a clause without capital and full stop; NULL: OK */
    enum rc error;       /* of its failure, where a result cannot say it; OK: ERR_RPC_INTERNAL */
    struct json *error_data; /* of such an error */
    struct json *result;     /* a complete result of MCP; NULL: it is made from the output */
    struct text output;      /* what it printed; empty unless it ended by itself or was cut off */
    enum output_form form;   /* of the output */
    struct json *input_request; /* what the program asks the client for; NULL: nothing */
    bool is_input_required;     /* c->answer.result is an InputRequiredResult, so complete */
};

/* What the programs of a call have used, and what they wrote to stderr: it is not logged then. */
struct program_usage {
    unsigned runs;       /* more than one if a program asked for input */
    int64_t ms, cpu_us;  /* of all of them */
    int64_t max_rss_kib; /* of the largest process */
    struct text err;     /* of all of them, in the arena of the call */
};

struct executor {
    /* Executes it once, with the client's input; `input` may be NULL. */
    void (*execute)(struct mcp_call *c, const struct invocation *i,
                    const struct input_required *input, struct execution *out);
    /* The client will not answer what it was asked; `state` is the program's own. NULL: nobody
     * waits for the answer. */
    void (*give_up)(struct mcp_call *c, const struct invocation *i, const struct json *state);
    bool is_immediate; /* it starts nothing, waits for nothing and needs no input */
    bool checks_forms; /* itself: what a client fills in is given to it unchecked */
};

/* The first is the default of a manifest; from `builtin` on none has a member in manifests. */
#define EXECUTORS(X) X(program) X(builtin) X(server)
#define EXECUTOR_DECLARE(name)                                                                     \
    extern const struct source_kind name##_source;                                                 \
    extern const struct executor name##_executor;
EXECUTORS(EXECUTOR_DECLARE)

#define BUILTIN_TOOLS 2
extern const struct tool builtin_tools[BUILTIN_TOOLS];
/* All of these, for catalog_new. */
extern const struct catalog_sources executor_sources;

const struct executor *executor_of(const struct source *source);

/* Executes it. While it asks for input, gets the input and executes it again. Fills
 * c->answer.outcome. */
enum rc execute(struct mcp_call *c, const struct invocation *i, struct execution *out,
                struct err *e) MUST_USE;
/* The same for methods whose result cannot say that the execution failed: then the error of the
 * execution, or ERR_RPC_INTERNAL, with the reason. */
enum rc execute_or_fail(struct mcp_call *c, const struct invocation *i, struct execution *out,
                        struct err *e) MUST_USE;
/* Who waits for what the call has started: its client, until the call is cancelled. */
struct waiter call_waiter(struct mcp_call *c);
/* Sets how it has failed. Only one that ended by itself keeps its output. */
void execution_fail(struct execution *out, enum execution_end end, const char *outcome,
                    const char *failure);
/* Fills it for a call that is not executed since a quota is used up: `why` is from quota_take. */
void execution_over_quota(struct execution *out, const char *why);
/* Its result, or the output as JSON; NULL: it is none. */
struct json *execution_json(struct arena *a, const struct execution *x);
/* ERR_RPC_INTERNAL, because the output is not `what` the method needs, such as "a prompt". */
enum rc execution_bad_output(struct mcp_call *c, const char *what, struct err *e);
