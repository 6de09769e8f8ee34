/* Input that a program needs from the client before it can answer. Version 2026-07-28 has multi
 * round-trip requests: the answer says what is needed, and the client repeats the request with it.
 * In the handshake versions the server sends requests on the stream of the call, and any worker may
 * receive the client's answers. A program need not know the difference. */
#pragma once

#include "mcp/call.h"

#define INPUT_REQUIRED_MAX 16               /* how often a program may ask in one call */
#define INPUT_REQUIRED_STATE_MAX 16384      /* bytes of its state, as JSON */
#define INPUT_REQUIRED_SEALED_MAX 65536     /* bytes of that and of what answers must match */
#define INPUT_REQUIRED_STATE_S 3600         /* how long a state is valid */
#define INPUT_REQUIRED_ANSWER_MAX (1 << 20) /* bytes of a client's answer */
#define INPUT_REQUIRED_MESSAGES_MAX 64      /* answers to one set of requests, wrong ones too */

struct input_required {
    /* A state is valid only for the same method, target and arguments. */
    const char *name;       /* method and target */
    struct json *arguments; /* NULL: none */
    struct json *responses; /* by the keys of the requests; NULL: none yet */
    struct json *state;     /* the program's own; NULL: none */
    int round;              /* how often the program has asked before */
    /* Answers that came before the program asked, so without requestState; NULL: none. */
    const struct json *early_answers;
    /* Who asks checks what clients fill in, and is told of errors: in the handshake versions a
     * response may be an object with the member CLIENT_ERROR, the error of the client. */
    bool has_free_forms;
    /* What answers must match (client_answer_expected), by the keys of the requests. */
    struct json *expected;
};

#define CLIENT_ERROR "mcp-authd/error"

/* Reads inputResponses and requestState of a request of 2026-07-28. */
enum rc input_required_read(struct mcp_call *c, struct input_required *r, struct err *e) MUST_USE;
/* The program's request for input: the value of "inputRequired" in its output; NULL: none. */
struct json *input_required_parse(struct arena *a, struct text output);
/* Gets the input: from the answers in the call, or, in the handshake versions, by asking the client
 * and waiting. Then r->responses and r->state are set. Or, in 2026-07-28, sets *is_required, and
 * c->answer.result to an InputRequiredResult. */
enum rc input_required_get(struct mcp_call *c, struct input_required *r, struct json *request,
                           bool *is_required, struct err *e) MUST_USE;

/* ---- pending_requests.c: the handshake versions ---- */

/* Asks the client and waits. After an error c->x->rp->parked may be set: the call goes on in
 * another worker. */
enum rc pending_requests_ask(struct mcp_call *c, struct input_required *r, struct json *request,
                             struct err *e) MUST_USE;
/* Goes on with that in a call that was parked: sets r->round, too. */
enum rc pending_requests_resume(struct mcp_call *c, struct input_required *r,
                                struct err *e) MUST_USE;
/* Forwards a client's answer to the worker that waits for it. */
void input_required_deliver(struct mcp_call *c, struct json *message);

/* ---- The requests that a program may make to a client, and the answers to them ("Multi Round-Trip
 * Requests", "Elicitation", "Sampling", "Roots"): which capability each needs, and what is well
 * formed. client_requests.c ---- */

#define CLIENT_REQUESTS_MAX 16 /* at once */

/* Is a program's request well formed (otherwise ERR_RPC_INTERNAL), and does the client support it
 * (otherwise ERR_RPC_MISSING_CAPABILITY)? */
enum rc client_requests_check(struct mcp_call *c, const struct json *request,
                              struct err *e) MUST_USE;

/* Why a request, with "method" and "params", cannot be made; NULL: it can. */
const char *client_request_refusal(struct mcp_call *c, const struct json *request);

/* Of a server of the handshake, which is told that any client can be given context: asks one that
 * cannot for none. */
void client_request_drop_context(const struct mcp_call *c, struct json *request);

/* Sets ERR_RPC_MISSING_CAPABILITY with this text and `required`, the capabilities that the client
 * lacks. */
enum rc err_missing_capability(struct mcp_call *c, struct json *required, const char *text,
                               struct err *e);
/* What an answer to the request must match; the following functions need only this. `with_form`:
 * also the content of a form. */
struct json *client_answer_expected(struct arena *a, const struct json *request, bool with_form);
/* What is wrong with an answer, or NULL. */
const char *client_answer_fault(struct arena *a, const struct json *expected,
                                const struct json *answer);
#define CLIENT_ANSWER_FAULT_MAX 200 /* at most so many bytes of it are in an error message */
/* Checks a member of inputResponses. ERR_RPC_INVALID_PARAMS with what is wrong. */
enum rc client_answer_check(struct arena *a, const char *key, const struct json *expected,
                            const struct json *answer, struct err *e) MUST_USE;
