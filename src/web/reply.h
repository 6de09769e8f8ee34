/* One HTTP reply, filled by a handler and sent whole; or begun by it and sent piece by piece. */
#pragma once

#include "base/json.h"

#define REPLY_HEADERS_MAX 24

/* What a handler adds to the line of the audit log; NULL: nothing. Never a secret. */
struct audit_notes {
    const char *event;   /* instead of the endpoint's name */
    const char *outcome; /* of a request without an error; instead of "ok" */
    const char *reason;  /* the same */
    const char *client, *subject;
};

struct parked;
struct reply;

/* Where the pieces of a streamed reply go. Each call sends at once, under a deadline, and gives
 * ERR_MISSING if the peer disconnected or stopped reading. */
struct reply_sink {
    enum rc (*begin)(struct reply_sink *s, const struct reply *rp); /* status and headers */
    enum rc (*write)(struct reply_sink *s, const char *p, size_t len);
    void (*end)(struct reply_sink *s);
    /* Gives a streamed reply to whoever holds it until its call can go on (parked.h). False: it is
     * not taken, and the caller waits itself. NULL: nobody takes any. */
    bool (*park)(struct reply_sink *s, const struct parked *p);
    void *park_arg;
    int fd;    /* becomes readable when the peer goes away, and for nothing else */
    bool last; /* set before the last write: it goes out with the end, and waits for no reader */
};

struct reply {
    struct arena *arena;
    struct audit_notes audit;
    int status; /* 0: nothing was set yet */
    struct reply_header {
        const char *name, *value;
    } headers[REPLY_HEADERS_MAX];
    unsigned header_count;
    const char *body; /* in the arena, or static */
    size_t body_len;
    struct reply_sink *sink; /* NULL: only whole replies can be sent */
    bool streaming;          /* status and headers are out, and the body is what is written */
    bool ended;              /* and its end was sent */
    bool parked;             /* it was given away: nothing is sent or logged here any more */
    /* What a streamed reply waits for when its handler has returned (subscription.h), set before it
     * begins. For one that is not streamed: what the streams of the same key wait for from now on,
     * or that they are ended (SUBSCRIPTION_KEY). Or NULL. */
    const struct buf *subscriptions;
    int64_t subscription_until_s; /* and no longer than this */
};

void reply_init(struct reply *rp, struct arena *a);
/* Adds a header. Both strings must outlive the reply; a value with a control character in it is a
 * bug of ours and ends the process, since it could split the response. */
void reply_header(struct reply *rp, const char *name, const char *value);
void reply_json(struct reply *rp, int status, const struct json *v);
/* ERR_UNSUPPORTED_MEDIA_TYPE if the body has a Content-Encoding (RFC 9110 §15.5.16), since none is
 * decoded here; the reply says so. */
struct request;
enum rc reply_check_coding(struct reply *rp, const struct request *rq, struct err *e) MUST_USE;
void reply_redirect(struct reply *rp, const char *location); /* 302, not cached */
void reply_empty(struct reply *rp, int status);
void reply_retry_after(struct reply *rp, int64_t wait_s); /* RFC 9110 §10.2.3 */
/* The same, rounded up, and ERR_RATE_LIMITED for the caller to return. */
enum rc reply_rate_limited(struct reply *rp, int64_t wait_ms, struct err *e);

/* Sends status and headers; from here on there is no other reply. ERR_MISSING: the peer
 * disconnected. */
enum rc reply_stream_begin(struct reply *rp) MUST_USE;
enum rc reply_stream_write(struct reply *rp, const char *p, size_t len) MUST_USE;
/* Ends the reply for the peer now, while the handler goes on. */
void reply_stream_end(struct reply *rp);
/* Gives away a reply that has begun; false if nobody takes it. */
bool reply_park(struct reply *rp, const struct parked *p);

const char *reply_reason(int status); /* "Not Found" */
