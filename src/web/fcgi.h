/* FastCGI: reads one request from an accepted connection and answers it. The only user of libfcgi,
 * whose traps are fenced in here: it does not retry EINTR, dispatches half-read requests, keeps a
 * worker on a kept connection, lingers on close, and has no deadline. So libfcgi never touches the
 * socket: fcgi_conn.c reads the records, under limits and deadlines, those of the parameters into a
 * file in memory (fcgi_file.c); libfcgi decodes them from there and encodes the reply into it;
 * fcgi_conn.c sends that. */
#pragma once

#include "base/base.h"
#include "web/reply.h"
#include "web/request.h"

struct fcgi;

#define FCGI_IO_TIMEOUT_S 10    /* a web server that sends or takes nothing is dropped after this */
#define FCGI_TOTAL_TIMEOUT_S 30 /* one that sends slowly: for the whole request */
#define FCGI_PATIENCE_MS 100    /* a worker waits so long for the end of a reply to be taken */
#define FCGI_PARAMS_MAX (128 * 1024) /* bytes of all parameters of a request together */

/* Made once per worker. Leaves the dispositions of signals as they are, but for SIGPIPE, which is
 * ignored from here on. NULL, with the reason in errno, if there is no memory or descriptor. */
struct fcgi *fcgi_new(void);
void fcgi_free(struct fcgi *f); /* NULL is accepted */

/* For tests: other times than the two above. */
void fcgi_set_timeouts(struct fcgi *f, int silence_ms, int total_ms);

/* The unsent remainder of a reply whose reader is slow: bytes from..to of a file. The function
 * returns true if it has taken copies of both descriptors, and sees to the rest. Without one, or if
 * it returns false, the reply is sent for as long as the reader goes on reading. */
struct fcgi_unsent {
    int fd, file;
    size_t from, to;
    const char *request; /* its id */
};
typedef bool fcgi_unsent_fn(void *arg, const struct fcgi_unsent *unsent);
void fcgi_on_unsent(struct fcgi *f, fcgi_unsent_fn *fn, void *arg);

/* Takes over the accepted connection fd and reads one whole request from it into rq, whose arena
 * must be set. A body over max_body is not read at all.
 *   OK             rq is complete
 *   ERR_TOO_LARGE  rq is complete but for its body (send a 413)
 *   ERR_INVALID_REQUEST  the same, with the reason in e: a header came twice (send a 400)
 *   ERR_MISSING    the peer went away, was too slow or sent garbage; the connection is closed, and
 *                  e says which */
enum rc fcgi_read(struct fcgi *f, int fd, size_t max_body, struct request *rq,
                  struct err *e) MUST_USE;
/* After ERR_MISSING: had the peer sent nothing? A check whether the socket answers does so. */
bool fcgi_got_nothing(const struct fcgi *f);

/* Where a reply to the request that was read last can be streamed to. If its `subscriptions` is set
 * when it begins, nothing is sent before fcgi_detach: the peer must not learn that it is
 * notified of changes before they are watched for. */
struct reply_sink *fcgi_sink(struct fcgi *f);

/* Sends the reply, or the end of a streamed one, ends the request and closes the connection. Adds
 * Content-Length; leaves the body out where HTTP does (HEAD, 204, 304). ERR_MISSING if the peer is
 * gone or stopped reading. */
enum rc fcgi_reply(struct fcgi *f, const struct reply *rp) MUST_USE;

/* In place of fcgi_reply for a stream that goes on without this process: the connection and what
 * is still to be sent on it. The caller owns the descriptor from then on. */
struct fcgi_detached {
    int fd;                     /* -1 if it is gone */
    unsigned id;                /* for fcgi_conn_send_now */
    const unsigned char *first; /* what was streamed so far, as records: still to be sent */
    size_t first_len;
};
/* Of a longer beginning some is sent already. */
#define FCGI_FIRST_MAX 65536
struct fcgi_detached fcgi_detach(struct fcgi *f, struct arena *a);
