/* FastCGI records from a web server, over a socket pair. The first byte of an input says how the
 * reply goes out. A reader of our own, which shares nothing with web/ and libfcgi, says what must
 * come of the records; and whatever came, the next well-formed request is answered. */
#include <sys/socket.h>

#include "../pool/fcgi_wire.h"
#include "base/arena.h"
#include "input.h"
#include "standalone.h"
#include "web/fcgi.h"
#include "web/fcgi_conn.h"

#define INPUT_MAX (150 * 1024) /* fits the socket: one thread writes and reads */
#define BODY_MAX 4096
#define REPLY_BODY "{\"reply\":true}"

/* ---- what must come of it ---- */

struct expected {
    enum rc rc;
    int id;
    size_t count, body_len;
    char **params;
    char *body;
};

struct reader {
    const unsigned char *p, *end;
    int id;
};

/* The content of the next record of this request and type, others' skipped. */
static bool next_content(struct reader *r, int type, const unsigned char **content, size_t *len) {
    while (r->end - r->p >= 8) {
        const unsigned char *h = r->p;
        int id = h[2] << 8 | h[3];
        size_t n = (size_t)(h[4] << 8 | h[5]);

        if (h[0] != 1 || !id || (size_t)(r->end - r->p) < 8 + n + h[6])
            return false;
        r->p += 8 + n + h[6];
        if (r->id && id != r->id)
            continue;
        r->id = id;
        *content = h + 8;
        *len = n;
        return h[1] == type;
    }
    return false;
}

/* All of a stream up to its empty record; NULL if it does not come whole or has more than max. */
static char *whole_stream(struct arena *a, struct reader *r, int type, size_t max, size_t *len) {
    char *all = arena_alloc(a, max + 1);
    const unsigned char *content;
    size_t n;

    *len = 0;
    while (next_content(r, type, &content, &n)) {
        if (!n)
            return all;
        if (n > max - *len)
            return NULL;
        memcpy(all + *len, content, n);
        *len += n;
    }
    return NULL;
}

static bool pair_length(const unsigned char **p, const unsigned char *end, size_t *len) {
    if (*p == end)
        return false;
    *len = *(*p)++;
    if (*len < 128)
        return true;
    if (end - *p < 3)
        return false;
    *len = (*len & 127) << 24 | (size_t)(*p)[0] << 16 | (size_t)(*p)[1] << 8 | (*p)[2];
    *p += 3;
    return true;
}

static bool pairs(struct arena *a, const char *text, size_t len, struct expected *x) {
    const unsigned char *p = (const unsigned char *)text, *end = p + len;

    x->params =
        arena_alloc(a, (len / 2 + 1) * sizeof *x->params); /* a pair has two bytes at least */
    while (p < end) {
        size_t name, value;

        if (!pair_length(&p, end, &name) || !pair_length(&p, end, &value) ||
            name > (size_t)(end - p) || value > (size_t)(end - p) - name ||
            memchr(p, 0, name + value) || memchr(p, '=', name))
            return false;
        x->params[x->count] = arena_alloc(a, name + value + 2);
        memcpy(x->params[x->count], p, name);
        x->params[x->count][name] = '=';
        memcpy(x->params[x->count] + name + 1, p + name, value);
        x->count++;
        p += name + value;
    }
    return true;
}

static const char *param(const struct expected *x, const char *name) {
    size_t len = strlen(name);

    for (size_t i = 0; i < x->count; i++)
        if (!strncmp(x->params[i], name, len) && x->params[i][len] == '=')
            return x->params[i] + len + 1;
    return "";
}

static bool has_two_values(const struct expected *x) {
    for (size_t i = 0; i < x->count; i++)
        for (size_t j = 0; j < i; j++) {
            size_t name = strcspn(x->params[i], "=");

            if (!strncmp(x->params[i], "HTTP_", 5) &&
                !strncmp(x->params[i], x->params[j], name + 1) &&
                strcmp(x->params[i], x->params[j]) != 0)
                return true;
        }
    return false;
}

static struct expected *expect(struct arena *a, const uint8_t *data, size_t size) {
    struct expected *x = arena_alloc(a, sizeof *x);
    struct reader r = {data, data + size, 0};
    const unsigned char *begin;
    const char *length;
    size_t len, want = 0;
    char *text;

    x->rc = ERR_MISSING;
    if (!next_content(&r, W_BEGIN, &begin, &len) || len != 8)
        return x;
    x->id = r.id;
    if ((begin[0] << 8 | begin[1]) != W_RESPONDER)
        return x;
    text = whole_stream(a, &r, W_PARAMS, FCGI_PARAMS_MAX, &len);
    if (!text || !pairs(a, text, len, x) || !*param(x, "REQUEST_METHOD"))
        return x;
    length = param(x, "CONTENT_LENGTH");
    if (strspn(length, "0123456789") != strlen(length) || strlen(length) > 18)
        return x;
    want = strtoul(length, NULL, 10);
    if (want > BODY_MAX) {
        x->rc = ERR_TOO_LARGE;
        return x;
    }
    if (has_two_values(x)) {
        x->rc = ERR_INVALID_REQUEST;
        return x;
    }
    x->body = whole_stream(a, &r, W_STDIN, want, &x->body_len);
    if (x->body && x->body_len == want)
        x->rc = OK;
    return x;
}

static void check_request(const struct expected *x, const struct request *rq, enum rc rc) {
    size_t n = 0;

    for (; rq->params[n]; n++)
        MUST(n < x->count && !strcmp(rq->params[n], x->params[n]));
    MUST(n == x->count);
    MUST(!strcmp(rq->method, param(x, "REQUEST_METHOD")));
    MUST(!strcmp(rq->content_type, param(x, "CONTENT_TYPE")));
    MUST(rq->path && rq->query && *rq->id);
    if (rc)
        return;
    MUST(rq->body_len == x->body_len && !memcmp(rq->body, x->body, x->body_len));
    MUST(!rq->body[rq->body_len]);
}

