/* Who may use the MCP endpoint: checks origin, token and scopes, before the body is read, for any
 * HTTP method. */
#pragma once

#include "access/deny_list.h"
#include "config/config.h"
#include "idp/access_token.h"
#include "site/exchange.h"

/* ERR_FORBIDDEN_ORIGIN, ERR_NO_TOKEN, ERR_INVALID_TOKEN or ERR_INSUFFICIENT_SCOPE, the last three
 * with their WWW-Authenticate header added to the reply; ERR_UPSTREAM if no key set can be fetched.
 * *claims lives as long as the request. */
enum rc mcp_bearer_auth(struct exchange *x, const struct token_claims **claims,
                        struct err *e) MUST_USE;

/* Of a request that was checked when it arrived, maybe long ago: ERR_INVALID_TOKEN if its token was
 * revoked since then, or its user denied. That the token expires meanwhile ends no call. */
enum rc bearer_check_again(struct exchange *x, const struct token_claims *claims,
                           struct err *e) MUST_USE;

/* Does DENY_FILE deny the token's app client or user, or all tokens that are as old as this one? */
bool bearer_is_denied(const struct deny_list *deny, const struct token_claims *claims);

/* Does the token have these scopes and REQUIRED_SCOPES? Otherwise ERR_INSUFFICIENT_SCOPE, with a
 * WWW-Authenticate header that names all of them. */
enum rc bearer_check_scopes(struct exchange *x, const struct token_claims *claims,
                            const char *scopes, struct err *e) MUST_USE;

/* May pages of this origin call the endpoint (ALLOWED_ORIGINS)? */
bool mcp_origin_is_allowed(const struct config *config, const char *origin);
