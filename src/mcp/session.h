/* Sessions of the handshake revisions ("Session Management"). The session id carries, sealed, what
 * the client said in its `initialize` request, so that any worker knows it and nothing is stored;
 * only a session that ended, or a log level that was set, is noted in the host's cache. */
#ifndef MCP_SESSION_H
#define MCP_SESSION_H

#include "mcp/call.h"

#define SESSION_NOTE_PREFIX "mcp-session:"
#define SESSION_MAX_S (7 * 24 * 3600) /* then the client has to initialize again */

struct mcp_session {
    const char *key;   /* of its note in the host's cache */
    struct json *note; /* {"level", "uris", "ended"}, each if it was set */
};

/* After `initialize`: adds the Mcp-Session-Id header. */
void mcp_session_start(struct mcp_call *c);
/* Settles c->session, c->capabilities and c->log_level from the header, if there is one.
 * ERR_NOT_FOUND if it is not a session of this user that goes on. */
enum rc mcp_session_find(struct mcp_call *c, struct err *e) MUST_USE;
/* Keeps the note as it is now. */
enum rc mcp_session_save(struct mcp_call *c, struct err *e) MUST_USE;

#endif
