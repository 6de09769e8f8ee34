/* Streams that a client may ask for again after its connection broke (2025-11-25, "Resumability and
 * Redelivery"): what is sent is kept in a replay log of the host, and the id of an event says which
 * stream it belongs to and where in the log the next one begins. Needs a session, to which the name
 * of the log is bound: another user's client, or another session, does not find it. */
#ifndef MCP_REPLAY_H
#define MCP_REPLAY_H

#include "base/err.h"
#include "base/text.h"

struct mcp_call;
struct replay_log;
struct site;

#define REPLAY_ABSENT_MS 30000 /* a question waits for a client that went away */

/* A stream begins: *event is the priming event, which gives the client an id before there is
 * anything else; empty if this stream is not kept. */
void replay_begin(struct mcp_call *c, struct text *event);
/* The event that carries a message: with its id, and kept, if the stream is. */
struct text replay_event(struct mcp_call *c, struct arena *a, struct text message);
/* The call is over. */
void replay_end(struct mcp_call *c);
/* Opens what was kept of a stream of this session; close it with replay_log_close. ERR_MISSING if
 * there is none. */
enum rc replay_open(struct mcp_call *c, const char *stream, struct replay_log **out,
                    struct err *e) MUST_USE;
/* Deletes logs that are too old. */
void replay_sweep(struct site *site);

#endif
