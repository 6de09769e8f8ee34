/* The HTTP client. The only module that knows curl. Connections are kept alive per worker. */
#pragma once

#include "base/text.h"
#include "net/http_reply.h"

struct http_client;

/* A text that is NULL is "". */
struct http_options {
    /* https only, and only to public addresses (net/ssrf_filter.h) and those in allow_nets: for
     * URLs that a stranger chose. */
    bool public_only;
    const char *allow_nets; /* space-separated CIDR ranges; "" for none */
    const char *ca_file;    /* PEM, trusted besides the system's; "" for none */
    const char *ca_bundle;  /* PEM, trusted instead of both; "": the system's are */
    /* Of https: http://HOST:PORT, asked to CONNECT (RFC 9110 §9.3.6), so that TLS is from end to
     * end; "" for none. With public_only all goes through it, and the filter sees only addresses
     * that are written in the URL: the proxy resolves names, and has to refuse private addresses
     * itself. Otherwise loopback never does. */
    const char *proxy;
    /* Space-separated hosts and domains (with all below them) that are asked without the proxy; ""
     * for none. Not with public_only. */
    const char *no_proxy;
};

/* Would http_client_new accept these? Opens nothing of curl's. ERR_MISCONFIGURED if not. */
enum rc http_options_check(const struct http_options *options, struct err *e) MUST_USE;

/* Make it after the fork, one per worker. Errors: ERR_MISCONFIGURED. */
enum rc http_client_new(const struct http_options *options, struct http_client **out,
                        struct err *e) MUST_USE;
void http_client_free(struct http_client *c);

struct http_request {
    const char *method, *url;   /* GET, POST or PUT */
    const char *const *headers; /* "Name: value" lines, NULL-terminated; NULL for none */
    const char *body;           /* NULL for none */
    size_t body_len;
    size_t max_reply_bytes;  /* a longer reply is ERR_TOO_LARGE */
    long timeout_ms;         /* for everything, name look-up included */
    long connect_timeout_ms; /* only for the look-up and connecting; 0: no limit of its own */
    /* HTTP/1.1 also where HTTP/2 is spoken: with that, lighttpd resets the stream of a POST that it
     * refuses, and what it has to say is lost. */
    bool http1_only;
    bool is_local; /* a server beside this host, which no proxy reaches. Not with public_only */
    unsigned counted_as; /* 1 + enum metric_upstream; 0: not counted here */
};

/* Redirects are never followed and no proxy is taken from the environment. The reply lives in a.
 *   ERR_UPSTREAM       no complete answer came (e->detail says why, and names the proxy, if any)
 *   ERR_TOO_LARGE      the answer is over max_reply_bytes
 *   ERR_ACCESS_DENIED  the SSRF filter refused the address */
enum rc http_fetch(struct http_client *c, struct arena *a, const struct http_request *rq,
                   struct http_reply *out, struct err *e) MUST_USE;

/* The certificates that an https server shows, its own first, as PEM: whoever signed them, whatever
 * they are good for. Nothing is sent over this connection. ERR_UPSTREAM with e->detail. */
enum rc http_certificates(struct arena *a, const char *url, long timeout_ms, struct text *pem,
                          struct err *e) MUST_USE;
