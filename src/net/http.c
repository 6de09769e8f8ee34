#include "net/http.h"

#include <curl/curl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/url.h"
#include "metrics/metrics.h"
#include "net/http_tls.h"
#include "net/ssrf_filter.h"

#define CONNECTIONS_KEPT 8
/* A kept connection is used for as long as its server keeps it; curl sees before each use whether
 * that has closed it. Probes keep it alive in routers between, which forget after some minutes. */
#define CONNECTION_AGE_MAX_S 86400L
#define PROBE_AFTER_S 60L
#define CERTIFICATES_MAX 65536 /* bytes of PEM */

struct http_client {
    CURL *curl;
    struct ssrf_filter filter;
    bool public_only;          /* the filter applies */
    bool refused;              /* it refused an address during this fetch */
    char *ca_file, *ca_bundle; /* of http_options; "": none */
    struct trust trust;
    char *proxy, *no_proxy; /* of http_options; "": none */
    bool through_proxy;     /* this fetch */
};

/* What a fetch collects. */
struct receiving {
    struct http_client *client;
    struct buf body, head; /* head: the lines of the answer's headers */
    unsigned times_sent;
    char distrust[TRUST_WHY_MAX]; /* why the server's certificate is refused */
};

/* Called with the address that is about to be connected to. Only here the filter cannot be fooled
 * by a name that resolved to another address before. */
static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *addr) {
    struct http_client *c = arg;

    (void)purpose;
    /* With a proxy this is the proxy's address: the admin's choice. */
    if (c->public_only && !*c->proxy && !ssrf_filter_allows(&c->filter, &addr->addr)) {
        c->refused = true;
        return CURL_SOCKET_BAD;
    }
    return socket(addr->family, addr->socktype | SOCK_CLOEXEC, addr->protocol);
}

static size_t receive(char *data, size_t size, size_t count, void *arg) {
    struct receiving *r = arg;

    buf_add(&r->body, data, size * count);
    return r->body.overflow ? 0 : size * count; /* 0 stops the transfer */
}

/* One line at a time, status line first. A provisional answer (RFC 9110 §15.2) has lines too. */
static size_t receive_header(char *line, size_t size, size_t count, void *arg) {
    struct receiving *r = arg;
    size_t len = size * count;

    if (len >= 5 && !memcmp(line, "HTTP/", 5))
        buf_init(&r->head, r->head.arena, HTTP_REPLY_HEADERS_MAX);
    else
        buf_add(&r->head, line, len);
    return r->head.overflow ? 0 : len;
}

void http_handle_set(void *curl, const char *url, long timeout_ms, char *error_text) {
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROXY, ""); /* none, whatever the environment says */
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https,http");
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, timeout_ms);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error_text);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "mcp-authd/" MCP_AUTHD_VERSION);
    curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L); /* http_tls_is_verified does */
    curl_easy_setopt(curl, CURLOPT_CAINFO, NULL);
    curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
}

bool http_tls_is_verified(void *curl, struct trust *trust, char why[TRUST_WHY_MAX]) {
    struct curl_tlssessioninfo *tls = NULL;
    const char *url = NULL;

    if (!curl_easy_getinfo(curl, CURLINFO_EFFECTIVE_URL, &url) && url &&
        !strncasecmp(url, "http:", sizeof "http:" - 1))
        return true;
    if (curl_easy_getinfo(curl, CURLINFO_TLS_SSL_PTR, &tls) ||
        tls->backend != CURLSSLBACKEND_GNUTLS)
        return trust_verify(trust, NULL, why);
    return trust_verify(trust, tls->internals, why);
}

/* The connection stands, new or kept, and the request goes out now. */
static int before_request(void *arg, char *to, char *from, int to_port, int from_port) {
    struct receiving *r = arg;

    (void)to, (void)from, (void)to_port, (void)from_port;
    if (!http_tls_is_verified(r->client->curl, &r->client->trust, r->distrust))
        return CURL_PREREQFUNC_ABORT;
    r->times_sent++;
    return CURL_PREREQFUNC_OK;
}

static const char *text_or_empty(const char *s) {
    return s ? s : "";
}

static enum rc check_authorities(const char *path, struct err *e) {
    const char *why = "it has no certificate in PEM";

    return !*path || trust_file_is_good(path, &why) ? OK : misconfigured(e, "%s: %s", path, why);
}

