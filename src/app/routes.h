/* Which path is answered by whom, and in what form its errors go out. */
#ifndef APP_ROUTES_H
#define APP_ROUTES_H

#include "base/config.h"
#include "web/handler.h"

/* The form of an error. */
enum error_style {
    STYLE_OAUTH, /* RFC 6749 §5.2 JSON */
    STYLE_RPC,   /* JSON-RPC 2.0 */
    STYLE_PAGE,  /* HTML, for a user */
};

struct route {
    const char *method;
    const char *path; /* full, as the configuration makes it */
    handler_fn *handler;
    enum error_style style;
    unsigned group; /* enum endpoint_group */
};

#define ROUTES_MAX 16
struct routes {
    struct route all[ROUTES_MAX];
    unsigned count;
};

/* The routes of the groups that the configuration enables. Paths live in a. */
void routes_init(struct routes *r, struct arena *a, const struct config *config);

/* The route, or NULL. If the path is known but not with this method, *allow is the value of the
 * Allow header and *style the form of the error. */
const struct route *routes_find(const struct routes *r, struct arena *a, const char *method,
                                const char *path, const char **allow, enum error_style *style);

#endif
