/* What a server answered. */
#pragma once

#include "base/base.h"

#define HTTP_REPLY_HEADERS_MAX 32768 /* bytes; more is ERR_TOO_LARGE */
struct http_reply_field {
    const char *name, *value; /* as they came, white space around the value left out */
};

struct http_reply {
    long status;
    const char *content_type; /* "" if absent */
    const char *body;         /* NUL-terminated */
    size_t body_len;
    const struct http_reply_field *fields; /* the headers, in their order; see http_reply_header */
    size_t field_count;
    /* Set also when http_fetch fails. More than 1: a kept connection broke before an answer came,
     * and curl sent the request again over a new one by itself. The first one may have been
     * carried out too. */
    unsigned times_sent;
};
/* The value of the first header of that name in any letter case; NULL if there is none. */
const char *http_reply_header(const struct http_reply *reply, const char *name);

/* A date as HTTP has it (IMF-fixdate, RFC 9110 §5.6.7), in seconds since 1970; 0: it is none, or
 * text is NULL. The two obsolete forms are not read: no server that has https sends them. */
int64_t http_date(const char *text);
/* The values of a header, several joined by ", " (RFC 9110 §5.3); NULL if there is none. */
const char *http_reply_joined_header(struct arena *a, const struct http_reply *rp,
                                     const char *name);

/* For how long a reply may be used again: RFC 9111, and RFC 5861 §4. */
struct http_caching {
    bool may_store; /* not no-store, private, no-cache (which would have to ask again) or Vary: * */
    bool has_lifetime;        /* the server says how long */
    int64_t fresh_s;          /* the lifetime less the age; may be negative */
    bool may_be_stale;        /* not must-revalidate */
    int64_t stale_if_error_s; /* -1: not said */
};

/* Reads the reply as a cache that many users share has to. What is malformed counts as no longer
 * fresh (RFC 9111 §4.2.1, §5.3). */
void http_caching_read(struct arena *a, const struct http_reply *rp, int64_t now_s,
                       struct http_caching *out);
