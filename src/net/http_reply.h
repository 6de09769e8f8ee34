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
const char *http_header(struct arena *a, const struct http_reply *rp, const char *name);
