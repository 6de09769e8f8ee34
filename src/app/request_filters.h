/* What is decided about a request before its handler: what a page of another origin may read, and
 * how often clients of OAuth may ask. The MCP endpoint has limits of its own. */
#pragma once

#include "app/routes.h"

/* Cross-origin requests (the Fetch standard, "CORS protocol"), as a client in a browser needs them.
 * Adds what lets the page that asked read the answer. */
void cors_add(struct exchange *x, enum cors cors);
/* Answers OPTIONS, before anybody is asked who they are: a browser asks without credentials. */
void cors_options(struct exchange *x, enum cors cors, const char *allow);

/* ERR_RATE_LIMITED with Retry-After if the address, or the client at this address, has had its
 * share. */
enum rc rate_limit_check(struct exchange *x, struct err *e) MUST_USE;
