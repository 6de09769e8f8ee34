/* A short JWT that tells a server at an address who calls ("identity" of docs/servers.md). It is
 * signed by us, and says nothing of the access token but who its user is; the public keys are at
 * our /jwks. */
#pragma once

#include "catalog/servers.h"
#include "mcp/call.h"
#include "site/exchange.h"

#define IDENTITY_PURPOSE "caller-jwt" /* of the key: crypto/seal.h */
#define IDENTITY_SERVICE_S 300 /* one of our own, with which a session begins; of a start, too */

/* For the requests of this call; NULL: the server wants none, or there is no key. */
const char *server_identity(struct mcp_call *c, const struct server *s);
/* For what no user asks: the beginning of a session, lists, and the stream of changes. */
const char *server_service_identity(struct mcp_call *c, const struct server *s);

/* GET of the key set. */
handler_fn mcp_key_set;
