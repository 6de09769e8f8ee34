/* The answer to one request as a stream of server-sent events: notifications, then the response.
 * The stream begins with the first notification; if there is none, the response is sent whole when
 * it is complete (endpoint.c). */
#pragma once

#include "web/reply.h"

struct mcp_call;
struct replay_log;
struct site;

/* May this call be answered by a stream? */
bool mcp_stream_possible(const struct mcp_call *c);
/* Sets the status and headers of a stream. */
void mcp_stream_headers(struct reply *rp);
/* Begins the stream unless it has begun, before there is anything to send. */
void mcp_stream_begin(struct mcp_call *c);
/* Sends events or a comment unchanged on a stream that has begun; nothing if the client has
 * disconnected. */
void mcp_stream_write(struct mcp_call *c, struct text events);
/* Sends a message; nothing if the client does not accept a stream. Sets c->stream.disconnected if
 * it has disconnected. Uses memory of `a`, since a program may send any number of messages. */
void mcp_stream_send(struct mcp_call *c, struct arena *a, struct json *message);
void mcp_stream_notify(struct mcp_call *c, struct arena *a, const char *method,
                       struct json *params);
/* Rate limit of a program's notifications: a burst, and the interval after it. "Both parties SHOULD
 * implement rate limiting to prevent flooding" ("Progress", and "Logging"). */
#define STREAM_NOTIFY_BURST 100
#define STREAM_NOTIFY_MS 20
/* Sends a notification, or drops it over the rate limit. */
void mcp_stream_notify_limited(struct mcp_call *c, struct arena *a, const char *method,
                               struct json *params);
/* Sends the answer of a call whose stream has begun. */
void mcp_stream_answer(struct mcp_call *c, struct text answer);
/* Sends a comment if nothing was sent for STREAM_KEEP_ALIVE_S, and begins the stream if necessary.
 * Proxies close silent connections, and web servers notice a disconnected client only when they
 * send something (lighttpd 1.4.69 only after the headers are sent). `call` is a struct mcp_call.
 * Returns the ms until the next call; -1 if the client has disconnected and the call ends. */
int mcp_stream_keep_alive(void *call);
/* Has the client disconnected while its call waited for a worker (2026-07-28, where this ends the
 * call)? Begins the stream, since web servers notice only when they send something. */
bool mcp_stream_is_abandoned(struct mcp_call *c);
/* "The progress value MUST increase with each notification", over all rounds of a call: true, and
 * the value is remembered, if this one may be sent. */
bool mcp_stream_accept_progress(struct mcp_call *c, const struct json *value);
/* Disconnects the client, which gets the rest by resuming the stream. Does nothing if the stream is
 * not stored. */
void mcp_stream_close(struct mcp_call *c);
/* The descriptor that becomes readable when the client disconnects, for a struct waiter; NULL if
 * that does not end the call: before 2026-07-28 a broken connection is no cancellation. */
const int *mcp_stream_watch(const struct mcp_call *c);

/* A client can resume a stream after its connection broke (2025-11-25, "Resumability and
 * Redelivery"). Sent events are stored in a replay log of the host; an event's id contains the
 * stream's id and the position of the next event in the log. The log's name is bound to the
 * session, so other sessions and users cannot read it. */
#define RESUME_WAIT_MS 30000 /* how long a request waits for a disconnected client to resume */
/* Closes the log at the end of the call. */
void replay_end(struct mcp_call *c);
/* Opens the stored events of a stream of this session; close them with replay_log_close.
 * ERR_MISSING if there are none. */
enum rc replay_open(struct mcp_call *c, const char *stream, struct replay_log **out,
                    struct err *e) MUST_USE;
/* Deletes old replay logs (shared/replay_log.h says how old). */
void replay_sweep(struct site *site);

#define GET_STREAM_ID "get" /* the stream's id in the event ids of GET streams */
/* Do the events of this call's stream have ids? Only with 2025-11-25: clients of older versions do
 * not support the priming event, since it has no data. */
bool mcp_stream_has_ids(const struct mcp_call *c);
