/* MCP servers that mcp-authd starts: the manifests of SERVERS_DIR. What a server offers is in its
 * lists, a file of STATE_DIR/servers that is written after the server has been asked
 * (exec/server_lists.c): so it is known before the server runs, and while it cannot run. */
#pragma once

#include "catalog/server_entries.h"

#define SERVERS_MAX 64

/* Reads the manifests and lists that are new or have changed, and puts what servers offer into the
 * catalog's sets, which are loaded. Returns how many manifests are left out, with a line to
 * `problems` for each. */
unsigned catalog_servers_update(struct catalog *c, FILE *problems);
/* The server at this place; NULL: there are no more. */
const struct server *catalog_server(const struct catalog *c, size_t i);
