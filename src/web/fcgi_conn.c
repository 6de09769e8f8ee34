#include "web/fcgi_conn.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define DRAIN_MS 1000
#define HEADER_LEN 8
#define BEGIN_BODY_LEN 8

/* FastCGI spec §8. The library's header has these too, but only fcgi.c may include it. */
enum { VERSION_1 = 1 };
enum {
    TYPE_BEGIN = 1,
    TYPE_ABORT = 2,
    TYPE_END = 3,
    TYPE_PARAMS = 4,
    TYPE_STDIN = 5,
    TYPE_STDOUT = 6
};
enum { ROLE_RESPONDER = 1 };
enum { FLAG_KEEP_CONN = 1 };
enum { REQUEST_COMPLETE = 0, CANT_MPX_CONN = 1, UNKNOWN_ROLE = 3 };

struct record {
    unsigned type, id;
    size_t len, padding;
};

void fcgi_conn_open(struct fcgi_conn *c, int fd, int silence_ms, int total_ms) {
    c->fd = fd;
    c->silence_ms = silence_ms;
    c->total_ms = total_ms;
    c->deadline_ms = clock_monotonic_ms() + total_ms;
    c->id = 0;
    c->at = c->have = c->most = 0;
    c->whole = false;
}

/* Waits until the socket can be read or written: 1, or 0 when time is up. */
static int wait_for(const struct fcgi_conn *c, short events, int64_t until_ms) {
    struct pollfd p = {.fd = c->fd, .events = events};

    for (;;) {
        int64_t left = until_ms - clock_monotonic_ms();
        int n;

        if (left <= 0)
            return 0;
        n = poll(&p, 1, (int)left);
        if (n > 0)
            return 1;
        if (n < 0 && errno != EINTR)
            return 0;
    }
}

static int64_t earlier(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static ssize_t receive(struct fcgi_conn *c) {
    ssize_t n = recv(c->fd, c->buf, sizeof c->buf, MSG_DONTWAIT);

    if (n > 0 && c->most < (size_t)n)
        c->most = (size_t)n;
    return n;
}

/* Gets at least one more byte into the empty buffer. */
static enum rc fill(struct fcgi_conn *c, struct err *e) {
    int64_t until = earlier(c->deadline_ms, clock_monotonic_ms() + c->silence_ms);

    for (;;) {
        ssize_t n;

        /* The total counts even while bytes are always there to be read. */
        if (clock_monotonic_ms() >= c->deadline_ms)
            return err_set(e, ERR_MISSING, "the request took too long to arrive");
        n = receive(c);
        if (n > 0) {
            c->at = 0;
            c->have = (size_t)n;
            return OK;
        }
        if (n == 0)
            return err_set(e, ERR_MISSING, "the web server closed before the request was whole");
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN)
            return err_set(e, ERR_MISSING, "the connection broke: %s", strerror(errno));
        if (!wait_for(c, POLLIN, until) && clock_monotonic_ms() < c->deadline_ms)
            return err_set(e, ERR_MISSING, "the web server stopped sending");
    }
}

/* Points *p to the next bytes, at least one and at most len: returns how many in *n. */
static enum rc take(struct fcgi_conn *c, size_t len, const unsigned char **p, size_t *n,
                    struct err *e) {
    if (c->at == c->have) {
        enum rc rc = fill(c, e);

        if (rc)
            return rc;
    }
    *n = c->have - c->at < len ? c->have - c->at : len;
    *p = c->buf + c->at;
    c->at += *n;
    return OK;
}

/* Exactly len bytes, to `to`, or nowhere if that is NULL. */
static enum rc take_all(struct fcgi_conn *c, unsigned char *to, size_t len, struct err *e) {
    while (len) {
        const unsigned char *p;
        size_t n;
        enum rc rc = take(c, len, &p, &n, e);

        if (rc)
            return rc;
        if (to) {
            memcpy(to, p, n);
            to += n;
        }
        len -= n;
    }
    return OK;
}

