/* POST /token (OAuth 2.1 §3.2), and what POST /revoke has in common with it. What proves a public
 * client is the code's or the refresh token's binding to its client_id, and PKCE; others sign
 * (client_assertion.h). */
#pragma once

#include "site/exchange.h"
#include "web/request.h"

/* Reads the form of /token or /revoke, with the client_id in it, whose client is admitted
 * (client_admit). */
enum rc token_form_read(struct exchange *x, struct form *f, struct err *e) MUST_USE;
