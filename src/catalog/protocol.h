/* The kinds of protocol versions: lists and definitions depend on them. */
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

/* How long a client may cache a list, or what there are lists of: files may change. */
#define LIST_TTL_MS "60000"
#define META_SERVER_INFO "io.modelcontextprotocol/serverInfo"
