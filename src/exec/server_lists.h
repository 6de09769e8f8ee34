/* The lists of MCP servers: what each offers, in a file (catalog/servers.h). A server is asked when
 * a client lists anything and it has not been asked since its manifest changed; and after a call,
 * if the server was started anew or has said that its list has changed. One that fails is not asked
 * again for ten times as long as that took. */
#pragma once

#include "catalog/servers.h"
#include "mcp/call.h"

/* Asks those servers that have to be asked, for SERVER_LISTS_MS at most, and reads the catalog
 * again. A server that fails keeps its last list. Not for a call in a batch: all of them are looked
 * at before the first one runs, and what is found only then would be called whatever it demands. */
#define SERVER_LISTS_MS 20000
void server_lists_refresh(struct mcp_call *c);
/* Before something unknown is refused: the same, and reads the files again that other workers may
 * have written. false: there are no servers, or the call is in a batch. */
bool server_lists_look_again(struct mcp_call *c);
/* `stamp`: of the relay (runner/relay.h). Asks the server if its lists were made with another one.
 * *is_stored: they are known to have been made with this one; it is set when they are found to. */
void server_lists_compare(struct mcp_call *c, const struct server *s, const char *stamp,
                          bool *is_stored);
