#include "web/fcgi.h"

#include <errno.h>
#include <fcgiapp.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/random.h>

#include "base/url.h"
#include "web/fcgi_conn.h"

struct fcgi {
    struct reply_sink sink; /* first: a pointer to it is one to this */
    FCGX_Request lib;
    struct fcgi_file file; /* what libfcgi takes for the connection */
    struct fcgi_conn conn;
    int silence_ms, total_ms;
    uint64_t id_state;
    bool head;           /* the reply goes without its body */
    bool unread;         /* the peer may still be sending the body */
    bool held;           /* what is streamed waits in the file, for fcgi_detach or for its end */
    const char *request; /* its id */
    fcgi_unsent_fn *on_unsent; /* NULL: nobody takes what is not sent */
    void *on_unsent_arg;
};

/* FCGX_Init puts handlers of its own on these signals. The pool has handlers already, and a broken
 * connection must be an error of send, not a signal. */
static int library_init(void) {
    static const int taken[] = {SIGTERM, SIGUSR1};
    struct sigaction before[2];
    int rc;

    for (unsigned i = 0; i < 2; i++)
        sigaction(taken[i], NULL, &before[i]);
    rc = FCGX_Init();
    for (unsigned i = 0; i < 2; i++)
        sigaction(taken[i], &before[i], NULL);
    signal(SIGPIPE, SIG_IGN);
    return rc;
}

struct fcgi *fcgi_new(void) {
    struct fcgi *f = xcalloc(1, sizeof *f);

    f->conn.fd = f->file.fd = -1;
    f->lib.ipcFd = -1;
    fcgi_set_timeouts(f, FCGI_IO_TIMEOUT_S * 1000, FCGI_TOTAL_TIMEOUT_S * 1000);
    if (library_init() == 0 && FCGX_InitRequest(&f->lib, -1, 0) == 0 &&
        getrandom(&f->id_state, sizeof f->id_state, 0) == sizeof f->id_state &&
        fcgi_file_open(&f->file))
        return f;
    free(f);
    return NULL;
}

void fcgi_set_timeouts(struct fcgi *f, int silence_ms, int total_ms) {
    f->silence_ms = silence_ms;
    f->total_ms = total_ms;
}

void fcgi_on_unsent(struct fcgi *f, fcgi_unsent_fn *fn, void *arg) {
    f->on_unsent = fn;
    f->on_unsent_arg = arg;
}

/* Ends the library's part of a request. It closes the file where it would have closed the
 * connection; then the next request gets a new one. */
static void library_finish(struct fcgi *f) {
    FCGX_Finish_r(&f->lib);
    if (f->lib.ipcFd < 0)
        f->file.fd = -1;
    f->lib.ipcFd = -1;
}

void fcgi_free(struct fcgi *f) {
    if (!f)
        return;
    fcgi_conn_close(&f->conn, false);
    if (f->lib.ipcFd >= 0)
        library_finish(f);
    fcgi_file_close(&f->file);
    free(f);
}

/* SplitMix64 (public domain, Steele, Lea and Flood 2014): different in every process and request,
 * which is all that an id in log lines needs. */
static const char *new_id(struct fcgi *f, struct arena *a) {
    uint64_t z = f->id_state += 0x9e3779b97f4a7c15U;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return arena_printf(a, "%016" PRIx64, z ^ (z >> 31));
}

/* Lets libfcgi decode the records of the file up to the end of the parameters. It gets our file in
 * place of a connection that it accepted: with ipcFd set, FCGX_Accept_r accepts nothing. If it
 * finds a fault it closes the file and tries to accept from the listener that it does not have. */
static enum rc library_begin(struct fcgi *f, struct err *e) {
    int rc;

