#include "web/fcgi.h"

#include <fastcgi.h>
#include <fcgiapp.h>
#include <limits.h>
#include <unistd.h>

#include "base/decimal.h"
#include "base/encode.h"
#include "base/file.h"
#include "base/text.h"
#include "base/url.h"
#include "web/fcgi_conn.h"

#define OUT_MAX (512UL << 20) /* far more than the longest reply, of 96 MiB */
#define PARAMS_USUAL 4096     /* there is room for so many bytes of them at first */

struct fcgi {
    struct reply_sink sink; /* first: a pointer to it is one to this */
    struct fcgi_conn conn;
    FCGX_Stream in; /* the parameters, then the body */
    struct err *e;  /* where `in` says why it failed */
    int silence_ms, total_ms;
    uint64_t id_state;
    struct arena *memory; /* of `out` */
    char *out;            /* records of the reply that are not sent yet */
    size_t out_len, out_size;
    bool head;                 /* the reply goes without its body */
    bool unread;               /* the peer may still be sending the body */
    bool deferred;             /* what is streamed stays in `out`, for fcgi_detach or for its end */
    const char *request;       /* its id */
    fcgi_unsent_fn *on_unsent; /* NULL: nobody takes what is not sent */
    fcgi_admit_fn *admit;      /* NULL: every request is admitted */
    void *arg;                 /* of both */
};

struct fcgi *fcgi_new(fcgi_unsent_fn *on_unsent, fcgi_admit_fn *admit, void *arg) {
    struct fcgi *f = xcalloc(1, sizeof *f);

    f->on_unsent = on_unsent;
    f->admit = admit;
    f->arg = arg;
    f->conn.fd = -1;
    f->memory = arena_new(OUT_MAX);
    fcgi_set_timeouts(f, FCGI_IO_TIMEOUT_S * 1000, FCGI_TOTAL_TIMEOUT_S * 1000);
    arc4random_buf(&f->id_state, sizeof f->id_state);
    return f;
}

void fcgi_set_timeouts(struct fcgi *f, int silence_ms, int total_ms) {
    f->silence_ms = silence_ms;
    f->total_ms = total_ms;
}

/* The request is over, or the worker does not go on with it. */
static void close_request(struct fcgi *f, bool drain) {
    fcgi_conn_close(&f->conn, drain);
    arena_reset(f->memory);
    f->out = NULL;
    f->out_len = f->out_size = 0;
}

void fcgi_free(struct fcgi *f) {
    if (!f)
        return;
    close_request(f, false);
    arena_free(f->memory);
    free(f);
}

/* SplitMix64 (public domain, Steele, Lea and Flood 2014): different in every process and request,
 * which is all that an id in log lines needs. */
static const char *new_id(struct fcgi *f, struct arena *a) {
    uint64_t z = f->id_state += 0x9e3779b97f4a7c15U;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    z ^= z >> 31;
    return hex_encode(a, (const uint8_t *)&z, sizeof z);
}

/* ---- the request ---- */

/* libfcgi's stream asks for more. */
static void fill_stream(FCGX_Stream *in) {
    struct fcgi *f = in->data;
    size_t len;

    if (fcgi_conn_read(&f->conn, &in->rdNext, &len, f->e))
        in->FCGI_errno = FCGX_PROTOCOL_ERROR;
    in->isClosed = !len;
    in->stop = in->wrNext = len ? in->rdNext + len : in->rdNext;
}

static void open_stream(struct fcgi *f, unsigned type, size_t max) {
    fcgi_conn_stream(&f->conn, type, max);
    f->in = (FCGX_Stream){.isReader = 1, .fillBuffProc = fill_stream, .data = f};
}

