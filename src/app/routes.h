/* Which path is answered by whom, and in what form its errors go out. */
#pragma once

#include "config/config.h"
#include "site/exchange.h"

/* The form of an error. */
enum error_style {
    STYLE_OAUTH, /* RFC 6749 §5.2 JSON */
    STYLE_RPC,   /* JSON-RPC 2.0 */
    STYLE_PAGE,  /* HTML, for a user */
};

/* Pages of which sites may call it and read the answer. */
enum cors {
    CORS_NONE, /* a user's pages */
    CORS_ANY, /* what carries nothing of the browser's: documents, and what needs a code or token */
    CORS_MCP, /* ALLOWED_ORIGINS */
};

struct route {
    const char *method;
    const char *path; /* full, as the configuration makes it */
    size_t path_len;  /* without a slash that may be left out */
    handler_fn *handler;
    enum error_style style;
    enum cors cors;
    unsigned group; /* enum endpoint_group */
    unsigned hosts; /* that it is at: enum route_host bits */
};

/* What is at both is a root address, which may be another site's just as well. */
enum route_host {
    ROUTE_AT_ISSUER = 1 << 0,
    ROUTE_AT_RESOURCE = 1 << 1,
    ROUTE_AT_BOTH = ROUTE_AT_ISSUER | ROUTE_AT_RESOURCE
};

#define ROUTES_MAX 24
struct routes {
    struct route all[ROUTES_MAX];
    unsigned count;
};

/* The routes of the groups that the configuration enables. Paths live in a. */
void routes_init(struct routes *r, struct arena *a, const struct config *config);

/* What is known of the path of a request. */
struct route_match {
    const struct route *route; /* NULL: none has this path and this method */
    const char *allow;         /* the methods of the path, as in Allow; NULL if there is a route, or
                                  none has this path */
    enum error_style style;
    enum cors cors;
};
struct route_match routes_find(const struct routes *r, const struct request *rq);

/* Seconds that a request may hold a worker: those of the group of its route. NULL: it has none. */
int route_time_limit_s(const struct route *route);
