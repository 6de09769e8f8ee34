/* What goes out of /token: only what the MCP endpoint takes, or a client would log in again and
 * again. */
#pragma once

#include "idp/token_client.h"
#include "site/exchange.h"

/* Would the MCP endpoint take this access token of the identity provider's? ERR_MISCONFIGURED if
 * not, ERR_INSUFFICIENT_SCOPE if it lacks one of REQUIRED_SCOPES; both are logged. OK also if it
 * cannot be said now. */
enum rc token_response_check(struct exchange *x, const char *access_token, struct err *e) MUST_USE;
/* t->refresh_token is ours here: sealed. */
void token_response_send(struct exchange *x, const struct idp_tokens *t);