enum rc http_options_check(const struct http_options *options, struct err *e) {
    struct ssrf_filter g;

    if (ssrf_filter_init(&g, text_or_empty(options->allow_nets), e) ||
        check_authorities(text_or_empty(options->ca_file), e))
        return e->code;
    return check_authorities(text_or_empty(options->ca_bundle), e);
}

enum rc http_client_new(const struct http_options *options, struct http_client **out,
                        struct err *e) {
    struct http_client *c = xcalloc(1, sizeof *c);

    *out = NULL;
    c->public_only = options->public_only;
    c->proxy = xstrdup(text_or_empty(options->proxy));
    c->no_proxy = xstrdup(text_or_empty(options->public_only ? NULL : options->no_proxy));
    c->ca_file = xstrdup(text_or_empty(options->ca_file));
    c->ca_bundle = xstrdup(text_or_empty(options->ca_bundle));
    if (http_options_check(options, e) ||
        ssrf_filter_init(&c->filter, text_or_empty(options->allow_nets), e)) {
        http_client_free(c);
        return e->code;
    }
    trust_open(&c->trust, c->ca_bundle, c->ca_file);
    if (curl_global_init(CURL_GLOBAL_DEFAULT) || !(c->curl = curl_easy_init())) {
        http_client_free(c);
        return err_set(e, ERR_INTERNAL, "the HTTP client cannot be started");
    }
    *out = c;
    return OK;
}

void http_client_free(struct http_client *c) {
    if (!c)
        return;
    if (c->curl)
        curl_easy_cleanup(c->curl);
    trust_close(&c->trust);
    free(c->ca_file);
    free(c->ca_bundle);
    free(c->proxy);
    free(c->no_proxy);
    free(c);
}

static bool goes_through_proxy(const struct http_client *c, struct arena *a,
                               const struct http_request *rq) {
    struct url u;

    if (!*c->proxy || c->public_only)
        return *c->proxy != 0;
    return !rq->is_local && !url_parse(a, rq->url, &u, ERR_IGNORED) && !strcmp(u.scheme, "https") &&
           !url_is_loopback(&u) && !url_host_is_among(c->no_proxy, u.host);
}

/* Is the URL's host an address that the filter refuses, or is it no URL? For what goes through a
 * proxy, as then open_socket sees only the proxy's address. */
static bool names_refused_address(const struct http_client *c, struct arena *a, const char *url) {
    struct sockaddr_storage address;
    struct url u;

    return url_parse(a, url, &u, ERR_IGNORED) || !u.host ||
           (url_host_address(u.host, &address) &&
            !ssrf_filter_allows(&c->filter, (const struct sockaddr *)(const void *)&address));
}

static void set_kept_connections(struct http_client *c) {
    CURL *h = c->curl;

    curl_easy_setopt(h, CURLOPT_MAXCONNECTS, (long)CONNECTIONS_KEPT);
    curl_easy_setopt(h, CURLOPT_MAXAGE_CONN, CONNECTION_AGE_MAX_S);
    curl_easy_setopt(h, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(h, CURLOPT_TCP_KEEPIDLE, PROBE_AFTER_S);
    curl_easy_setopt(h, CURLOPT_TCP_KEEPINTVL, PROBE_AFTER_S);
    /* One of a stranger's server serves rarely twice. */
    curl_easy_setopt(h, CURLOPT_FORBID_REUSE, (long)c->public_only);
}

static void set_options(struct http_client *c, const struct http_request *rq,
                        struct curl_slist *headers, struct receiving *r, char *error_text) {
    CURL *h = c->curl;

    curl_easy_reset(h); /* keeps connections, name and TLS caches */
    http_handle_set(h, rq->url, rq->timeout_ms, error_text);
    if (c->through_proxy)
        curl_easy_setopt(h, CURLOPT_PROXY, c->proxy);
    curl_easy_setopt(h, CURLOPT_NOPROXY, ""); /* whatever the environment says */
    if (c->public_only) {
        curl_easy_setopt(h, CURLOPT_DNS_CACHE_TIMEOUT, 0L); /* each connection looks it up again */
        curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "https");
    }
    /* Names are looked up in a thread of curl's. At the timeout the thread is abandoned, not waited
     * for: the owner of a name says how long its servers take. */
    curl_easy_setopt(h, CURLOPT_QUICK_EXIT, 1L);
    if (rq->connect_timeout_ms)
        curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS, rq->connect_timeout_ms);
    set_kept_connections(c);
    curl_easy_setopt(h, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(h, CURLOPT_OPENSOCKETDATA, c);
    curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, receive);
    curl_easy_setopt(h, CURLOPT_WRITEDATA, r);
    curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, receive_header);
    curl_easy_setopt(h, CURLOPT_HEADERDATA, r);
    curl_easy_setopt(h, CURLOPT_PREREQFUNCTION, before_request);
    curl_easy_setopt(h, CURLOPT_PREREQDATA, r);
    curl_easy_setopt(h, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(h, CURLOPT_HTTPHEADER, headers);
    if (rq->http1_only)
        curl_easy_setopt(h, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    if (!strcmp(rq->method, "POST") || !strcmp(rq->method, "PUT")) {
        curl_easy_setopt(h, CURLOPT_POST, 1L);
        curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, rq->method);
        curl_easy_setopt(h, CURLOPT_POSTFIELDS, rq->body ? rq->body : "");
        curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)rq->body_len);
    }
}

