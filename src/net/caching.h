/* For how long a reply may be used again: RFC 9111, and RFC 5861 §4. */
#pragma once

#include "base/base.h"
#include "net/http.h"

struct http_caching {
    bool may_store; /* not no-store, private, no-cache (which would have to ask again) or Vary: * */
    bool has_lifetime;        /* the server says how long */
    int64_t fresh_s;          /* what is left of it: the lifetime less the age; may be negative */
    bool may_be_stale;        /* not must-revalidate */
    int64_t stale_if_error_s; /* -1: not said */
};

/* Reads the reply as a cache that many users share has to. What is malformed counts as no longer
 * fresh (RFC 9111 §4.2.1, §5.3). */
void http_caching_read(struct arena *a, const struct http_reply *rp, int64_t now_s,
                       struct http_caching *out);
