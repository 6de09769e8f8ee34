/* FastCGI: reads one request from an accepted connection and answers it. The only user of libfcgi:
 * its streams read the parameters and the body. They get their bytes from fcgi_conn.c, a record at
 * a time and under limits and deadlines, since libfcgi has none for a connection: it dispatches
 * half-read requests, does not retry EINTR, keeps a worker on a kept connection and lingers on
 * close. The reply is written without it. */
#pragma once

#include "web/reply.h"
#include "web/request.h"

struct fcgi;

#define FCGI_IO_TIMEOUT_S 10    /* a web server that sends or takes nothing is dropped after this */
#define FCGI_TOTAL_TIMEOUT_S 30 /* one that sends slowly: for the whole request */
#define FCGI_END_WAIT_MS 100    /* a worker waits so long until the end of a reply is sent */
#define FCGI_PARAMS_MAX (128 * 1024) /* bytes of all parameters of a request together */

/* The unsent remainder of a reply whose reader is slow: a file in memory has it. The function
 * returns true if it has taken copies of both descriptors, and sees to the rest. Without one, or if
 * it returns false, the reply is sent for as long as the reader goes on reading. */
struct fcgi_unsent {
    int fd, file;
    const char *request; /* its id */
};
typedef bool fcgi_unsent_fn(void *arg, const struct fcgi_unsent *unsent);

/* Asked when all of a request but its body is known. Another result than OK: the body is not read,
 * and fcgi_read returns it. */
typedef enum rc fcgi_admit_fn(void *arg, const struct request *rq, struct err *e);

/* Made once per worker. Both functions may be NULL; they get `arg`. */
struct fcgi *fcgi_new(fcgi_unsent_fn *on_unsent, fcgi_admit_fn *admit, void *arg);
void fcgi_free(struct fcgi *f); /* NULL is accepted */

/* For tests: other times than the two above. */
void fcgi_set_timeouts(struct fcgi *f, int silence_ms, int total_ms);

/* Takes over the accepted connection fd and reads one whole request from it into rq, whose arena
 * and started_ms must be set. A body over max_body is not read at all.
 *   OK             rq is complete
 *   ERR_TOO_LARGE  rq is complete but for its body (send a 413)
 *   ERR_INVALID_REQUEST  the same, with the reason in e: a header came twice (send a 400)
 *   what `admit` returned: the same
 *   ERR_MISSING    the peer went away, was too slow or sent garbage; the connection is closed, and
 *                  e says which */
enum rc fcgi_read(struct fcgi *f, int fd, size_t max_body, struct request *rq,
                  struct err *e) MUST_USE;
/* After ERR_MISSING: had the peer sent nothing? Whoever checks that the socket answers does so. */
bool fcgi_got_nothing(const struct fcgi *f);

/* Where a reply to the request that was read last can be streamed to. If its `subscriptions` is set
 * when it begins, nothing is sent before fcgi_detach: the peer must not learn that it is
 * notified of changes before they are watched for. */
struct reply_sink *fcgi_sink(struct fcgi *f);

/* Sends the reply, or the end of a streamed one, ends the request and closes the connection. Adds
 * Content-Length; leaves the body out where HTTP does (HEAD, 204, 304). ERR_MISSING if the peer
 * has closed or stopped reading. */
enum rc fcgi_reply(struct fcgi *f, const struct reply *rp) MUST_USE;

/* In place of fcgi_reply for a stream that goes on without this process: the connection and what
 * is still to be sent on it. The caller owns the descriptor from then on. */
struct fcgi_detached {
    int fd;              /* -1: it is closed */
    unsigned id;         /* for fcgi_records */
    const char *records; /* what was streamed so far: still to be sent */
    size_t records_len;
};
/* What is longer is sent before the stream is detached. */
#define FCGI_DETACHED_MAX 65536
struct fcgi_detached fcgi_detach(struct fcgi *f, struct arena *a);
/* The other way round: continues a detached stream, of which nothing is unsent. Of the request id,
 * params, body and started_ms must be set; fills what the parameters say. Then fcgi_sink. */
void fcgi_adopt(struct fcgi *f, const struct fcgi_detached *d, struct request *rq);
