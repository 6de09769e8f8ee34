/* The requests that a program may make to a client, and the answers to them ("Multi Round-Trip
 * Requests", "Elicitation", "Sampling", "Roots"): which capability each needs, and what is well
 * formed. */
#pragma once

#include "base/err.h"
#include "base/json.h"

struct mcp_call;

#define CLIENT_REQUESTS_MAX 16 /* at once */

/* Is a program's request well formed (otherwise ERR_RPC_INTERNAL), and does the client support it
 * (otherwise ERR_RPC_MISSING_CAPABILITY)? */
enum rc client_requests_check(struct mcp_call *c, const struct json *requested,
                              struct err *e) MUST_USE;

/* What an answer to the request must match; the following functions need only this. */
struct json *client_answer_expected(struct arena *a, const struct json *request);
/* What is wrong with an answer, or NULL. */
const char *client_answer_fault(struct arena *a, const struct json *expected,
                                const struct json *answer);
#define CLIENT_ANSWER_FAULT_MAX 200 /* at most so many bytes of it are in an error message */
/* Checks a member of inputResponses. ERR_RPC_INVALID_PARAMS with what is wrong. */
enum rc client_answer_check(struct arena *a, const char *key, const struct json *expected,
                            const struct json *answer, struct err *e) MUST_USE;
