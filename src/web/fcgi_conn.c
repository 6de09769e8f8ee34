#include "web/fcgi_conn.h"

#include <errno.h>
#include <fastcgi.h>
#include <poll.h>
#include <sys/param.h>
#include <sys/socket.h>
#include <unistd.h>

#define DRAIN_MS 1000

void fcgi_conn_open(struct fcgi_conn *c, int fd, int silence_ms, int64_t deadline_ms) {
    memset(c, 0, offsetof(struct fcgi_conn, buf));
    c->fd = fd;
    c->silence_ms = silence_ms;
    c->deadline_ms = deadline_ms;
}

static ssize_t receive(struct fcgi_conn *c) {
    ssize_t n = recv(c->fd, c->buf, sizeof c->buf, MSG_DONTWAIT);

    if (n > 0 && c->wipe_len < (size_t)n)
        c->wipe_len = (size_t)n;
    return n;
}

static bool is_late(const struct fcgi_conn *c) {
    return clock_monotonic_ms() >= c->deadline_ms;
}

/* Gets at least one more byte into the empty buffer. The total counts even while bytes are always
 * there to be read, but most requests are there whole, without a look at the clock. */
static enum rc fill(struct fcgi_conn *c, struct err *e) {
    static const char late[] = "the request took too long to arrive";
    int64_t silent = 0;
    ssize_t n;

    if (c->wipe_len && is_late(c))
        return err_set(e, ERR_MISSING, late);
    while ((n = receive(c)) <= 0) {
        if (n == 0)
            return err_set(e, ERR_MISSING, "the web server closed before the request was whole");
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN)
            return err_set(e, ERR_MISSING, "the connection broke: %s", strerror(errno));
        (void)clock_until_ms(&silent, c->silence_ms);
        if (!descriptor_wait(c->fd, POLLIN, MIN(c->deadline_ms, silent)))
            return err_set(e, ERR_MISSING, is_late(c) ? late : "the web server stopped sending");
    }
    c->start = 0;
    c->end = (size_t)n;
    return OK;
}

/* Points *p to the next bytes, at least one and at most len: returns how many in *n. */
static enum rc take(struct fcgi_conn *c, size_t len, unsigned char **p, size_t *n, struct err *e) {
    if (c->start == c->end && fill(c, e))
        return e->code;
    *n = MIN(c->end - c->start, len);
    *p = c->buf + c->start;
    c->start += *n;
    return OK;
}

/* Exactly len bytes, to `to`, or nowhere if that is NULL. */
static enum rc take_all(struct fcgi_conn *c, unsigned char *to, size_t len, struct err *e) {
    while (len) {
        unsigned char *p = NULL; /* or gcc 14 warns */
        size_t n = 0;

        if (take(c, len, &p, &n, e))
            return e->code;
        if (to) {
            memcpy(to, p, n);
            to += n;
        }
        len -= n;
    }
    return OK;
}

static char *put_header(char *out, unsigned type, unsigned id, size_t len) {
    const FCGI_Header header = {.version = FCGI_VERSION_1,
                                .type = (unsigned char)type,
                                .requestIdB1 = (unsigned char)(id >> 8),
                                .requestIdB0 = (unsigned char)id,
                                .contentLengthB1 = (unsigned char)(len >> 8),
                                .contentLengthB0 = (unsigned char)len};

    return (char *)memcpy(out, &header, sizeof header) + sizeof header;
}

/* That request id has ended (FastCGI spec §5.5). */
static char *put_end(char *out, unsigned id, unsigned char status) {
    const FCGI_EndRequestBody body = {.protocolStatus = status};

    out = put_header(out, FCGI_END_REQUEST, id, sizeof body);
    return (char *)memcpy(out, &body, sizeof body) + sizeof body;
}