    if (!fcgi_file_rewind(&f->file))
        return err_set(e, ERR_MISSING, "no memory file: %s", strerror(errno));
    f->lib.ipcFd = f->file.fd;
    f->lib.keepConnection = 1;
    rc = FCGX_Accept_r(&f->lib);
    if (rc != 0) {
        f->lib.ipcFd = f->file.fd = -1;
        return err_set(e, ERR_MISSING, "the parameters are malformed");
    }
    /* It returns success for parameters that break off, too. */
    if (FCGX_GetError(f->lib.in) != 0)
        return err_set(e, ERR_MISSING, "the parameters are malformed (%d)",
                       FCGX_GetError(f->lib.in));
    return OK;
}

/* The library frees its strings with its request, so they are copied. */
static char *const *copy_params(struct arena *a, char **envp) {
    size_t n = 0;
    char **copy;

    while (envp[n])
        n++;
    copy = arena_alloc(a, (n + 1) * sizeof *copy);
    for (size_t i = 0; i < n; i++)
        copy[i] = arena_strdup(a, envp[i]);
    return copy;
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

static bool differs_before(char *const *params, size_t i, size_t name_len) {
    for (size_t j = 0; j < i; j++)
        if (!strncmp(params[j], params[i], name_len + 1) && strcmp(params[j], params[i]) != 0)
            return true;
    return false;
}

/* CGI makes one name of X-Y and X_Y (RFC 3875 §4.1.18), and lighttpd gives both: whoever has read
 * the headers before us saw one of them, and we might take the other. */
static bool has_ambiguous_header(char *const *params) {
    uint64_t seen[4] = {0}; /* of each hash of a name */

    for (size_t i = 0; params[i]; i++) {
        const char *p = params[i];
        size_t n = sizeof "HTTP_" - 1;
        uint8_t hash = 0;

        if (strncmp(p, "HTTP_", n) != 0)
            continue;
        for (; p[n] && p[n] != '='; n++)
            hash = (uint8_t)(hash * 31 + (uint8_t)p[n]);
        if (seen[hash / 64] >> hash % 64 & 1 && differs_before(params, i, n))
            return true;
        seen[hash / 64] |= UINT64_C(1) << hash % 64;
    }
    return false;
}

static void fill(struct fcgi *f, struct request *rq) {
    f->request = rq->id = new_id(f, rq->arena);
    rq->params = copy_params(rq->arena, f->lib.envp);
    rq->method = param_or_empty(rq, "REQUEST_METHOD");
    rq->content_type = param_or_empty(rq, "CONTENT_TYPE");
    rq->remote_addr = param_or_empty(rq, "REMOTE_ADDR");
    rq->body = "";
    rq->body_len = 0;
    fill_target(rq);
    f->head = strcmp(rq->method, "HEAD") == 0;
}

static enum rc read_body(struct fcgi *f, size_t len, struct request *rq, struct err *e) {
    char *body = arena_alloc(rq->arena, len + 1);
    size_t got;
    enum rc rc = fcgi_conn_body(&f->conn, body, len, &got, e);

    if (rc == ERR_TOO_LARGE)
        return err_set(e, ERR_MISSING, "the body is longer than CONTENT_LENGTH (%zu)", len);
    if (rc)
        return rc;
    /* FastCGI spec §6.2: fewer bytes than CONTENT_LENGTH means that it was cut. */
    if (got != len)
        return err_set(e, ERR_MISSING, "the body has %zu bytes of CONTENT_LENGTH %zu", got, len);
    body[len] = 0;
    rq->body = body;
    rq->body_len = len;
    return OK;
}

static enum rc read_head(struct fcgi *f, struct request *rq, struct err *e) {
    enum rc rc = fcgi_conn_begin(&f->conn, &f->file, e);

    if (rc)
        return rc;
    rc = fcgi_conn_params(&f->conn, FCGI_PARAMS_MAX, &f->file, e);
    if (rc == ERR_TOO_LARGE)
        return err_set(e, ERR_MISSING, "the parameters are over %d bytes", FCGI_PARAMS_MAX);
    if (rc || (rc = library_begin(f, e)))
        return rc;
    fill(f, rq);
    return *rq->method ? OK : err_set(e, ERR_MISSING, "there is no REQUEST_METHOD");
}

static enum rc read_all(struct fcgi *f, size_t max_body, struct request *rq, struct err *e) {
    size_t len;
    enum rc rc;

    if (f->file.fd < 0) {
        fcgi_file_close(&f->file); /* what is left of it */
        if (!fcgi_file_open(&f->file))
            return err_set(e, ERR_MISSING, "no memory file: %s", strerror(errno));
    }
    rc = read_head(f, rq, e);
    if (rc)
        return rc;
    if (!parse_length(param_or_empty(rq, "CONTENT_LENGTH"), &len))
        return err_set(e, ERR_MISSING, "CONTENT_LENGTH is not a number");
    f->unread = len > max_body || has_ambiguous_header(rq->params);
    if (len > max_body)
        return err_set(e, ERR_TOO_LARGE, "the body is over %zu bytes", max_body);
    if (f->unread)
        return err_set(e, ERR_INVALID_REQUEST,
                       "a header came twice, once with an underscore in its name");
    return read_body(f, len, rq, e);
}

enum rc fcgi_read(struct fcgi *f, int fd, size_t max_body, struct request *rq, struct err *e) {
    enum rc rc;

    f->unread = f->head = f->held = false;
    rq->started_ms = clock_monotonic_ms();
    fcgi_conn_open(&f->conn, fd, f->silence_ms, f->total_ms);
    rc = read_all(f, max_body, rq, e);
    if (!rc && rq->waited && fcgi_conn_is_gone(&f->conn))
        rc = err_set(e, ERR_MISSING, "the web server went away before the request was served");
    if (rc == ERR_MISSING) {
        fcgi_conn_close(&f->conn, false);
        if (f->lib.ipcFd >= 0)
            library_finish(f);
        fcgi_file_clear(&f->file);
    }
    return rc;
}

/* RFC 9110 §6.4.1. */
static bool may_have_body(int status) {
    return status >= 200 && status != 204 && status != 304;
}

/* libfcgi counts in int, and every reply is far shorter. The stream remembers its error. */
static void put(struct fcgi *f, const char *p, size_t len) {
    (void)FCGX_PutStr(p, (int)len, f->lib.out);
}

static void puts_all(struct fcgi *f, const char *s) {
    put(f, s, strlen(s));
}

static void put_head(struct fcgi *f, const struct reply *rp) {
    int status = rp->status ? rp->status : 500;
    char line[64];

    (void)snprintf(line, sizeof line, "Status: %d ", status);
    puts_all(f, line);
    puts_all(f, reply_reason(status));
    puts_all(f, "\r\n");
    for (unsigned i = 0; i < rp->header_count; i++) {
        puts_all(f, rp->headers[i].name);
        puts_all(f, ": ");
        puts_all(f, rp->headers[i].value);
        puts_all(f, "\r\n");
    }
    if (!rp->streaming && may_have_body(status)) {
        (void)snprintf(line, sizeof line, "Content-Length: %zu\r\n", rp->body_len);
        puts_all(f, line);
    }
    puts_all(f, "\r\n");
}

static enum rc send_written(struct fcgi *f) {
    const unsigned char *p;
    size_t len;

    return fcgi_file_written(&f->file, &p, &len) ? fcgi_conn_send(&f->conn, p, len) : ERR_MISSING;
}

static bool may_wait(struct fcgi *f) {
    const unsigned char *p;
    size_t len;

    return f->held && fcgi_file_written(&f->file, &p, &len) && len <= FCGI_FIRST_MAX;
}

/* What the library holds of the reply so far goes into the file as records, and from there out. */
static enum rc stream_flush(struct fcgi *f) {
    if (FCGX_FFlush(f->lib.out) != 0)
        return ERR_MISSING;
    f->held = f->sink.last || may_wait(f);
    return f->held ? OK : send_written(f);
}

static enum rc stream_begin(struct reply_sink *s, const struct reply *rp) {
    struct fcgi *f = (struct fcgi *)s;

    if (!fcgi_file_rewind(&f->file))
        return ERR_MISSING;
    f->held = rp->subscriptions != NULL;
    put_head(f, rp);
    return stream_flush(f);
}

static enum rc stream_write(struct reply_sink *s, const char *p, size_t len) {
    struct fcgi *f = (struct fcgi *)s;

    if (!f->held && !fcgi_file_rewind(&f->file))
        return ERR_MISSING;
    put(f, p, len);
    return stream_flush(f);
}

/* The end of the reply as FastCGI records, in the file. */
static enum rc encode(struct fcgi *f, const struct reply *rp) {
    bool good = f->held || fcgi_file_rewind(&f->file);

    if (rp && !rp->streaming) {
        put_head(f, rp);
        if (may_have_body(rp->status ? rp->status : 500) && !f->head)
            put(f, rp->body, rp->body_len);
    }
    good = FCGX_GetError(f->lib.out) == 0 && good;
    library_finish(f); /* writes what it holds back, and the end of the request */
    return good && f->file.fd >= 0 ? OK : ERR_MISSING;
}

/* The file goes with the unsent remainder, and the next request gets a new one. It is cut first, so
 * that nothing of an earlier request stands behind the reply. */
static bool hand_over_unsent(struct fcgi *f, size_t from, size_t to) {
    const struct fcgi_unsent unsent = {f->conn.fd, f->file.fd, from, to, f->request};

    if (!f->on_unsent || f->unread || !fcgi_file_cut(&f->file, to))
        return false;
    if (f->on_unsent(f->on_unsent_arg, &unsent)) {
        fcgi_file_close(&f->file);
        return true;
    }
    (void)!fcgi_file_cut(&f->file, f->file.size); /* all that is mapped must be there (SIGBUS) */
    return false;
}

static enum rc send_end(struct fcgi *f) {
    const unsigned char *p;
    size_t len, sent;

    if (!fcgi_file_written(&f->file, &p, &len) ||
        fcgi_conn_send_for(&f->conn, p, len, FCGI_PATIENCE_MS, &sent))
        return ERR_MISSING;
    if (sent == len || hand_over_unsent(f, sent, len))
        return OK;
    return fcgi_conn_send(&f->conn, p + sent, len - sent);
}

static enum rc finish(struct fcgi *f, const struct reply *rp) {
    enum rc rc = encode(f, rp);

    if (rc)
        fcgi_file_close(&f->file); /* nobody knows how much of the reply is in it */
    else
        rc = send_end(f);
    fcgi_conn_close(&f->conn, rc == OK && f->unread);
    fcgi_file_clear(&f->file);
    return rc;
}

static void stream_end(struct reply_sink *s) {
    (void)finish((struct fcgi *)s, NULL); /* an error means that the peer is gone */
    s->fd = -1;
}

bool fcgi_got_nothing(const struct fcgi *f) {
    return !f->conn.most;
}

struct reply_sink *fcgi_sink(struct fcgi *f) {
    f->sink = (struct reply_sink){stream_begin, stream_write, stream_end, f->conn.fd, false};
    return &f->sink;
}

enum rc fcgi_reply(struct fcgi *f, const struct reply *rp) {
    return rp->ended ? OK : finish(f, rp);
}

struct fcgi_detached fcgi_detach(struct fcgi *f, struct arena *a) {
    struct fcgi_detached detached = {.fd = f->conn.fd, .id = f->conn.id};
    const unsigned char *p;

    if (f->held && fcgi_file_written(&f->file, &p, &detached.first_len))
        detached.first = memcpy(arena_alloc(a, detached.first_len), p, detached.first_len);
    f->held = false;
    f->conn.fd = -1;
    (void)encode(f, NULL); /* what the library would send now is the end, and goes nowhere */
    fcgi_conn_close(&f->conn, false);
    fcgi_file_clear(&f->file);
    return detached;
}
