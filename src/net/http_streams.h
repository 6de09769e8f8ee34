/* Many HTTP requests at the same time, whose answers are read as they come and may never end. Of
 * one process, which waits for them and one descriptor of its own. Redirects are answers like
 * others; certificates are checked. */
#pragma once

#include "base/text.h"

struct http_streams;
struct http_stream;

/* How a stream has ended. */
struct http_stream_end {
    long status;         /* 0: there was no answer */
    const char *failure; /* NULL: the answer was read to its end */
};

struct http_stream_request {
    const char *url, *method;
    const char *const *headers; /* "Name: value"; NULL ends it */
    struct text body;           /* copied; of a POST */
    long timeout_ms;            /* of all of it; 0: none */
    void *arg;
    /* A piece of the body. false: no more of it is wanted, which is a failure. It may not begin a
     * stream, or end one. */
    bool (*on_data)(void *arg, struct http_stream *s, struct text piece);
    /* The stream is gone afterwards. It may begin others. */
    void (*on_end)(void *arg, struct http_stream *s, const struct http_stream_end *end);
};

/* ca_file: PEM, authorities that are trusted besides the system's; "": none. NULL: it cannot be
 * started. */
struct http_streams *http_streams_new(const char *ca_file);
void http_streams_free(struct http_streams *all);

/* The texts of the request are copied. */
struct http_stream *http_stream_begin(struct http_streams *all,
                                      const struct http_stream_request *rq);
/* Ends it without on_end. */
void http_stream_abort(struct http_stream *s);
long http_stream_status(const struct http_stream *s); /* 0: it is not known yet */
/* The first header of this name; NULL: there is none. Valid until the stream's next event. */
const char *http_stream_header(const struct http_stream *s, const char *name);

/* Waits until fd is readable, something has happened, or wait_ms are over, and calls what is to be
 * called. fd -1: none. Returns whether fd is readable. */
bool http_streams_wait(struct http_streams *all, int fd, int wait_ms);
