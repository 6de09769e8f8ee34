/* Input that a program needs from the client before it can answer. Version 2026-07-28 has multi
 * round-trip requests: the answer says what is needed, and the client repeats the request with it.
 * In the handshake versions the server sends requests on the stream of the call, and any worker may
 * receive the client's answers. A program need not know the difference. */
#pragma once

#include "mcp/call.h"

#define INPUT_REQUIRED_MAX 16               /* how often a program may ask in one call */
#define INPUT_REQUIRED_STATE_MAX 16384      /* bytes of its state, as JSON */
#define INPUT_REQUIRED_SEALED_MAX 65536     /* of that and the schemas of its requests */
#define INPUT_REQUIRED_STATE_S 3600         /* how long a state is valid */
#define INPUT_REQUIRED_ANSWER_MAX (1 << 20) /* bytes of a client's answer */
#define INPUT_REQUIRED_MESSAGES_MAX 64      /* answers to one set of requests, wrong ones too */

struct input_required {
    const char *name;         /* method and target: a state is valid for the same ones only, */
    struct json *bound;       /* and with the same arguments */
    struct json *responses;   /* by the keys of the requests; NULL: none yet */
    struct json *state;       /* the program's own; NULL: none */
    const struct json *given; /* answers that came without requestState, before the program asked */
    struct json *asked; /* what answers must match (client_answer_expected), by the same keys */
};

/* Reads inputResponses and requestState of a request of 2026-07-28. */
enum rc input_required_read(struct mcp_call *c, struct input_required *r, struct err *e) MUST_USE;
/* The program's request for input: the value of "inputRequired" in its output; NULL: none. */
struct json *input_required_requested(struct arena *a, struct text output);
/* Gets the input: from the answers in the call, or, in the handshake versions, by asking the client
 * and waiting. Then r->responses and r->state are set. Or, in 2026-07-28, sets *is_answered, and
 * c->answer.result to an InputRequiredResult. */
enum rc input_required_get(struct mcp_call *c, struct input_required *r, struct json *requested,
                           bool *is_answered, struct err *e) MUST_USE;
/* Forwards a client's answer to the worker that waits for it. */
void input_required_deliver(struct mcp_call *c, struct json *message);
