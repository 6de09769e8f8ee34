/* Streams that a client can resume after its connection broke (2025-11-25, "Resumability and
 * Redelivery"). Sent events are stored in a replay log of the host; an event's id contains the
 * stream's id and the position of the next event in the log. The log's name is bound to the
 * session, so other sessions and users cannot read it. */
#pragma once

#include "base/err.h"
#include "base/text.h"

struct mcp_call;
struct replay_log;
struct site;

#define REPLAY_ABSENT_MS 30000 /* so long a request waits for a client that has disconnected */

/* Begins a stream: *event is the priming event, which gives the client an id before any message;
 * empty if this stream is not stored. */
void replay_begin(struct mcp_call *c, struct text *event);
/* The event of a message; if the stream is stored, it has an id and is stored too. */
struct text replay_event(struct mcp_call *c, struct arena *a, struct text message);
/* Ends the log at the end of the call. */
void replay_end(struct mcp_call *c);
/* Opens the stored events of a stream of this session; close them with replay_log_close.
 * ERR_MISSING if there are none. */
enum rc replay_open(struct mcp_call *c, const char *stream, struct replay_log **out,
                    struct err *e) MUST_USE;
/* Deletes logs that are too old. */
void replay_sweep(struct site *site);
