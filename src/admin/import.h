/* mcp-authd import: the MCP servers of a desktop client's configuration become files of SERVERS_DIR
 * (docs/servers.md), and what is secret in them files of SECRETS_DIR. */
#pragma once

#include <stdbool.h>

struct import_options {
    const char *file;        /* JSON, with "mcpServers", as Claude Desktop and Cursor have it, or
                                "servers", as VS Code has it */
    const char *servers_dir; /* where the files go; it must exist */
    const char *secrets_dir;
};

/* Writes what it can. A file that is there is not overwritten. Says on stdout what it has written,
 * and on stderr what it has left out and what is still to do. false: a server is left out. */
bool import_servers(const struct import_options *o);
