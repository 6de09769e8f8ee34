/* The connection under fcgi.c: FastCGI records in and out, each wait under a deadline. Reading goes
 * record by record; writing needs no more than the socket and the id of the request, so that
 * another process can continue a reply. */
#pragma once

#include "base/base.h"

struct fcgi_conn {
    int fd; /* -1: closed */
    int silence_ms;
    int64_t deadline_ms; /* of reading the request, and of closing */
    unsigned id;         /* FastCGI request id; 0: no request has begun */
    unsigned type;       /* of the stream that is read: FCGI_PARAMS or FCGI_STDIN */
    size_t max;          /* bytes that this stream may have */
    size_t allowed;      /* bytes that its next records may have together */
    size_t content;      /* bytes of the current record that were not read yet */
    size_t padding;      /* bytes behind them */
    size_t start, end;   /* what was received and not used yet: buf[start] to buf[end - 1] */
    size_t wipe_len;     /* bytes of buf that were ever filled: fcgi_conn_close wipes them */
    bool complete;       /* the request was read to its end: the peer has no more to send */
    unsigned char buf[16 * 1024];
};

/* Takes over fd. The request must be read by the deadline. */
void fcgi_conn_open(struct fcgi_conn *c, int fd, int silence_ms, int64_t deadline_ms);

/* Reads the record that begins a request. Only the role of a responder is served. ERR_MISSING, with
 * the reason in e, for anything else. */
enum rc fcgi_conn_begin(struct fcgi_conn *c, struct err *e) MUST_USE;

/* From now on fcgi_conn_read reads the stream of this type, which may have `max` bytes. */
void fcgi_conn_stream(struct fcgi_conn *c, unsigned type, size_t max);
/* Points *p to the next bytes of the stream, which are valid until the next call; *len is 0 at its
 * end. ERR_MISSING, with the reason in e: it is too long or does not come whole. */
enum rc fcgi_conn_read(struct fcgi_conn *c, unsigned char **p, size_t *len, struct err *e) MUST_USE;

/* Has the peer closed the connection, so that no reply can reach it? */
bool fcgi_conn_peer_closed(const struct fcgi_conn *c);

/* Sends, and waits for at most wait_ms: *sent is how much of it went out by then. INT_MAX: as long
 * as the peer goes on reading. ERR_MISSING if it has closed, or took nothing for silence_ms. */
enum rc fcgi_conn_send(struct fcgi_conn *c, const void *p, size_t len, int wait_ms,
                       size_t *sent) MUST_USE;

/* The records of the reply to request `id` that have this text; `end`: and those that end the reply
 * and the request. Written to `out`, which has room for FCGI_RECORDS_MAX(len) bytes. Returns how
 * many bytes they are. */
#define FCGI_CONTENT_MAX 65528 /* of one record of ours; a multiple of 8, as the spec advises */
#define FCGI_RECORDS_MAX(len) ((len) + ((len) / FCGI_CONTENT_MAX + 4) * 8)
size_t fcgi_records(unsigned id, const char *text, size_t len, bool end, char *out);
/* Sends them at once and whole, or fails: for a connection that nobody waits on, and a text of at
 * most FCGI_CONTENT_MAX bytes. */
bool fcgi_send_now(int fd, unsigned id, const char *text, size_t len, bool end);

/* Closes it, if it is open, and wipes the buffer. Closing a socket with unread bytes in it resets
 * the connection, and the peer may lose the reply: if the peer may still be sending, `drain` reads
 * on until it has seen our end, for at most a second. */
void fcgi_conn_close(struct fcgi_conn *c, bool drain);
