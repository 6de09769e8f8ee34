/* Reads server-sent events (WHATWG HTML, "Event stream interpretation") as they come, in pieces of
 * any size. web/sse.h writes them. */
#pragma once

#include "base/base.h"

#define EVENT_TYPE_MAX 63 /* bytes; a longer type is cut off, and then none that is known */
#define EVENT_ID_MAX 1023 /* bytes; an event with a longer id has none */

struct event {
    const char *type; /* "message" if the stream names none */
    const char *data; /* lines are joined by '\n'; a NUL is behind it */
    size_t len;
};

struct event_stream {
    size_t max; /* bytes of the data of an event, and of a line */
    void (*on_event)(void *arg, const struct event *e);
    void *arg;
    /* Of the last event that had them: for Last-Event-ID, and for how long to wait before. */
    char id[EVENT_ID_MAX + 1]; /* "": none */
    int64_t retry_ms;          /* -1: not said */
    /* What is between two events. */
    struct event_bytes {
        char *p;
        size_t len, cap;
    } line, data;
    char type[EVENT_TYPE_MAX + 1], next_id[EVENT_ID_MAX + 1];
    bool has_data, after_cr, after_start;
};

/* `s` has max, on_event and arg, and is zero otherwise. */
void event_stream_begin(struct event_stream *s);
/* false: a line, or the data of an event, has more than max bytes; no more may be read. */
bool event_stream_read(struct event_stream *s, const char *p, size_t len) MUST_USE;
void event_stream_end(struct event_stream *s); /* frees what an unfinished event has taken */