/* What became of the request, for admins: the first thing to know is whether the proxy failed. */
static void explain_failure(const struct http_client *c, CURLcode code, const char *why,
                            struct err *e) {
    long status = 0;

    (void)curl_easy_getinfo(c->curl, CURLINFO_HTTP_CONNECTCODE, &status);
    if (!c->through_proxy)
        err_detail(e, "%s", why);
    else if (status && status / 100 != 2)
        err_detail(e, "the proxy %s refuses with status %ld", c->proxy, status);
    else if (!status && (code == CURLE_COULDNT_RESOLVE_PROXY || code == CURLE_COULDNT_CONNECT))
        err_detail(e, "the proxy %s cannot be reached: %s", c->proxy, why);
    else
        err_detail(e, "through the proxy %s: %s", c->proxy, why);
}

static enum rc explain(const struct http_client *c, CURLcode code, const struct receiving *r,
                       const char *error_text, struct err *e) {
    if (c->refused)
        return err_set(e, ERR_ACCESS_DENIED, "the host has no public address");
    if (r->head.overflow)
        return err_set(e, ERR_TOO_LARGE, "the answer's headers are longer than %zu bytes",
                       r->head.max);
    if (r->body.overflow)
        return err_set(e, ERR_TOO_LARGE, "the answer is longer than %zu bytes", r->body.max);
    (void)err_set(e, ERR_UPSTREAM, "no answer from the server that had to be asked");
    explain_failure(c, code,
                    *r->distrust  ? r->distrust
                    : *error_text ? error_text
                                  : curl_easy_strerror(code),
                    e);
    return e->code;
}

/* Every header that the request names, and no header that curl would add to a body by itself.
 * curl takes "Name:" as the wish to leave a header out, so an empty one is written "Name;". */
static struct curl_slist *request_headers(struct arena *a, const struct http_request *rq) {
    struct curl_slist *list = curl_slist_append(NULL, "Expect:");
    bool has_type = false;

    for (const char *const *h = rq->headers; h && *h; h++) {
        size_t name_len = strcspn(*h, ":");
        bool is_empty = (*h)[name_len] && !(*h)[name_len + 1 + strspn(*h + name_len + 1, " \t")];

        has_type = has_type || !strncasecmp(*h, "Content-Type:", sizeof "Content-Type:" - 1);
        list = curl_slist_append(list, is_empty ? arena_printf(a, "%.*s;", (int)name_len, *h)
                                                : (const char *)*h);
    }
    return has_type ? list : curl_slist_append(list, "Content-Type:");
}

/* Splits the lines. One without a colon is none (RFC 9112 §5). */
static void split_headers(struct arena *a, struct buf *head, struct http_reply *out) {
    struct http_reply_field *fields;
    size_t lines = 0;
    char *line, *rest = head->p;

    for (const char *p = head->p; *p; p++)
        lines += *p == '\n';
    fields = arena_alloc(a, (lines + 1) * sizeof *fields);
    out->fields = fields;
    out->field_count = 0;
    while ((line = strsep(&rest, "\n"))) {
        char *value = strchr(line, ':'), *end = line + strlen(line);

        if (!value)
            continue;
        *value++ = 0;
        value += strspn(value, " \t");
        while (end > value && strchr(" \t\r", end[-1]))
            *--end = 0;
        fields[out->field_count++] = (struct http_reply_field){line, value};
    }
}

