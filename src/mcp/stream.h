/* The answer to one request as a stream of server-sent events: notifications on the way, and the
 * response at the end. It begins with the first message; without one, the answer stays plain JSON.
 */
#ifndef MCP_STREAM_H
#define MCP_STREAM_H

#include "base/json.h"
#include "base/text.h"
#include "web/reply.h"
#include <stdbool.h>
#include <stdint.h>

struct mcp_call;

/* May this call be answered by a stream? */
bool mcp_stream_possible(const struct mcp_call *c);
/* Status and headers of a stream. */
void mcp_stream_headers(struct reply *rp);
/* Begins the stream, before there is anything to send. */
void mcp_stream_begin(struct mcp_call *c);
/* Sends events or a comment as they are, on a stream that has begun; nothing if the client is gone.
 */
void mcp_stream_write(struct mcp_call *c, struct text events);
/* Sends a message; nothing if the client takes no stream. Sets c->stream.gone if it went away. What
 * is made of the message is in `a`: a program may send messages without end. */
void mcp_stream_send(struct mcp_call *c, struct arena *a, struct json *message);
void mcp_stream_notify(struct mcp_call *c, struct arena *a, const char *method,
                       struct json *params);
/* Notifications of a program: so many at once, and then one in this time. "Both parties SHOULD
 * implement rate limiting to prevent flooding" ("Progress", and "Logging"). */
#define STREAM_NOTIFY_BURST 100
#define STREAM_NOTIFY_MS 20
/* Sends one, or drops it if there were too many. */
void mcp_stream_notify_paced(struct mcp_call *c, struct arena *a, const char *method,
                             struct json *params);
/* Sends the answer of a call whose stream has begun. */
void mcp_stream_answer(struct mcp_call *c, struct text answer);
/* Sends a comment. Apache keeps the headers to itself until there is something behind them. */
void mcp_stream_comment(struct mcp_call *c);
/* Sends a comment if nothing was sent for STREAM_KEEP_ALIVE_S, on a stream that may begin with it:
 * proxies end what is silent, and web servers tell that a client has gone when there is something
 * to send, lighttpd 1.4.69 not even then before the headers are out. `call` is a struct mcp_call.
 * Returns the time until it has to be called again, in ms; -1 if the client has gone and the call
 * with it. */
int mcp_stream_keep_alive(void *call);
/* Has the client of a call gone that waited for a worker (2026-07-28, where that ends it)? Web
 * servers tell when there is something to send, so the stream begins, and they have a moment to do
 * so. */
bool mcp_stream_is_abandoned(struct mcp_call *c);
/* Ends the stream for the client, who gets the rest when it asks for it (replay.h); nothing if the
 * stream is not kept. */
void mcp_stream_close(struct mcp_call *c);
/* What becomes readable when the client goes away, for run_spec.watch; NULL if that does not end
 * the call: before 2026-07-28 a broken connection is no cancellation. */
const int *mcp_stream_watch(const struct mcp_call *c);

#endif
