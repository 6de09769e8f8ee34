/* Who may use the MCP endpoint: checks origin, token and scopes, before the body is read, for any
 * HTTP method. */
#pragma once

#include "access/deny_list.h"
#include "config/config.h"
#include "idp/access_token.h"
#include "site/exchange.h"

/* ERR_FORBIDDEN_ORIGIN, ERR_NO_TOKEN, ERR_INVALID_TOKEN or ERR_INSUFFICIENT_SCOPE, the last three
 * with their WWW-Authenticate header added to rp; ERR_UPSTREAM if no key set can be had.
 * *claims lives as long as the request. */
enum rc mcp_bearer_auth(struct exchange *x, const struct token_claims **claims,
                        struct err *e) MUST_USE;

/* Does DENY_FILE refuse the user of the token, or all tokens issued when it was? */
bool bearer_is_denied(const struct deny_list *deny, const struct token_claims *claims);

/* Does the token have these scopes? Otherwise ERR_INSUFFICIENT_SCOPE with a challenge that names
 * all scopes of the call, REQUIRED_SCOPES included. */
enum rc bearer_check_scopes(struct exchange *x, const struct token_claims *claims,
                            const char *scopes, struct err *e) MUST_USE;

/* May pages of this origin call the endpoint (ALLOWED_ORIGINS)? */
bool mcp_origin_is_allowed(const struct config *config, const char *origin);
