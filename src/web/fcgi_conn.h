/* The socket under fcgi.c: FastCGI records in, bytes out, each under a deadline. Decodes nothing
 * but the record headers, and the lengths of parameters; what the records say is
 * libfcgi's work. */
#pragma once

#include "base/base.h"
#include "web/fcgi_file.h"

struct fcgi_conn {
    int fd; /* -1: closed */
    int silence_ms, total_ms;
    int64_t deadline_ms; /* of reading the request, and of closing */
    unsigned id;         /* FastCGI request id; 0: no request has begun */
    size_t at, have;     /* what of buf is not used yet: buf[at] to buf[have - 1] */
    size_t most;         /* that ever was in it */
    bool whole;          /* the request was read to its end: the peer has no more to send */
    unsigned char buf[16 * 1024];
};

/* Takes over fd, and starts the deadline for the request. */
void fcgi_conn_open(struct fcgi_conn *c, int fd, int silence_ms, int total_ms);

/* Reads the record that begins a request and copies it to out. Only the role of a responder is
 * taken. ERR_MISSING, with the reason in e, for anything else. */
enum rc fcgi_conn_begin(struct fcgi_conn *c, struct fcgi_file *out, struct err *e) MUST_USE;

/* Copies the records of the parameters to out, up to and with the empty one that ends them.
 * ERR_TOO_LARGE if they have more than max bytes; ERR_MISSING, with the reason in e, if they do not
 * come whole. */
enum rc fcgi_conn_params(struct fcgi_conn *c, size_t max, struct fcgi_file *out,
                         struct err *e) MUST_USE;

/* Reads what the records of the body hold, up to the empty one that ends it. *got: how many bytes
 * there were. ERR_TOO_LARGE if there are more than max; ERR_MISSING as above. */
enum rc fcgi_conn_body(struct fcgi_conn *c, char *to, size_t max, size_t *got,
                       struct err *e) MUST_USE;

/* Has the peer closed the connection, so that no reply can reach it? */
bool fcgi_conn_is_gone(const struct fcgi_conn *c);

/* Sends everything, without a limit on the whole time as long as the peer goes on reading.
 * ERR_MISSING if it is gone, or took nothing for silence_ms. */
enum rc fcgi_conn_send(struct fcgi_conn *c, const unsigned char *p, size_t len) MUST_USE;
/* The same for at most `ms`: *sent is how much of it went out by then. */
enum rc fcgi_conn_send_for(struct fcgi_conn *c, const unsigned char *p, size_t len, int ms,
                           size_t *sent) MUST_USE;

/* Sends text of the reply to request `id` at once and whole, or fails: for a connection that nobody
 * waits on. `end` ends the request. */
#define FCGI_SEND_NOW_MAX 65528
bool fcgi_conn_send_now(int fd, unsigned id, const char *text, size_t len, bool end);

/* The records that fcgi_conn_send_now would send for a text of any length, for a caller that sends
 * them piece by piece: written to `out`, which has room for FCGI_FRAMED_MAX(len). Returns how many
 * bytes they are. */
#define FCGI_FRAMED_MAX(len) ((len) + ((len) / FCGI_SEND_NOW_MAX + 1) * 8)
size_t fcgi_conn_frame(unsigned id, const char *text, size_t len, char *out);

/* Closes it. Closing a socket with unread bytes in it resets the connection, and the peer may lose
 * the reply: if the peer may still be sending, `drain` reads on until it has seen our end, for at
 * most a second. */
void fcgi_conn_close(struct fcgi_conn *c, bool drain);
