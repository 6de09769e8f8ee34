/* JSON documents that clients publish: from the cache, or fetched over the guarded HTTP client.
 * Anybody may name such an address, and its server may be slow, wrong or absent. So the number of
 * workers that wait for such servers is limited, and documents are cached for all workers of the
 * host, as HTTP caching says (RFC 9111), within limits of our own. */
#pragma once

#include "net/http.h"
#include "oauth/site.h"
#include "site/site.h"

struct json;

#define CLIENT_DOCUMENT_TIMEOUT_MS 5000
#define DOCUMENT_FRESH_S 300       /* if its server does not say how long it may be kept */
#define DOCUMENT_FRESH_MIN_S 10    /* if it says less, though not "no-store" */
#define DOCUMENT_FRESH_MAX_S 86400 /* if it says more */
#define DOCUMENT_STALE_S 86400     /* after that, while its server does not answer */
#define DOCUMENTS_CACHED_MAX 512
/* Of the host's state folder: which workers wait for the servers of clients (concurrency_share). */
#define DOCUMENT_FETCHES "document-fetches"

struct document_kind {
    const char *name; /* in messages: "the client's document" */
    const char *id;   /* in the cache */
    size_t bytes_max;
    /* Is it what it should be? A wrong one is refused like one that is not there. */
    enum rc (*check)(const struct config *c, struct arena *a, const struct json *v, const char *url,
                     struct err *e);
};
struct document_request {
    const struct document_kind *kind;
    const char *url;
    int64_t since_s; /* one in the cache must not be older, in seconds since 1970; 0: any age */
};
/* ERR_INVALID_CLIENT: it is not there or wrong. ERR_UPSTREAM: it may be there later. */
enum rc document_get(struct site *site, struct arena *a, const struct document_request *rq,
                     struct json **out, struct err *e) MUST_USE;
/* How documents are fetched: only from public addresses, and what CLIENT_METADATA_* adds. */
struct http_options document_http_options(const struct config *config);
