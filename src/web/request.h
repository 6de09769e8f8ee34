/* One HTTP request, as plain data: everything in it lives in its arena. Its headers, and the
 * queries and forms that it brings. */
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
    char *const *params;              /* FastCGI "NAME=value" parameters, NULL-terminated */
    const struct params_index *index; /* of them (request_index); NULL: none, they are searched */
    int64_t started_ms;               /* clock_monotonic_ms at its arrival */
    bool waited;             /* for a free worker, before that: its client may have disconnected */
    struct resumed *resumed; /* a parked call that goes on (parked.h); NULL: a new request */
};

/* The list of so many parameters, which lie one behind the other, each with a NUL behind it. NULL:
 * what lies there are not so many. */
char **request_params(struct arena *a, char *p, size_t len, size_t count);
/* Indexes the parameters by their names. False: CGI makes one name of X-Y and X_Y (RFC 3875
 * §4.1.18), and lighttpd gives both: whoever has read the headers before us saw one of them, and we
 * might take the other. */
bool request_index(struct request *rq);
/* The value of a header named in lower case with dashes ("mcp-method"), or NULL. */
const char *request_header(const struct request *rq, const char *name);
/* The value of a FastCGI parameter, or NULL. */
const char *request_param(const struct request *rq, const char *name);
/* Content-Type is exactly this media type, parameters aside; RFC 9110 §8.3.1. */
bool request_has_type(const struct request *rq, const char *media_type);
/* The value of a cookie (RFC 6265 §4.2), in the arena, or NULL. */
const char *request_cookie(const struct request *rq, const char *name);

/* Content negotiation: the elements of Accept and Accept-Language with their weights (RFC 9110
 * §12.4.2, §12.5). */
#define WEIGHT_MAX 1000 /* of q=1: there are three decimals */

struct preference {
    const char *range; /* a media type or range, a language or range */
    size_t len;
    int weight; /* 0: it is not acceptable. What is no weight counts as 1. */
};

/* The next element of the header at *at; false at its end. Commas and semicolons in quoted strings
 * separate nothing. */
bool preference_next(const char **at, struct preference *out);

/* Queries and forms (application/x-www-form-urlencoded). */
#define FORM_FIELDS_MAX 32 /* parameters in one form or query */

struct form {
    struct form_field {
        const char *name, *value; /* decoded */
        bool repeated;            /* one of that name came before */
    } fields[FORM_FIELDS_MAX];
    size_t count;
};

/* Parses a query or form body. A parameter given twice is an error (RFC 6749 §3.1 and §3.2), and so
 * is a bad escape. */
enum rc form_parse(struct arena *a, const char *text, size_t len, struct form *out,
                   struct err *e) MUST_USE;
/* The same without the check for repetition, for a place that must know who asks before it may say
 * what is wrong. */
enum rc form_read(struct arena *a, const char *text, size_t len, struct form *out,
                  struct err *e) MUST_USE;
/* Of one name, or of all (NULL) but one: RFC 8707 §2 lets `resource` come several times. */
enum rc form_check_repeated(const struct form *f, const char *only, const char *except,
                            struct err *e) MUST_USE;
/* The first value, or NULL when it is absent or empty: RFC 6749 §3.1 treats both alike. */
const char *form_get(const struct form *f, const char *name);
