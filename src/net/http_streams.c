#include "net/http_streams.h"

#include <curl/curl.h>

#include "net/http_tls.h"

#define CONNECT_MS 10000L
#define CONNECTIONS_KEPT 64L
#define PROBE_AFTER_S 30L /* of keep-alive: a peer that is gone without a word is noticed */
#define IDLE_HANDLES_MAX 64

struct http_stream {
    struct http_stream *next;
    struct http_streams *all;
    CURL *curl;
    struct curl_slist *headers;
    struct http_stream_request rq; /* of it only the callbacks and arg */
    bool is_added, is_aborted;
    char error[CURL_ERROR_SIZE];
    char distrust[TRUST_WHY_MAX]; /* why the server's certificate is refused */
};

struct http_streams {
    CURLM *multi;
    struct http_stream *streams;
    struct trust trust;
    CURL *idle[IDLE_HANDLES_MAX]; /* with what they have allocated */
    unsigned idle_count;
};

struct http_streams *http_streams_new(const char *ca_file) {
    struct http_streams *all = xcalloc(1, sizeof *all);

    if (curl_global_init(CURL_GLOBAL_DEFAULT) || !(all->multi = curl_multi_init())) {
        free(all);
        return NULL;
    }
    curl_multi_setopt(all->multi, CURLMOPT_MAXCONNECTS, CONNECTIONS_KEPT);
    trust_open(&all->trust, "", ca_file);
    return all;
}

static void keep_handle(struct http_streams *all, CURL *h) {
    if (all->idle_count < IDLE_HANDLES_MAX)
        all->idle[all->idle_count++] = h;
    else
        curl_easy_cleanup(h);
}

/* It is not in the list any more. */
static void free_stream(struct http_stream *s) {
    if (s->is_added)
        (void)curl_multi_remove_handle(s->all->multi, s->curl);
    keep_handle(s->all, s->curl);
    curl_slist_free_all(s->headers);
    free(s);
}

static void take_out(struct http_stream *s) {
    struct http_stream **at = &s->all->streams;

    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
}

void http_streams_free(struct http_streams *all) {
    while (all->streams) {
        struct http_stream *s = all->streams;

        all->streams = s->next;
        free_stream(s);
    }
    while (all->idle_count)
        curl_easy_cleanup(all->idle[--all->idle_count]);
    (void)curl_multi_cleanup(all->multi);
    trust_close(&all->trust);
    free(all);
}

static size_t receive(char *data, size_t size, size_t count, void *arg) {
    struct http_stream *s = arg;
    const struct text piece = {data, size * count};

    return !s->is_aborted && s->rq.on_data(s->rq.arg, s, piece) ? piece.len : CURL_WRITEFUNC_ERROR;
}

static int before_request(void *arg, char *to, char *from, int to_port, int from_port) {
    struct http_stream *s = arg;

    (void)to, (void)from, (void)to_port, (void)from_port;
    return http_tls_is_verified(s->curl, &s->all->trust, s->distrust) ? CURL_PREREQFUNC_OK
                                                                      : CURL_PREREQFUNC_ABORT;
}

static void set_options(struct http_stream *s, const struct http_stream_request *rq) {
    CURL *h = s->curl;

    curl_easy_reset(h);
    curl_easy_setopt(h, CURLOPT_PRIVATE, s);
    http_handle_set(h, rq->url, rq->timeout_ms, s->error);
    curl_easy_setopt(h, CURLOPT_PREREQFUNCTION, before_request);
    curl_easy_setopt(h, CURLOPT_PREREQDATA, s);
    curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
    curl_easy_setopt(h, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(h, CURLOPT_TCP_KEEPIDLE, PROBE_AFTER_S);
    curl_easy_setopt(h, CURLOPT_TCP_KEEPINTVL, PROBE_AFTER_S);
    curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, receive);
    curl_easy_setopt(h, CURLOPT_WRITEDATA, s);
    curl_easy_setopt(h, CURLOPT_HTTPHEADER, s->headers);
    curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, rq->method);
    if (rq->body.p) {
        curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)rq->body.len);
        curl_easy_setopt(h, CURLOPT_COPYPOSTFIELDS, rq->body.p);
    }
}

struct http_stream *http_stream_begin(struct http_streams *all,
                                      const struct http_stream_request *rq) {
    struct http_stream *s = xcalloc(1, sizeof *s);

    s->all = all;
    s->rq =
        (struct http_stream_request){.arg = rq->arg, .on_data = rq->on_data, .on_end = rq->on_end};
    s->curl = all->idle_count ? all->idle[--all->idle_count] : curl_easy_init();
    if (!s->curl)
        out_of_memory("a request", 0);
    s->headers = curl_slist_append(NULL, "Expect:");
    for (const char *const *h = rq->headers; *h; h++)
        s->headers = curl_slist_append(s->headers, *h);
    set_options(s, rq);
    s->next = all->streams;
    all->streams = s;
    return s;
}

/* curl lets nobody remove what it is just calling: it goes in the next http_streams_wait. */
void http_stream_abort(struct http_stream *s) {
    s->is_aborted = true;
}

long http_stream_status(const struct http_stream *s) {
    long status = 0;

    (void)curl_easy_getinfo(s->curl, CURLINFO_RESPONSE_CODE, &status);
    return status;
}

const char *http_stream_header(const struct http_stream *s, const char *name) {
    struct curl_header *h;

    return curl_easy_header(s->curl, name, 0, CURLH_HEADER, -1, &h) ? NULL : h->value;
}

/* What was begun, and aborted, since the last time. */
static void update(struct http_streams *all) {
    for (struct http_stream **at = &all->streams, *s; (s = *at);) {
        if (s->is_aborted) {
            *at = s->next;
            free_stream(s);
            continue;
        }
        if (!s->is_added)
            s->is_added = !curl_multi_add_handle(all->multi, s->curl);
        at = &s->next;
    }
}

static void note_end(struct http_stream *s, CURLcode code) {
    const struct http_stream_end end = {.status = http_stream_status(s),
                                        .failure = !code          ? NULL
                                                   : *s->distrust ? s->distrust
                                                   : *s->error    ? s->error
                                                                  : curl_easy_strerror(code)};

    take_out(s);
    if (!s->is_aborted)
        s->rq.on_end(s->rq.arg, s, &end);
    free_stream(s);
}

static bool note_ends(struct http_streams *all) {
    const CURLMsg *m;
    bool any = false;
    int left;

    while ((m = curl_multi_info_read(all->multi, &left))) {
        const CURLcode code = m->data.result;
        struct http_stream *s = NULL;

        if (m->msg != CURLMSG_DONE || curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &s))
            continue;
        note_end(s, code);
        any = true;
    }
    return any;
}

bool http_streams_wait(struct http_streams *all, int fd, int wait_ms) {
    struct curl_waitfd own = {.fd = fd, .events = CURL_WAIT_POLLIN};
    int running;

    update(all);
    (void)curl_multi_perform(all->multi, &running);
    if (note_ends(all))
        wait_ms = 0;
    (void)curl_multi_poll(all->multi, &own, fd >= 0, wait_ms, &running);
    (void)curl_multi_perform(all->multi, &running);
    (void)note_ends(all);
    return own.revents != 0;
}
