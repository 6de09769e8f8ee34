/* One request and its reply, at one site: what every handler is given. It knows no FastCGI, no
 * sockets and no processes; a unit test can make one. */
#pragma once

#include "site/site.h"
#include "web/reply.h"
#include "web/request.h"

struct exchange {
    struct site *site;
    const struct request *rq;
    struct reply *rp;
};

/* Returns OK with the reply filled, or an error that the dispatcher turns into a reply in the
 * form of the route. */
typedef enum rc handler_fn(struct exchange *x, struct err *e);
