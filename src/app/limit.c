#include "app/limit.h"

#include <string.h>
#include <time.h>

#include "base/config.h"

#define CLIENT_KEY_MAX 256 /* bytes of a client_id that count */

/* client_id as it was sent, still encoded: a client that writes it in another way gains no more
 * than one that makes another id up, and the address has a limit besides. */
static const char *client_id_of(struct arena *a, const struct request *rq) {
    static const char name[] = "client_id=";
    const char *p = strcmp(rq->method, "POST") ? rq->query : rq->body;

    while (p && strncmp(p, name, sizeof name - 1) != 0) {
        p = strchr(p, '&');
        if (p)
            p++;
    }
    if (!p)
        return NULL;
    p += sizeof name - 1;
    return arena_strndup(
        a, p, strnlen(p, strcspn(p, "&") < CLIENT_KEY_MAX ? strcspn(p, "&") : CLIENT_KEY_MAX));
}

static enum rc refuse(struct reply *rp, int64_t wait_ms, struct err *e) {
    reply_header(rp, "Retry-After",
                 arena_printf(rp->arena, "%lld", (long long)(wait_ms + 999) / 1000));
    return err_set(e, ERR_RATE_LIMITED, "too many requests from this address; try again later");
}

enum rc limit_check(struct limits *limits, const struct config *config, const struct request *rq,
                    struct reply *rp, struct err *e) {
    const char *address = limits_address(rq->arena, rq->remote_addr), *client_id;
    struct timespec now;
    int64_t now_ms, wait_ms;

    if (!address) /* a web server that says nothing of it; all would share one share */
        return OK;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    now_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    if (config->rate_limit_address) {
        wait_ms = limits_take(limits, address, config->rate_limit_address, now_ms);
        if (wait_ms)
            return refuse(rp, wait_ms, e);
    }
    client_id = config->rate_limit_client ? client_id_of(rq->arena, rq) : NULL;
    if (client_id) {
        wait_ms = limits_take(limits, arena_printf(rq->arena, "%s %s", address, client_id),
                              config->rate_limit_client, now_ms);
        if (wait_ms)
            return refuse(rp, wait_ms, e);
    }
    return OK;
}
