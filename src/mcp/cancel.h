/* notifications/cancelled of the handshake revisions: a request of the same session is told to
 * stop. It runs in another worker, which waits for the letter while its program runs and while it
 * waits for the client's answers. (In 2026-07-28 closing the stream cancels.) */
#ifndef MCP_CANCEL_H
#define MCP_CANCEL_H

#include "mcp/call.h"

#define CANCEL_LOOK_MS 500 /* how often it is looked for while the client is asked */

/* From here on c can be cancelled, if it is of a session and nobody else has its id. */
void cancel_begin(struct mcp_call *c);
void cancel_end(struct mcp_call *c);
/* Has it been? `call` is a struct mcp_call. */
bool cancel_arrived(void *call);
/* The notification: passes it on. Whether anybody is there does not matter, it may be over. */
void cancel_deliver(const struct mcp_call *c);

#endif