static void put_header(unsigned char h[HEADER_LEN], unsigned type, unsigned id, size_t len) {
    h[0] = VERSION_1;
    h[1] = (unsigned char)type;
    h[2] = (unsigned char)(id >> 8);
    h[3] = (unsigned char)id;
    h[4] = (unsigned char)(len >> 8);
    h[5] = (unsigned char)len;
    h[6] = h[7] = 0;
}

/* Tells the peer that request id has ended (FastCGI spec §5.5). If the few bytes do not fit at
 * once, the peer is not reading, and the close says the same. */
static void send_end(const struct fcgi_conn *c, unsigned id, unsigned char status) {
    unsigned char r[HEADER_LEN + 8] = {0};

    put_header(r, TYPE_END, id, 8);
    r[HEADER_LEN + 4] = status;
    if (send(c->fd, r, sizeof r, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        return;
}

static enum rc read_header(struct fcgi_conn *c, struct record *r, struct err *e) {
    unsigned char h[HEADER_LEN];
    enum rc rc = take_all(c, h, sizeof h, e);

    if (rc)
        return rc;
    if (h[0] != VERSION_1)
        return err_set(e, ERR_MISSING, "not FastCGI: a record of version %u", h[0]);
    r->type = h[1];
    r->id = (unsigned)(h[2] << 8 | h[3]);
    r->len = (size_t)(h[4] << 8 | h[5]);
    r->padding = h[6];
    /* Management records (spec §4). Web servers in use never send one, and libfcgi answers
     * FCGI_GET_VALUES from a buffer of fixed size that repeated names overflow. */
    if (r->id == 0)
        return err_set(e, ERR_MISSING, "a management record (type %u) is not served", r->type);
    return OK;
}

/* The next record of our request; those of others are skipped (spec §3.3), and one that would begin
 * a second request on this connection is turned down. */
static enum rc next_record(struct fcgi_conn *c, struct record *r, struct err *e) {
    for (;;) {
        enum rc rc = read_header(c, r, e);

        if (rc || r->id == c->id)
            return rc;
        if (r->type == TYPE_BEGIN)
            send_end(c, r->id, CANT_MPX_CONN);
        rc = take_all(c, NULL, r->len + r->padding, e);
        if (rc)
            return rc;
    }
}

enum rc fcgi_conn_begin(struct fcgi_conn *c, struct fcgi_file *out, struct err *e) {
    unsigned char copy[HEADER_LEN + BEGIN_BODY_LEN], *body = copy + HEADER_LEN;
    struct record r = {0};
    enum rc rc = read_header(c, &r, e);

    if (rc)
        return rc;
    if (r.type != TYPE_BEGIN || r.len != BEGIN_BODY_LEN)
        return err_set(e, ERR_MISSING, "not the start of a request: a record of type %u", r.type);
    c->id = r.id;
    if ((rc = take_all(c, body, BEGIN_BODY_LEN, e)) || (rc = take_all(c, NULL, r.padding, e)))
        return rc;
    if ((body[0] << 8 | body[1]) != ROLE_RESPONDER) {
        send_end(c, c->id, UNKNOWN_ROLE);
        return err_set(e, ERR_MISSING, "role %d is not served, only responder",
                       body[0] << 8 | body[1]);
    }
    /* Whatever the peer asked for, its connection is closed after the reply: a kept one would pin
     * this worker. Towards libfcgi it is the other way round: it must not close our file. */
    body[2] = FLAG_KEEP_CONN;
    put_header(copy, TYPE_BEGIN, c->id, BEGIN_BODY_LEN);
    return fcgi_file_add(out, copy, sizeof copy, e);
}

/* The next record of the stream of this type; an empty one ends the stream. `left`: how many bytes
 * it may still have. */
static enum rc next_of_stream(struct fcgi_conn *c, unsigned type, size_t left, struct record *r,
                              struct err *e) {
    enum rc rc = next_record(c, r, e);

    if (rc)
        return rc;
    if (r->type == TYPE_ABORT) { /* spec §5.4 */
        send_end(c, c->id, REQUEST_COMPLETE);
        return err_set(e, ERR_MISSING, "the web server took the request back");
    }
    if (r->type != type)
        return err_set(e, ERR_MISSING, "a record of type %u where %u was due", r->type, type);
    return r->len > left ? ERR_TOO_LARGE : OK;
}

/* The lengths that stand before each parameter (FastCGI spec §3.4), as the bytes come. libfcgi adds
 * two of them in an int and asks for so much memory: with large ones that ends the process, and in
 * versions before 2.4.5 overflows the heap (CVE-2025-23016). */
struct pairs {
    size_t max;       /* bytes of one pair; the other members are 0 at first */
    size_t length[2]; /* of name and value */
    unsigned which;   /* of the two is being read */
    unsigned more;    /* bytes that are missing of it; 0: none has come yet */
    size_t to_skip;   /* of the name and the value themselves */
    size_t name;      /* how much of that is the name */
};

/* One byte of a length. True when the length is whole. */
static bool take_byte(struct pairs *s, unsigned char byte) {
    size_t *length = &s->length[s->which];

    if (s->more) {
        *length = *length << 8 | byte;
        return --s->more == 0;
    }
    *length = byte & 0x7f;
    s->more = byte & 0x80 ? 3 : 0;
    return !s->more;
}

/* False if one pair is to be longer than `max`, or has in it what would end it for libfcgi, which
 * makes "NAME=value" of it: a NUL, or in the name a "=". A pair that breaks off is libfcgi's to
 * find. */
static bool take_pairs(struct pairs *s, const unsigned char *p, size_t len) {
    while (len) {
        if (s->to_skip) {
            size_t n = s->to_skip < len ? s->to_skip : len, name = s->name < n ? s->name : n;

            if (memchr(p, 0, n) || memchr(p, '=', name))
                return false;
            s->name -= name;
            s->to_skip -= n;
            p += n;
            len -= n;
            continue;
        }
        len--;
        if (!take_byte(s, *p++) || ++s->which < 2)
            continue;
        s->which = 0;
        s->to_skip = s->length[0] + s->length[1]; /* each below 2^31 */
        s->name = s->length[0];
        if (s->to_skip > s->max)
            return false;
    }
    return true;
}

static enum rc copy_record(struct fcgi_conn *c, const struct record *r, struct pairs *pairs,
                           struct fcgi_file *out, struct err *e) {
    unsigned char h[HEADER_LEN];
    size_t left = r->len;
    enum rc rc;

    put_header(h, r->type, r->id, r->len);
    rc = fcgi_file_add(out, h, sizeof h, e);
    while (!rc && left) {
        const unsigned char *p;
        size_t n;

        rc = take(c, left, &p, &n, e);
        if (!rc && !take_pairs(pairs, p, n))
            rc = err_set(e, ERR_MISSING,
                         "a parameter is malformed, or to be longer than all may be");
        if (!rc) {
            rc = fcgi_file_add(out, p, n, e);
            left -= n;
        }
    }
    return rc ? rc : take_all(c, NULL, r->padding, e);
}

enum rc fcgi_conn_params(struct fcgi_conn *c, size_t max, struct fcgi_file *out, struct err *e) {
    struct pairs pairs = {.max = max};
    struct record r = {0};
    size_t got = 0;

    do {
        enum rc rc = next_of_stream(c, TYPE_PARAMS, max - got, &r, e);

        if (rc || (rc = copy_record(c, &r, &pairs, out, e)))
            return rc;
        got += r.len;
    } while (r.len);
    return OK;
}

enum rc fcgi_conn_body(struct fcgi_conn *c, char *to, size_t max, size_t *got, struct err *e) {
    struct record r = {0};

    *got = 0;
    do {
        enum rc rc = next_of_stream(c, TYPE_STDIN, max - *got, &r, e);

        if (rc || (rc = take_all(c, (unsigned char *)to + *got, r.len, e)) ||
            (rc = take_all(c, NULL, r.padding, e)))
            return rc;
        *got += r.len;
    } while (r.len);
    c->whole = true;
    return OK;
}

bool fcgi_conn_is_gone(const struct fcgi_conn *c) {
    struct pollfd p = {.fd = c->fd};

    return poll(&p, 1, 0) > 0 && p.revents & (POLLHUP | POLLERR);
}

/* Until the time is up, or no byte was taken for the time of silence. */
static enum rc send_until(struct fcgi_conn *c, const unsigned char *p, size_t len, int64_t until,
                          size_t *sent) {
    int64_t silent = clock_monotonic_ms() + c->silence_ms;

    *sent = 0;
    while (*sent < len) {
        ssize_t n = send(c->fd, p + *sent, len - *sent, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n > 0) {
            *sent += (size_t)n;
            silent = clock_monotonic_ms() + c->silence_ms;
        } else if (n < 0 && errno == EAGAIN) {
            if (!wait_for(c, POLLOUT, earlier(until, silent)))
                return clock_monotonic_ms() < until ? ERR_MISSING : OK;
        } else if (n >= 0 || errno != EINTR) {
            return ERR_MISSING;
        }
    }
    return OK;
}

enum rc fcgi_conn_send(struct fcgi_conn *c, const unsigned char *p, size_t len) {
    size_t sent;

    return send_until(c, p, len, INT64_MAX, &sent);
}

enum rc fcgi_conn_send_for(struct fcgi_conn *c, const unsigned char *p, size_t len, int ms,
                           size_t *sent) {
    return send_until(c, p, len, clock_monotonic_ms() + ms, sent);
}

bool fcgi_conn_send_now(int fd, unsigned id, const char *text, size_t len, bool end) {
    unsigned char out[HEADER_LEN], last[2 * HEADER_LEN + 8] = {0};
    struct iovec parts[] = {
        {out, len ? sizeof out : 0}, {(void *)(uintptr_t)text, len}, {last, end ? sizeof last : 0}};
    struct msghdr m = {.msg_iov = parts, .msg_iovlen = sizeof parts / sizeof *parts};
    size_t all = parts[0].iov_len + len + parts[2].iov_len;
    ssize_t n;

    if (len > FCGI_SEND_NOW_MAX)
        return false;
    put_header(out, TYPE_STDOUT, id, len);
    put_header(last, TYPE_STDOUT, id, 0);
    put_header(last + HEADER_LEN, TYPE_END, id, 8);
    do
        n = sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n == (ssize_t)all;
}

size_t fcgi_conn_frame(unsigned id, const char *text, size_t len, char *out) {
    char *p = out;

    while (len) {
        size_t n = len < FCGI_SEND_NOW_MAX ? len : FCGI_SEND_NOW_MAX;

        put_header((unsigned char *)p, TYPE_STDOUT, id, n);
        memcpy(p + HEADER_LEN, text, n);
        p += HEADER_LEN + n;
        text += n;
        len -= n;
    }
    return (size_t)(p - out);
}

/* Reads and drops what is there. 1: the peer may send more; 0: it has closed. */
static int discard(struct fcgi_conn *c) {
    for (;;) {
        ssize_t n = receive(c);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 && errno == EAGAIN;
        if (clock_monotonic_ms() >= c->deadline_ms)
            return 0;
    }
}

void fcgi_conn_close(struct fcgi_conn *c, bool drain) {
    if (c->fd < 0)
        return;
    c->deadline_ms = clock_monotonic_ms() + DRAIN_MS;
    if (drain && shutdown(c->fd, SHUT_WR) == 0) {
        while (discard(c) && wait_for(c, POLLIN, c->deadline_ms))
            ;
    } else if (!c->whole) {
        discard(c);
    }
    close(c->fd);
    c->fd = -1;
    explicit_bzero(c->buf, c->most); /* tokens went through here */
}