/* All bytes of the parameters. */
static char *read_pairs(struct fcgi *f, struct arena *a, size_t *len) {
    size_t room = PARAMS_USUAL;
    char *pairs = arena_alloc(a, room);

    open_stream(f, FCGI_PARAMS, FCGI_PARAMS_MAX);
    *len = 0;
    while ((*len += (size_t)FCGX_GetStr(pairs + *len, (int)(room - *len), &f->in)) == room) {
        pairs = memcpy(arena_alloc(a, 2 * room), pairs, room);
        room *= 2;
    }
    return pairs;
}

/* Behind the length of a name or a value at p (FastCGI spec §3.4). NULL: it breaks off. */
static inline char *skip_length(char *p, const char *end, size_t *len) {
    int more = p < end && *p & 0x80 ? 4 : 1;

    for (*len = 0; more && p < end; more--)
        *len = *len << 8 | (unsigned char)*p++;
    *len &= INT32_MAX;
    return more ? NULL : p;
}

/* Puts "NAME=value" and a NUL in the place of each pair: it is shorter. false: the last one breaks
 * off, or a name has a "=" in it, which would end it too early. */
static bool decode_pairs(char *pairs, size_t *len, size_t *count) {
    const char *const end = pairs + *len;
    char *p = pairs, *out = pairs;
    size_t name, value;

    for (*count = 0; p < end; ++*count) {
        if (!(p = skip_length(p, end, &name)) || !(p = skip_length(p, end, &value)) ||
            name + value > (size_t)(end - p) || memchr(p, '=', name))
            return false;
        memmove(out, p, name);
        out[name] = '=';
        memmove(out + name + 1, p + name, value);
        p += name + value;
        out += name + 1 + value;
        *out++ = 0;
    }
    *len = (size_t)(out - pairs);
    return true;
}

static enum rc read_params(struct fcgi *f, struct request *rq, struct err *e) {
    size_t len, count;
    char *pairs = read_pairs(f, rq->arena, &len);

    if (FCGX_GetError(&f->in))
        return e->code;
    rq->params =
        decode_pairs(pairs, &len, &count) ? request_params(rq->arena, pairs, len, count) : NULL;
    return rq->params ? OK : err_set(e, ERR_MISSING, "the parameters are malformed");
}

static const char *param_or_empty(const struct request *rq, const char *name) {
    const char *v = request_param(rq, name);

    return v ? v : "";
}

/* Only REQUEST_URI is the same behind every web server: they split SCRIPT_NAME and PATH_INFO in
 * different ways, and some decode them. */
static void fill_target(struct request *rq) {
    const char *uri = param_or_empty(rq, "REQUEST_URI");
    size_t len = strcspn(uri, "?");

    rq->query = uri[len] ? uri + len + 1 : "";
    rq->path = url_decode(rq->arena, uri, len, false);
    if (!rq->path) /* with its bad escape it matches no route */
        rq->path = arena_strndup(rq->arena, uri, len);
}

/* CONTENT_LENGTH is absent or empty if there is no body (RFC 3875 §4.1.2). */
static bool parse_length(const char *s, size_t *len) {
    *len = 0;
    for (; *s; s++) {
        if (*s < '0' || *s > '9' || *len > SIZE_MAX / 10 - 1)
            return false;
        *len = *len * 10 + (size_t)(*s - '0');
    }
    return true;
}

/* What the parameters say. */
static void fill_request(struct fcgi *f, struct request *rq) {
    f->request = rq->id;
    rq->method = param_or_empty(rq, "REQUEST_METHOD");
    rq->content_type = param_or_empty(rq, "CONTENT_TYPE");
    rq->remote_addr = param_or_empty(rq, "REMOTE_ADDR");
    fill_target(rq);
    f->head = strcmp(rq->method, "HEAD") == 0;
}

static enum rc read_body(struct fcgi *f, size_t len, struct request *rq, struct err *e) {
    char *body = arena_alloc(rq->arena, len + 1);
    size_t got;

