/* The kinds of protocol versions, and the server's name: lists and definitions depend on them. */
#pragma once

/* The two kinds of protocol versions. Values are bits, so that a table can name both. */
enum mcp_protocol {
    PROTOCOL_HANDSHAKE = 1, /* 2024-11-05 to 2025-11-25: `initialize` opens a session */
    PROTOCOL_STATELESS = 2, /* 2026-07-28: each request is complete in itself */
};
#define PROTOCOL_KINDS 2

/* For arrays that have one element for each kind. */
static inline int protocol_index(enum mcp_protocol protocol) {
    return protocol == PROTOCOL_STATELESS;
}

#define MCP_SERVER_NAME "mcp-authd"
#define META_SERVER_INFO "io.modelcontextprotocol/serverInfo"
#define MCP_SERVER_INFO                                                                            \
    "{\"name\":\"" MCP_SERVER_NAME "\",\"title\":\"" MCP_SERVER_NAME                               \
    "\",\"version\":\"" MCP_AUTHD_VERSION "\"}"
