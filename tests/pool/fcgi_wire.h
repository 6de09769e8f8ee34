/* A web server's side of FastCGI for tests: builds records byte by byte, and reads replies. It
 * shares nothing with the code under test. */
#ifndef TESTS_FCGI_WIRE_H
#define TESTS_FCGI_WIRE_H

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { W_BEGIN = 1, W_ABORT, W_END, W_PARAMS, W_STDIN, W_STDOUT, W_STDERR, W_DATA, W_GET_VALUES };
enum { W_RESPONDER = 1, W_AUTHORIZER = 2 };
enum { W_KEEP_CONN = 1 };

struct wire {
    unsigned char *p;
    size_t len, cap;
};

static inline void wire_raw(struct wire *w, const void *data, size_t len) {
    if (w->len + len > w->cap) {
        w->cap = (w->len + len) * 2;
        w->p = realloc(w->p, w->cap);
        if (!w->p)
            abort();
    }
    if (len)
        memcpy(w->p + w->len, data, len);
    w->len += len;
}

static inline void wire_free(struct wire *w) {
    free(w->p);
    memset(w, 0, sizeof *w);
}

static inline void wire_record(struct wire *w, int type, int id, const void *data, size_t len,
                               size_t padding) {
    unsigned char h[8] = {1,
                          (unsigned char)type,
                          (unsigned char)(id >> 8),
                          (unsigned char)id,
                          (unsigned char)(len >> 8),
                          (unsigned char)len,
                          (unsigned char)padding,
                          0};
    static const unsigned char zeros[255];

    wire_raw(w, h, sizeof h);
    wire_raw(w, data, len);
    wire_raw(w, zeros, padding);
}

static inline void wire_begin(struct wire *w, int role, int flags) {
    unsigned char body[8] = {(unsigned char)(role >> 8), (unsigned char)role, (unsigned char)flags};

    wire_record(w, W_BEGIN, 1, body, sizeof body, 0);
}

static inline void wire_length(struct wire *w, size_t len) {
    unsigned char b[4] = {(unsigned char)(0x80 | (len >> 24)), (unsigned char)(len >> 16),
                          (unsigned char)(len >> 8), (unsigned char)len};

    if (len < 128)
        wire_raw(w, &b[3], 1);
    else
        wire_raw(w, b, 4);
}

/* One name-value pair (FastCGI spec §3.4), not in a record yet. */
static inline void wire_pair(struct wire *pairs, const char *name, const char *value) {
    wire_length(pairs, strlen(name));
    wire_length(pairs, strlen(value));
    wire_raw(pairs, name, strlen(name));
    wire_raw(pairs, value, strlen(value));
}

/* A stream in records of at most `step` bytes, and the empty one that ends it. */
static inline void wire_stream(struct wire *w, int type, const void *data, size_t len,
                               size_t step) {
    const unsigned char *p = data;

    while (len) {
        size_t n = len < step ? len : step;

        wire_record(w, type, 1, p, n, n % 8 ? 8 - n % 8 : 0);
        p += n;
        len -= n;
    }
    wire_record(w, type, 1, NULL, 0, 0);
}

static inline void wire_pairs(struct wire *pairs, const char *method, const char *uri,
                              const char *content_length) {
    wire_pair(pairs, "REQUEST_METHOD", method);
    wire_pair(pairs, "REQUEST_URI", uri);
    wire_pair(pairs, "REMOTE_ADDR", "192.0.2.7");
    if (content_length)
        wire_pair(pairs, "CONTENT_LENGTH", content_length);
}

/* A whole request as web servers send it. */
static inline void wire_request(struct wire *w, const char *method, const char *uri,
                                const void *body, size_t len) {
    struct wire pairs = {0};
    char number[24];

    (void)snprintf(number, sizeof number, "%zu", len);
    wire_begin(w, W_RESPONDER, 0);
    wire_pairs(&pairs, method, uri, number);
    wire_stream(w, W_PARAMS, pairs.p, pairs.len, 65535);
    wire_stream(w, W_STDIN, body, len, 65528);
    wire_free(&pairs);
}

static inline bool wire_send(int fd, const void *data, size_t len) {
    const unsigned char *p = data;

    while (len) {
        ssize_t n = send(fd, p, len, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        p += n;
        len -= (size_t)n;
    }
    return true;
}

static inline int64_t wire_now_ms(void) {
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

struct wire_reply {
    struct wire raw; /* bytes as they came */
    struct wire out; /* what STDOUT carried: header lines and body */
    bool closed;     /* the connection ended in time */
    bool reset;      /* not with an end but with an error */
    int ends;        /* END_REQUEST records */
    int app_status, protocol_status;
    int status; /* of the Status line; 0: none */
    const char *body;
    size_t body_len;
};

static inline void wire_reply_free(struct wire_reply *r) {
    wire_free(&r->raw);
    wire_free(&r->out);
}

static inline void wire_parse(struct wire_reply *r) {
    size_t at = 0;
    char *gap;

    while (r->raw.len - at >= 8) {
        const unsigned char *h = r->raw.p + at;
        size_t len = (size_t)(h[4] << 8 | h[5]);

        if (r->raw.len - at < 8 + len + h[6])
            break;
        if (h[1] == W_STDOUT)
            wire_raw(&r->out, h + 8, len);
        if (h[1] == W_END && len == 8) {
            r->ends++;
            r->app_status = h[8 + 3];
            r->protocol_status = h[8 + 4];
        }
        at += 8 + len + h[6];
    }
    wire_raw(&r->out, "", 1);
    r->out.len--;
    gap = strstr((char *)r->out.p, "\r\n\r\n");
    if (gap) {
        (void)sscanf((char *)r->out.p, "Status: %d", &r->status);
        r->body = gap + 4;
        r->body_len = r->out.len - (size_t)(r->body - (char *)r->out.p);
    }
}

/* Reads until the connection ends, for at most that long. */
static inline void wire_read(int fd, struct wire_reply *r, int timeout_ms) {
    int64_t until = wire_now_ms() + timeout_ms;
    unsigned char buf[65536];

    memset(r, 0, sizeof *r);
    while (!r->closed) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int64_t left = until - wire_now_ms();
        ssize_t n;

        if (left <= 0)
            break;
        if (poll(&p, 1, (int)left) <= 0)
            continue;
        n = recv(fd, buf, sizeof buf, MSG_DONTWAIT);
        if (n > 0)
            wire_raw(&r->raw, buf, (size_t)n);
        else if (n == 0 || (errno != EAGAIN && errno != EINTR))
            r->closed = true;
        r->reset = r->closed && n < 0;
    }
    wire_parse(r);
}

/* The whole reply came, and nothing but it. */
static inline bool wire_whole(const struct wire_reply *r) {
    return r->closed && r->ends == 1 && r->protocol_status == 0 && r->status != 0;
}

#endif
