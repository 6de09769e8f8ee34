/* One HTTP request, as plain data. Everything in it lives in its arena. */
#pragma once

#include "base/base.h"

struct request {
    struct arena *arena;
    const char *id;           /* made by us, names the request in log and audit lines */
    const char *method;       /* as sent, such as "POST" */
    const char *path;         /* path of the request target, percent-decoded once */
    const char *query;        /* raw, without ?; "" if there is none */
    const char *content_type; /* "" if absent */
    const char *remote_addr;  /* as the web server saw it; "" if unknown */
    const char *body;         /* NUL-terminated for convenience */
    size_t body_len;
    char *const *params; /* FastCGI "NAME=value" parameters, NULL-terminated */
    int64_t started_ms;  /* clock_monotonic_ms at its arrival */
    bool waited;         /* before it, while no worker was free: its client may have gone */
};

/* The value of a header named in lower case with dashes ("mcp-method"), or NULL. */
const char *request_header(const struct request *rq, const char *name);
/* The value of a FastCGI parameter, or NULL. */
const char *request_param(const struct request *rq, const char *name);
/* Content-Type is exactly this media type, parameters aside; RFC 9110 §8.3.1. */
int request_has_type(const struct request *rq, const char *media_type);
/* The value of a cookie (RFC 6265 §4.2), in the arena, or NULL. */
const char *request_cookie(const struct request *rq, const char *name);
