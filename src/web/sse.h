/* Server-sent events (WHATWG HTML, "Server-sent events"): the one place that writes them, and that
 * writes and reads their ids. */
#pragma once

#include "base/text.h"

#define SSE_COMMENT ":\n\n"
#define SSE_DATA "data: " /* begins the one line of data that an event has */
#define SSE_END "\n\n"    /* ends that line and the event */
#define SSE_RETRY_MS 1000 /* after this time a client should come back */

/* The id of an event, as Last-Event-ID brings it back: STREAM.AT or STREAM.AT.NUMBER. AT is
 * hexadecimal and always written with SSE_AT_DIGITS, so that the length of an event is known before
 * AT is. */
#define SSE_STREAM_MAX 24
#define SSE_AT_DIGITS 12
#define SSE_UNNUMBERED (-1)

struct sse_id {
    char stream[SSE_STREAM_MAX + 1]; /* characters of base64url */
    uint64_t at;                     /* below 2^48: where the stream goes on after the event */
    int number;                      /* of several events at one place, or SSE_UNNUMBERED */
};

/* `stream` has at most SSE_STREAM_MAX bytes; what is longer is cut off. */
struct sse_id sse_id(const char *stream, uint64_t at, int number);
/* The same for now: AT is real time in ms, as that of files is. */
struct sse_id sse_id_now(const char *stream, int number);
/* False: it is no such id. */
bool sse_id_read(const char *text, struct sse_id *out) MUST_USE;

/* The line of an id, to be put before an event that has none. Returns its length. */
#define SSE_ID_LINE_MAX 64
size_t sse_id_line(const struct sse_id *id, char line[SSE_ID_LINE_MAX]);
/* An event; `data` has no end of a line in it, as JSON text has none. `id` may be NULL. */
struct text sse_event(struct arena *a, const struct sse_id *id, struct text data);
size_t sse_event_len(const struct sse_id *id, struct text data);
/* An event without data: gives the client an id before there is anything to send. */
struct text sse_priming_event(struct arena *a, const struct sse_id *id);
