#include "app/request_filters.h"

#include "config/config.h"
#include "mcp/bearer_auth.h"
#include "oauth/clients.h"
#include "shared/rate_limit.h"

#define MAX_AGE_S "7200" /* more is cut to this by Chromium */
#define HEADERS_MAX 2048
#define PARAM_PREFIX "mcp-param-" /* MCP 2026-07-28, "Custom headers from tool parameters" */
#define EXPOSED "WWW-Authenticate, Mcp-Session-Id, MCP-Protocol-Version, Retry-After"

/* What a client of the protocol may send. Content-Type and Accept would need no leave for simple
 * values. */
static const char *const headers[] = {
    "authorization",  "content-type", "accept",   "mcp-protocol-version",
    "mcp-session-id", "mcp-method",   "mcp-name", "last-event-id",
};
#define HEADER_COUNT (sizeof headers / sizeof *headers)
/* Who has an IPv6 network has many of the /64 that are counted: of a /48 all together have so many
 * times the share of one. */
#define NETWORK_SHARES 8
#define HEX_OF_64 16 /* as rate_limits_address_key writes them */
#define HEX_OF_48 12

static bool may_send(const char *name, size_t len) {
    if (len > sizeof PARAM_PREFIX - 1 && !strncasecmp(name, PARAM_PREFIX, sizeof PARAM_PREFIX - 1))
        return strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") >=
               len;
    for (size_t i = 0; i < HEADER_COUNT; i++)
        if (strlen(headers[i]) == len && !strncasecmp(name, headers[i], len))
            return true;
    return false;
}

/* Of those asked for the ones we know; all of them if none is named. */
static const char *allowed_headers(const struct request *rq) {
    const char *p = request_header(rq, "access-control-request-headers");
    struct buf b;

    buf_init(&b, rq->arena, HEADERS_MAX);
    for (size_t i = 0; !p && i < HEADER_COUNT; i++)
        buf_addf(&b, "%s%s", b.len ? ", " : "", headers[i]);
    while (p && *(p += strspn(p, " \t,"))) {
        size_t len = strcspn(p, " \t,");

        if (may_send(p, len))
            buf_addf(&b, "%s%.*s", b.len ? ", " : "", (int)len, p);
        p += len;
    }
    return b.p;
}

/* The origin that may read the answer; NULL: none. */
static const char *allowed_origin(const struct exchange *x, enum cors cors) {
    const char *origin = request_header(x->rq, "origin");

    if (cors == CORS_ANY)
        return "*";
    return origin && mcp_origin_is_allowed(x->site->config, origin) ? origin : NULL;
}

void cors_add(struct exchange *x, enum cors cors) {
    const char *origin;

    if (cors == CORS_NONE)
        return;
    origin = allowed_origin(x, cors);
    if (cors == CORS_MCP)
        reply_header(x->rp, "Vary", "Origin");
    if (!origin)
        return;
    reply_header(x->rp, "Access-Control-Allow-Origin", origin);
    reply_header(x->rp, "Access-Control-Expose-Headers", EXPOSED);
}

void cors_options(struct exchange *x, enum cors cors, const char *allow) {
    reply_empty(x->rp, 204);
    reply_header(x->rp, "Allow", allow);
    cors_add(x, cors);
    if (!allowed_origin(x, cors))
        return;
    /* DELETE and GET of the MCP endpoint too: a page should see the 405 that they get. */
    reply_header(x->rp, "Access-Control-Allow-Methods",
                 cors == CORS_MCP ? "GET, POST, DELETE" : allow);
    reply_header(x->rp, "Access-Control-Allow-Headers", allowed_headers(x->rq));
    reply_header(x->rp, "Access-Control-Max-Age", MAX_AGE_S);
}

/* As a field, or by Basic: if by both, they must be the same (oauth/machines.c). NULL also for a
 * form that cannot be read, which is refused for it. */
static const char *client_id_of(struct arena *a, const struct request *rq) {
    const bool in_body = !strcmp(rq->method, "POST");
    struct form form;

    if (form_read(a, in_body ? rq->body : rq->query, in_body ? rq->body_len : strlen(rq->query),
                  &form, ERR_IGNORED))
        return NULL;
    return form_get(&form, "client_id") ? form_get(&form, "client_id") : machine_id(rq);
}

static int64_t take_address(struct rate_limits *limits, struct arena *a, const char *address,
                            unsigned per_minute) {
    const int64_t now_ms = clock_realtime_ms();
    int64_t wait_ms = rate_limits_take(limits, address, per_minute, now_ms);

    if (wait_ms || strlen(address) != HEX_OF_64)
        return wait_ms;
    return rate_limits_take(limits, arena_printf(a, "%.*s/48", HEX_OF_48, address),
                            per_minute * NETWORK_SHARES, now_ms);
}

enum rc rate_limit_check(struct exchange *x, struct err *e) {
    const struct config *config = x->site->config;
    struct arena *a = x->rq->arena;
    const char *address = rate_limits_address_key(a, x->rq->remote_addr), *client_id;
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
