#include "app/rate_limit_filter.h"

#include <string.h>
#include <time.h>

#include "base/url.h"
#include "config/config.h"
#include "shared/rate_limit.h"

/* Who has an IPv6 network has many of the /64 that are counted: of a /48 all together have so many
 * times the share of one. */
#define NETWORK_SHARES 8
#define HEX_OF_64 16 /* as rate_limits_address writes them */
#define HEX_OF_48 12

static const char *client_id_of(struct arena *a, const struct request *rq) {
    static const char name[] = "client_id=";
    const char *p = strcmp(rq->method, "POST") ? rq->query : rq->body, *decoded;

    while (p && strncmp(p, name, sizeof name - 1) != 0) {
        p = strchr(p, '&');
        if (p)
            p++;
    }
    if (!p)
        return NULL;
    p += sizeof name - 1;
    decoded = url_decode(a, p, strcspn(p, "&"), true);
    return decoded ? decoded : ""; /* which is refused for it */
}

static int64_t take_address(struct rate_limits *limits, struct arena *a, const char *address,
                            unsigned per_minute) {
    struct timespec now;
    int64_t now_ms, wait_ms;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    now_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    wait_ms = rate_limits_take(limits, address, per_minute, now_ms);
    if (wait_ms || strlen(address) != HEX_OF_64)
        return wait_ms;
    return rate_limits_take(limits, arena_printf(a, "%.*s/48", HEX_OF_48, address),
                            per_minute * NETWORK_SHARES, now_ms);
}

enum rc rate_limit_check(struct exchange *x, struct err *e) {
    const struct config *config = x->site->config;
    struct arena *a = x->rq->arena;
    const char *address = rate_limits_address(a, x->rq->remote_addr), *client_id;
    int64_t wait_ms = 0;

    if (!address) /* the web server does not send it: all clients would share one limit */
        return OK;
    if (config->rate_limit_address)
        wait_ms = take_address(x->site->limits, a, address, config->rate_limit_address);
    if (wait_ms)
        return reply_rate_limited(x->rp, wait_ms, e);
    client_id = config->rate_limit_client ? client_id_of(a, x->rq) : NULL;
    if (client_id)
        wait_ms = rate_limits_take_client(x->site->limits, a, x->rq->remote_addr, client_id,
                                          config->rate_limit_client);
    return wait_ms ? reply_rate_limited(x->rp, wait_ms, e) : OK;
}