    open_stream(f, FCGI_STDIN, len);
    got = (size_t)FCGX_GetStr(body, (int)len, &f->in);
    (void)FCGX_GetChar(&f->in); /* reads the record that ends the body; a byte more is an error */
    if (FCGX_GetError(&f->in))
        return e->code;
    /* FastCGI spec §6.2: fewer bytes than CONTENT_LENGTH means that it was cut. */
    if (got != len)
        return err_set(e, ERR_MISSING, "the body has %zu bytes of CONTENT_LENGTH %zu", got, len);
    rq->body = body;
    rq->body_len = len;
    return OK;
}

static enum rc read_request(struct fcgi *f, size_t max_body, struct request *rq, struct err *e) {
    bool unambiguous;
    size_t len;

    if (fcgi_conn_begin(&f->conn, e) || read_params(f, rq, e))
        return e->code;
    rq->id = new_id(f, rq->arena);
    rq->body = "";
    rq->body_len = 0;
    unambiguous = request_index(rq);
    fill_request(f, rq);
    if (!*rq->method)
        return err_set(e, ERR_MISSING, "there is no REQUEST_METHOD");
    if (!parse_length(param_or_empty(rq, "CONTENT_LENGTH"), &len))
        return err_set(e, ERR_MISSING, "CONTENT_LENGTH is not a number");
    f->unread = f->admit && f->admit(f->arg, rq, e);
    if (f->unread)
        return e->code;
    f->unread = len > max_body || !unambiguous;
    if (len > max_body)
        return err_set(e, ERR_TOO_LARGE, "the body is over %zu bytes", max_body);
    if (f->unread)
        return invalid_request(e, "a header came twice, once with an underscore in its name");
    return read_body(f, len, rq, e);
}

enum rc fcgi_read(struct fcgi *f, int fd, size_t max_body, struct request *rq, struct err *e) {
    enum rc rc;

    f->unread = f->head = f->deferred = false;
    f->e = e;
    fcgi_conn_open(&f->conn, fd, f->silence_ms, rq->started_ms + f->total_ms);
    rc = read_request(f, max_body, rq, e);
    if (!rc && rq->waited && fcgi_conn_peer_closed(&f->conn))
        rc = err_set(e, ERR_MISSING, "the web server went away before the request was served");
    if (rc == ERR_MISSING)
        close_request(f, false);
    return rc;
}

bool fcgi_got_nothing(const struct fcgi *f) {
    return !f->conn.wipe_len;
}

/* ---- the reply ---- */

/* RFC 9110 §6.4.1. */
static bool may_have_body(int status) {
    return status >= 200 && status != 204 && status != 304;
}

static struct text head_text(const struct reply *rp) {
    int status = rp->status ? rp->status : 500;
    struct text parts[4 * REPLY_HEADERS_MAX + 8] UNINITIALIZED;
    char number[DECIMAL_BYTES], length[DECIMAL_BYTES];
    size_t n = 0;

    parts[n++] = TEXT_LITERAL("Status: ");
    parts[n++] = text_of(decimal((uint64_t)status, number));
    parts[n++] = TEXT_LITERAL(" ");
    parts[n++] = text_of(reply_reason(status));
    parts[n++] = TEXT_LITERAL("\r\n");
    for (unsigned i = 0; i < rp->header_count; i++) {
        parts[n++] = text_of(rp->headers[i].name);
        parts[n++] = TEXT_LITERAL(": ");
        parts[n++] = text_of(rp->headers[i].value);
        parts[n++] = TEXT_LITERAL("\r\n");
    }
    if (!rp->streaming && may_have_body(status)) {
        parts[n++] = TEXT_LITERAL("Content-Length: ");
        parts[n++] = text_of(decimal(rp->body_len, length));
        parts[n++] = TEXT_LITERAL("\r\n");
    }
    parts[n++] = TEXT_LITERAL("\r\n");
    return text_join(rp->arena, parts, n);
}

