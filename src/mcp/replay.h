/* Streams that a client may ask for again after its connection broke (2025-11-25, "Resumability and
 * Redelivery"): what is sent is kept in a replay log of the host, and the id of an event says which
 * stream it belongs to and where in the log the next one begins. Needs a session, to which the name
 * of the log is bound: another user's client, or another session, does not find it. */
#ifndef MCP_REPLAY_H
#define MCP_REPLAY_H

#include "base/err.h"
#include "base/text.h"
#include "web/sse.h"

struct mcp_call;
struct site;

#define REPLAY_WAIT_MS 15000   /* a worker waits for what comes next; then the client asks again */
#define REPLAY_ABSENT_MS 30000 /* a question waits for a client that went away */

/* A stream begins: *event is the priming event, which gives the client an id before there is
 * anything else; empty if this stream is not kept. */
void replay_begin(struct mcp_call *c, struct text *event);
/* The event that carries a message: with its id, and kept, if the stream is. */
struct text replay_event(struct mcp_call *c, struct arena *a, struct text message);
/* The call is over. */
void replay_end(struct mcp_call *c);
/* GET with Last-Event-ID: sends what came after that event, and for REPLAY_WAIT_MS what is still to
 * come. ERR_INVALID_REQUEST if the stream is not kept, or is not one of this session. */
enum rc replay_after(struct mcp_call *c, const struct sse_id *last, struct err *e) MUST_USE;
/* Deletes logs that are too old. */
void replay_sweep(struct site *site);

#endif
