/* Input that a program needs of the client before it can answer. Revision 2026-07-28 has multi
 * round-trip requests: the answer says what is needed, and the client sends the request again with
 * it. In the handshake revisions the server asks by requests of its own on the stream of the call,
 * and the client's answers reach any worker: a program need not know which. */
#ifndef EXEC_INPUT_REQUIRED_H
#define EXEC_INPUT_REQUIRED_H

#include "mcp/call.h"

#define INPUT_REQUIRED_MAX 16               /* in one call of the handshake revisions */
#define INPUT_REQUIRED_REQUESTS_MAX 16      /* that a program may ask for at once */
#define INPUT_REQUIRED_STATE_MAX 16384      /* bytes of its state, as JSON */
#define INPUT_REQUIRED_SEALED_MAX 65536     /* of that and the schemas of what it asks for */
#define INPUT_REQUIRED_STATE_S 3600         /* for so long a state may come back */
#define INPUT_REQUIRED_ANSWER_MAX (1 << 20) /* bytes of a client's answer */
#define INPUT_REQUIRED_LETTERS_MAX 64       /* answers in one round, wrong ones included */

struct input_required {
    const char *name;         /* of the method and what it calls: the state is bound to it, */
    struct json *bound;       /* and to this */
    struct json *responses;   /* by the keys of the requests; NULL: none yet */
    struct json *state;       /* the program's own; NULL: none */
    const struct json *given; /* answers that came without a state: to questions not yet asked */
    struct json *asked;       /* by the same keys, what was asked for: input_expected */
};

/* input.c. What an answer to a program's request has to be; what is wrong with one, or NULL. */
#define INPUT_FAULT_MAX 200 /* bytes of that in an error message */
struct json *input_expected(struct arena *a, const struct json *request);
const char *input_fault(struct arena *a, const struct json *expected, const struct json *answer);
/* Of a member of inputResponses. ERR_RPC_INVALID_PARAMS with what is wrong. */
enum rc input_check(struct arena *a, const char *key, const struct json *expected,
                    const struct json *answer, struct err *e) MUST_USE;

/* Reads inputResponses and requestState of a modern request. */
enum rc input_required_read(struct mcp_call *c, struct input_required *r, struct err *e) MUST_USE;
/* What the program asked for, if it did: the value of "inputRequired" in its output. */
struct json *input_required_wanted(struct arena *a, struct text output);
/* input.c. Is it well formed, and can the client give it? */
enum rc input_required_check(struct mcp_call *c, const struct json *wanted, struct err *e) MUST_USE;
/* Gets what the program wants: from the answers that came with the call, or, in the handshake
 * versions, by asking the client and waiting. Then r has answers and state. Otherwise *is_answered:
 * c->answer.result is the InputRequiredResult. */
enum rc input_required_get(struct mcp_call *c, struct input_required *r, struct json *wanted,
                           bool *is_answered, struct err *e) MUST_USE;
/* A client's answer, for the worker that waits for it. */
void input_required_deliver(struct mcp_call *c, struct json *message);

#endif
