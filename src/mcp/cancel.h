/* notifications/cancelled of the handshake versions names a request of the same session, which
 * runs in another worker. That one waits for a message while its program runs and while it waits
 * for the client's answers. (In 2026-07-28 closing the stream cancels.) */
#pragma once

#include <stdbool.h>

#define CANCEL_LOOK_MS 500 /* how often it is checked while the client is asked */

struct mcp_call;

/* From now on the call can be cancelled, if it belongs to a session and no other call has its id.
 */
void cancel_begin(struct mcp_call *c);
void cancel_end(struct mcp_call *c);
/* Has it been? `call` is a struct mcp_call. */
bool cancel_arrived(void *call);
/* Forwards a notification to the worker of the call; does nothing if the call is over. */
void cancel_deliver(const struct mcp_call *c);