/* Adds the text, as records, to what is to be sent; with `end` the end of the request, too. */
static void put(struct fcgi *f, const char *p, size_t len, bool end) {
    size_t need = f->out_len + FCGI_RECORDS_MAX(len);

    if (need > f->out_size) {
        f->out_size = need > 2 * f->out_size ? need : 2 * f->out_size;
        char *larger = arena_alloc(f->memory, f->out_size);

        if (f->out_len)
            memcpy(larger, f->out, f->out_len);
        arena_release(f->memory, f->out);
        f->out = larger;
    }
    f->out_len += fcgi_records(f->conn.id, p, len, end, f->out + f->out_len);
}

static enum rc stream_flush(struct fcgi *f) {
    enum rc rc = OK;
    size_t sent;

    f->deferred = f->sink.last || (f->deferred && f->out_len <= FCGI_DETACHED_MAX);
    if (!f->deferred) {
        rc = fcgi_conn_send(&f->conn, f->out, f->out_len, INT_MAX, &sent);
        f->out_len = 0;
    }
    return rc;
}

static enum rc stream_begin(struct reply_sink *s, const struct reply *rp) {
    struct fcgi *f = (struct fcgi *)s;
    const struct text head = head_text(rp);

    f->deferred = rp->subscriptions != NULL;
    put(f, head.p, head.len, false);
    return stream_flush(f);
}

static enum rc stream_write(struct reply_sink *s, const char *p, size_t len) {
    struct fcgi *f = (struct fcgi *)s;

    put(f, p, len, false);
    return stream_flush(f);
}

static bool hand_over_unsent(struct fcgi *f, const char *p, size_t len) {
    struct fcgi_unsent unsent = {f->conn.fd, -1, f->request};
    bool taken;

    if (!f->on_unsent || f->unread || (unsent.file = file_in_memory("unsent", 0)) < 0)
        return false;
    taken = file_write_all(unsent.file, p, len, -1) && f->on_unsent(f->arg, &unsent);
    close(unsent.file);
    return taken;
}

/* Ends the request: what is to be sent has its end. */
static enum rc finish(struct fcgi *f) {
    size_t sent;
    enum rc rc = fcgi_conn_send(&f->conn, f->out, f->out_len, FCGI_END_WAIT_MS, &sent);

    if (!rc && sent < f->out_len && !hand_over_unsent(f, f->out + sent, f->out_len - sent))
        rc = fcgi_conn_send(&f->conn, f->out + sent, f->out_len - sent, INT_MAX, &sent);
    close_request(f, rc == OK && f->unread);
    return rc;
}

static void stream_end(struct reply_sink *s) {
    struct fcgi *f = (struct fcgi *)s;

    put(f, "", 0, true);
    (void)finish(f); /* an error means that the peer has closed */
    s->fd = -1;
}

struct reply_sink *fcgi_sink(struct fcgi *f) {
    f->sink = (struct reply_sink){
        .begin = stream_begin, .write = stream_write, .end = stream_end, .fd = f->conn.fd};
    return &f->sink;
}

enum rc fcgi_reply(struct fcgi *f, const struct reply *rp) {
    bool body = !rp->streaming && may_have_body(rp->status ? rp->status : 500) && !f->head;

    if (rp->ended)
        return OK;
    if (!rp->streaming) {
        const struct text head = head_text(rp);

        put(f, head.p, head.len, false);
    }
    put(f, rp->body, body ? rp->body_len : 0, true);
    return finish(f);
}

struct fcgi_detached fcgi_detach(struct fcgi *f, struct arena *a) {
    struct fcgi_detached detached = {.fd = f->conn.fd, .id = f->conn.id, .records_len = f->out_len};

    if (f->out_len)
        detached.records = memcpy(arena_alloc(a, f->out_len), f->out, f->out_len);
    f->conn.fd = -1;
    close_request(f, false);
    return detached;
}

void fcgi_adopt(struct fcgi *f, const struct fcgi_detached *d, struct request *rq) {
    fcgi_conn_open(&f->conn, d->fd, f->silence_ms, 0);
    f->conn.id = d->id;
    f->conn.complete = true;
    f->unread = f->deferred = false;
    fill_request(f, rq);
}
