/* The GET stream of a session, taken up again (2025-11-25, "Resumability and Redelivery"). An id of
 * its events says when it was sent, and what it tells of are files: what has changed since then is
 * told again from them, so that nothing has to be kept for who may never come back. */
#ifndef MCP_CHANGED_SINCE_H
#define MCP_CHANGED_SINCE_H

#include "base/buf.h"
#include "mcp/call.h"

#define MISSED_ID "get." /* what these ids begin with; then SUBSCRIPTION_ID has it */
/* A change may come between an event and the time in its id: rather twice than never. */
#define MISSED_MARGIN_MS 1000

/* An event without data, whose id says now. */
void changed_since_prime(struct mcp_call *c);
/* Does the id of an event look like one of these? *since_ms: when it was sent. */
bool changed_since_read_id(const char *id, int64_t *since_ms);
/* Sends, of what the stream waits for (handover.h), whatever has changed since then. */
void changed_since_send(struct mcp_call *c, const struct buf *what, int64_t since_ms);

#endif
