/* What a method answers: a result, or what belongs to an error besides its code. */
#ifndef MCP_ANSWER_H
#define MCP_ANSWER_H

#include "base/json.h"
#include "base/text.h"

struct mcp_call;

struct mcp_answer {
    struct text result;
    int error_status;        /* HTTP status of the error; 0: the one of its code */
    struct json *error_data; /* NULL: none */
    /* For the audit line: which tool, resource or prompt, and a word on how the call ended. NULL:
     * what the request names, and "ok" or "error". */
    const char *target, *outcome;
};

/* Makes the result of an object that it takes over: adds what every result of the protocol version
 * carries, with a resultType of "complete" unless it has one. */
void mcp_answer_finish(struct mcp_call *c, struct json *result);

#endif