static void count(enum metric_upstream upstream, CURLcode code, const struct http_reply *rp) {
    enum metric_outcome outcome = code == CURLE_OPERATION_TIMEDOUT ? OUTCOME_TIMEOUT
                                  : code                           ? OUTCOME_FAILED
                                  : rp->status == 429              ? OUTCOME_THROTTLED
                                  : rp->status >= 500              ? OUTCOME_FAILED
                                  : rp->status >= 400              ? OUTCOME_REFUSED
                                                                   : OUTCOME_OK;

    metrics_count2(METRIC_UPSTREAM_CALLS, upstream, outcome);
    if (rp->times_sent > 1)
        metrics_add(METRIC_RETRIES, upstream, 0, rp->times_sent - 1);
}

enum rc http_fetch(struct http_client *c, struct arena *a, const struct http_request *rq,
                   struct http_reply *out, struct err *e) {
    struct receiving r;
    struct curl_slist *headers;
    char error_text[CURL_ERROR_SIZE] = "", *type = NULL;
    CURLcode code;

    out->times_sent = 0;
    if (c->public_only && *c->proxy && names_refused_address(c, a, rq->url))
        return err_set(e, ERR_ACCESS_DENIED, "the host has no public address");
    buf_init(&r.body, a, rq->max_reply_bytes);
    buf_init(&r.head, a, HTTP_REPLY_HEADERS_MAX);
    r.times_sent = 0;
    r.client = c;
    *r.distrust = 0;
    headers = request_headers(a, rq);
    c->refused = false;
    c->through_proxy = goes_through_proxy(c, a, rq);
    set_options(c, rq, headers, &r, error_text);
    code = curl_easy_perform(c->curl);
    curl_slist_free_all(headers);
    curl_easy_setopt(c->curl, CURLOPT_ERRORBUFFER, NULL);
    out->status = 0;
    curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &out->status);
    out->times_sent = r.times_sent;
    if (rq->counted_as)
        count(rq->counted_as - 1, code, out);
    if (code)
        return explain(c, code, &r, error_text, e);
    curl_easy_getinfo(c->curl, CURLINFO_CONTENT_TYPE, &type);
    out->content_type = arena_strdup(a, type ? type : "");
    out->body = r.body.p;
    out->body_len = r.body.len;
    split_headers(a, &r.head, out);
    return OK;
}

/* What curl keeps of a certificate is a list of "Name:value"; the value of this one is PEM. */
static void add_certificate(struct buf *b, const struct curl_slist *fields) {
    static const char name[] = "Cert:";

    for (; fields; fields = fields->next)
        if (!strncmp(fields->data, name, sizeof name - 1))
            buf_addf(b, "%s\n", fields->data + sizeof name - 1);
}

/* Of a handle of its own, so that a connection with an unknown peer serves nothing else. */
static CURLcode connect_to_look(CURL *h, const char *url, long timeout_ms, char *error_text) {
    http_handle_set(h, url, timeout_ms, error_text);
    curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "https");
    curl_easy_setopt(h, CURLOPT_CONNECT_ONLY, 1L); /* the handshake, and no request */
    curl_easy_setopt(h, CURLOPT_CERTINFO, 1L);
    curl_easy_setopt(h, CURLOPT_SSL_VERIFYHOST, 0L); /* the caller judges the certificate */
    return curl_easy_perform(h);
}

enum rc http_certificates(struct arena *a, const char *url, long timeout_ms, struct text *pem,
                          struct err *e) {
    char error_text[CURL_ERROR_SIZE] = "";
    struct curl_certinfo *info = NULL;
    CURL *h = curl_easy_init();
    CURLcode code = h ? connect_to_look(h, url, timeout_ms, error_text) : CURLE_FAILED_INIT;
    struct buf b;

    buf_init(&b, a, CERTIFICATES_MAX);
    if (!code)
        (void)curl_easy_getinfo(h, CURLINFO_CERTINFO, &info);
    for (int i = 0; info && i < info->num_of_certs; i++)
        add_certificate(&b, info->certinfo[i]);
    curl_easy_cleanup(h);
    *pem = (struct text){b.p, b.len};
    if (!code && !b.overflow && b.len)
        return OK;
    (void)err_set(e, ERR_UPSTREAM, "the server showed no certificate");
    return err_detail(e, "%s",
                      b.overflow    ? "its certificates are too long"
                      : *error_text ? error_text
                                    : curl_easy_strerror(code));
}