/* ---- what goes out ---- */

/* Whole records, each of our request or the refusal of another one. */
static void check_out(const struct wire *raw, int id, bool answered) {
    size_t at = 0;
    int ends = 0;

    while (at < raw->len) {
        const unsigned char *h = raw->p + at;
        size_t len;

        MUST(raw->len - at >= 8 && h[0] == 1);
        len = (size_t)(h[4] << 8 | h[5]);
        MUST(raw->len - at >= 8 + len + h[6]);
        if ((h[2] << 8 | h[3]) != id) {
            MUST(h[1] == W_END && len == 8 && h[8 + 4] == 1); /* FCGI_CANT_MPX_CONN */
        } else {
            MUST(h[1] == W_END || h[1] == W_STDOUT);
            MUST(!ends);
            ends += h[1] == W_END;
        }
        at += 8 + len + h[6];
    }
    MUST(!answered || ends == 1);
}

enum how { HOW_WHOLE, HOW_STREAM, HOW_GIVE_AWAY, HOW_COUNT };

static void stream(struct reply *rp) {
    rp->status = 200;
    MUST(!reply_stream_begin(rp));
    MUST(!reply_stream_write(rp, REPLY_BODY, strlen(REPLY_BODY)));
    reply_stream_end(rp);
    reply_stream_end(rp);
}

/* Answers, and gives true if the whole answer is due to the peer. */
static bool answer(struct fcgi *f, struct arena *a, enum how how) {
    const struct buf subscriptions = {0};
    struct fcgi_detached detached;
    struct reply rp;

    reply_init(&rp, a);
    rp.sink = fcgi_sink(f);
    if (how == HOW_GIVE_AWAY) {
        rp.status = 200;
        rp.subscriptions = &subscriptions;
        MUST(!reply_stream_begin(&rp) && !reply_stream_write(&rp, REPLY_BODY, strlen(REPLY_BODY)));
        detached = fcgi_detach(f, a);
        MUST(detached.fd >= 0 && detached.id && detached.records_len);
        MUST(wire_send(detached.fd, detached.records, detached.records_len));
        MUST(fcgi_send_now(detached.fd, detached.id, REPLY_BODY, strlen(REPLY_BODY), true));
        MUST(!close(detached.fd));
        return true;
    }
    if (how == HOW_STREAM) {
        stream(&rp);
    } else {
        rp.status = 200;
        rp.body = REPLY_BODY;
        rp.body_len = strlen(REPLY_BODY);
    }
    return fcgi_reply(f, &rp) == OK;
}

static void connect_both(int *peer, int *ours) {
    int ends[2], room = 1 << 20;

    MUST(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
    *peer = ends[0];
    *ours = ends[1];
    (void)setsockopt(*peer, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
}

/* ---- */

static void whatever_comes(struct fcgi *f, const uint8_t *data, size_t size, enum how how) {
    struct arena *a = arena_new(ARENA_BYTES);
    struct expected *x = expect(a, data, size);
    struct request rq = {.arena = a, .started_ms = clock_monotonic_ms()};
    struct wire_reply r;
    struct err e = {0};
    bool answered = false;
    int peer, ours;
    enum rc rc;

    connect_both(&peer, &ours);
    MUST(wire_send(peer, data, size));
    MUST(!shutdown(peer, SHUT_WR));
    rc = fcgi_read(f, ours, BODY_MAX, &rq, &e);
    MUST(rc == x->rc);
    if (rc == ERR_MISSING) {
        MUST(*e.text);
    } else {
        check_request(x, &rq, rc);
        answered = answer(f, a, how);
    }
    wire_read(peer, &r, 2000);
    MUST(r.closed);
    check_out(&r.raw, x->id, answered);
    wire_reply_free(&r);
    MUST(!close(peer));
    arena_free(a);
}

static void the_next_is_answered(struct fcgi *f) {
    struct arena *a = arena_new(ARENA_BYTES);
    struct request rq = {.arena = a, .started_ms = clock_monotonic_ms()};
    struct wire w = {0};
    struct wire_reply r;
    struct err e = {0};
    int peer, ours;

    connect_both(&peer, &ours);
    wire_request(&w, "POST", "/next?a=b", "body", 4);
    MUST(wire_send(peer, w.p, w.len));
    MUST(!fcgi_read(f, ours, BODY_MAX, &rq, &e));
    MUST(!strcmp(rq.method, "POST") && !strcmp(rq.path, "/next") && !strcmp(rq.query, "a=b"));
    MUST(rq.body_len == 4 && !strcmp(rq.body, "body"));
    MUST(!strcmp(rq.remote_addr, "192.0.2.7") && !*rq.content_type);
    MUST(answer(f, a, HOW_WHOLE));
    wire_read(peer, &r, 2000);
    MUST(wire_whole(&r) && r.status == 200);
    MUST(r.body_len == strlen(REPLY_BODY) && !memcmp(r.body, REPLY_BODY, r.body_len));
    wire_reply_free(&r);
    wire_free(&w);
    MUST(!close(peer));
    arena_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct fcgi *f;

    if (!f)
        MUST(f = fcgi_new(NULL, NULL, NULL));
    if (!size || size > INPUT_MAX)
        return 0;
    whatever_comes(f, data + 1, size - 1, *data % HOW_COUNT);
    the_next_is_answered(f);
    return 0;
}