/* If the few bytes do not fit at once, the peer is not reading, and the close says the same. */
static void send_end(const struct fcgi_conn *c, unsigned id, unsigned char status) {
    char out[sizeof(FCGI_EndRequestRecord)];

    (void)put_end(out, id, status);
    (void)!send(c->fd, out, sizeof out, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* The header of the next record, of any request. */
static enum rc next_header(struct fcgi_conn *c, FCGI_Header *h, unsigned *id, struct err *e) {
    enum rc rc = take_all(c, (unsigned char *)h, sizeof *h, e);

    if (rc)
        return rc;
    if (h->version != FCGI_VERSION_1)
        return err_set(e, ERR_MISSING, "not FastCGI: a record of version %u", h->version);
    *id = (unsigned)(h->requestIdB1 << 8 | h->requestIdB0);
    c->content = (size_t)(h->contentLengthB1 << 8 | h->contentLengthB0);
    c->padding = h->paddingLength;
    /* Web servers in use never send a management record (spec §4). */
    if (*id == FCGI_NULL_REQUEST_ID)
        return err_set(e, ERR_MISSING, "a management record (type %u) is not served", h->type);
    return OK;
}

enum rc fcgi_conn_begin(struct fcgi_conn *c, struct err *e) {
    FCGI_BeginRequestBody body;
    FCGI_Header h;
    enum rc rc = next_header(c, &h, &c->id, e);
    int role;

    if (rc)
        return rc;
    if (h.type != FCGI_BEGIN_REQUEST || c->content != sizeof body)
        return err_set(e, ERR_MISSING, "not the start of a request: a record of type %u", h.type);
    if ((rc = take_all(c, (unsigned char *)&body, sizeof body, e)) ||
        (rc = take_all(c, NULL, c->padding, e)))
        return rc;
    /* FCGI_KEEP_CONN is ignored: a kept connection would pin this worker. */
    role = body.roleB1 << 8 | body.roleB0;
    if (role == FCGI_RESPONDER)
        return OK;
    send_end(c, c->id, FCGI_UNKNOWN_ROLE);
    return err_set(e, ERR_MISSING, "role %d is not served, only responder", role);
}

void fcgi_conn_stream(struct fcgi_conn *c, unsigned type, size_t max) {
    c->type = type;
    c->max = c->allowed = max;
    c->content = c->padding = 0;
}

/* The next record of our request; those of others are skipped (spec §3.3), and one that would begin
 * a second request on this connection is turned down. */
static enum rc next_record(struct fcgi_conn *c, struct err *e) {
    FCGI_Header h;
    unsigned id;
    enum rc rc;

    while (!(rc = next_header(c, &h, &id, e)) && id != c->id) {
        if (h.type == FCGI_BEGIN_REQUEST)
            send_end(c, id, FCGI_CANT_MPX_CONN);
        if ((rc = take_all(c, NULL, c->content + c->padding, e)))
            break;
    }
    if (rc)
        return rc;
    if (h.type == FCGI_ABORT_REQUEST) { /* spec §5.4 */
        send_end(c, c->id, FCGI_REQUEST_COMPLETE);
        return err_set(e, ERR_MISSING, "the web server took the request back");
    }
    if (h.type != c->type)
        return err_set(e, ERR_MISSING, "a record of type %u where %u was due", h.type, c->type);
    if (c->content > c->allowed)
        return err_set(e, ERR_MISSING,
                       c->type == FCGI_PARAMS ? "the parameters are over %zu bytes"
                                              : "the body is longer than CONTENT_LENGTH (%zu)",
                       c->max);
    c->allowed -= c->content;
    return OK;
}

enum rc fcgi_conn_read(struct fcgi_conn *c, unsigned char **p, size_t *len, struct err *e) {
    enum rc rc = OK;

    *len = 0;
    if (!c->content && ((rc = take_all(c, NULL, c->padding, e)) || (rc = next_record(c, e))))
        return rc;
    if (c->content) {
        rc = take(c, c->content, p, len, e);
        c->content -= *len;
        return rc;
    }
    c->complete = c->type == FCGI_STDIN; /* an empty record ends the stream (spec §3.3) */
    return take_all(c, NULL, c->padding, e);
}

bool fcgi_conn_peer_closed(const struct fcgi_conn *c) {
    struct pollfd p = {.fd = c->fd};

    return poll(&p, 1, 0) > 0 && p.revents & (POLLHUP | POLLERR);
}

enum rc fcgi_conn_send(struct fcgi_conn *c, const void *p, size_t len, int wait_ms, size_t *sent) {
    int64_t until = 0, silent = 0;

    *sent = 0;
    while (*sent < len) {
        ssize_t n = send(c->fd, (const char *)p + *sent, len - *sent, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n > 0) {
            *sent += (size_t)n;
            silent = 0;
        } else if (n < 0 && errno == EAGAIN) {
            (void)clock_until_ms(&until, wait_ms);
            (void)clock_until_ms(&silent, c->silence_ms);
            if (!descriptor_wait(c->fd, POLLOUT, MIN(until, silent)))
                return clock_monotonic_ms() < until ? ERR_MISSING : OK;
        } else if (n >= 0 || errno != EINTR) {
            return ERR_MISSING;
        }
    }
    return OK;
}

size_t fcgi_records(unsigned id, const char *text, size_t len, bool end, char *out) {
    char *p = out;

    while (len) {
        size_t n = len < FCGI_CONTENT_MAX ? len : FCGI_CONTENT_MAX;

        p = put_header(p, FCGI_STDOUT, id, n);
        p = (char *)memcpy(p, text, n) + n;
        text += n;
        len -= n;
    }
    if (end)
        p = put_end(put_header(p, FCGI_STDOUT, id, 0), id, FCGI_REQUEST_COMPLETE);
    return (size_t)(p - out);
}

bool fcgi_send_now(int fd, unsigned id, const char *text, size_t len, bool end) {
    static char out[FCGI_RECORDS_MAX(FCGI_CONTENT_MAX)]; /* on the stack it would be zeroed */
    size_t all;
    ssize_t n;

    if (len > FCGI_CONTENT_MAX)
        return false;
    all = fcgi_records(id, text, len, end, out);
    do
        n = send(fd, out, all, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n == (ssize_t)all;
}

/* Reads and drops what is there. 1: the peer may send more; 0: it has closed. */
static int discard(struct fcgi_conn *c) {
    for (;;) {
        ssize_t n = receive(c);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 && errno == EAGAIN;
        if (is_late(c))
            return 0;
    }
}

void fcgi_conn_close(struct fcgi_conn *c, bool drain) {
    if (c->fd >= 0 && (drain || !c->complete)) {
        c->deadline_ms = clock_monotonic_ms() + DRAIN_MS;
        drain = drain && shutdown(c->fd, SHUT_WR) == 0;
        while (discard(c) && drain && descriptor_wait(c->fd, POLLIN, c->deadline_ms))
            ;
    }
    descriptor_clear(&c->fd);
    explicit_bzero(c->buf, c->wipe_len); /* tokens went through here */
}
