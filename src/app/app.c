#include "app/app.h"

#include "app/errors.h"
#include "app/loaded_site.h"
#include "app/request_filters.h"
#include "base/url.h"
#include "metrics/metrics.h"

struct app {
    struct loaded_site site;
};

enum rc app_new(const struct config *config, struct app **out, struct err *e) {
    struct app *app = xcalloc(1, sizeof *app);

    *out = NULL;
    loaded_site_init(&app->site, config);
    if (loaded_site_open(&app->site, e)) {
        app_free(app);
        return e->code;
    }
    *out = app;
    return OK;
}

void app_free(struct app *app) {
    if (!app)
        return;
    loaded_site_close(&app->site);
    free(app);
}

static const char *const endpoint_names[ENDPOINTS] = {"authorize", "token", "metadata", "mcp",
                                                      "other"};

/* The request in the log: always when it failed, otherwise only at debug level, since the web
 * server has an access log of its own. */
static void log_request(const struct request *rq, enum metric_endpoint endpoint,
                        const struct reply *rp, const struct err *e) {
    enum log_level level = rp->status >= 500 ? LOG_ERROR : e->code != OK ? LOG_INFO : LOG_DEBUG;

    LOG_AT(level, "request", kv("request", rq->id), kv("endpoint", endpoint_names[endpoint]),
           kv("method", rq->method), kv("path", rq->path), kvn("status", rp->status),
           kvn("ms", clock_monotonic_ms() - rq->started_ms), kv("reason", e->code ? e->text : ""),
           kv("detail", e->code ? e->detail : ""), kv("address", rq->remote_addr));
}

/* What has limits and an audit log. */
static bool is_oauth(const struct route *route) {
    return route->group == GROUP_AUTHORIZE || route->group == GROUP_TOKEN;
}

/* *out is the configuration with our address in it: `c` itself, or a copy in the request's arena
 * where MCP_SERVER_URI does not say it. The name is the one that the web server has, or takes from
 * the request (RFC 3875 §4.1.14). TLS may end before it, so its own scheme and port say nothing of
 * those outside, but on loopback. */
static enum rc own_address(const struct config *c, const struct request *rq,
                           const struct config **out, struct err *e) {
    const char *name = request_param(rq, "SERVER_NAME"), *port = request_param(rq, "SERVER_PORT");
    const struct url u = {.host = name};

    *out = c;
    if (*c->mcp_server_uri)
        return OK;
    if (name && *name)
        *out = config_at(c, rq->arena,
                         url_is_loopback(&u) && port
                             ? arena_printf(rq->arena, "http://%s:%s", name, port)
                             : arena_printf(rq->arena, "https://%s", name));
    if (*out && *out != c)
        return OK;
    *out = c;
    return err_set(e, ERR_MISCONFIGURED,
                   "the service does not know its own address: set MCP_SERVER_URI");
}

static enum rc call_handler(const struct route *route, struct exchange *x, struct err *e) {
    const struct config *config;
    struct site here;

    if (own_address(x->site->config, x->rq, &config, e))
        return e->code;
    if (config == x->site->config)
        return route->handler(x, e);
    here = *x->site;
    here.config = config;
    return route->handler(&(struct exchange){&here, x->rq, x->rp}, e);
}

static enum rc refuse_unread(enum rc read, const struct config *config, struct err *e) {
    if (read == ERR_INVALID_REQUEST)
        return err_set(e, read, "a header came twice, once with an underscore in its name");
    return err_set(e, ERR_TOO_LARGE, "the body is longer than %u bytes", config->max_body_bytes);
}

static enum rc refuse_path(const struct route_match *m, struct reply *rp, struct err *e) {
    if (!m->allow)
        return err_set(e, ERR_NOT_FOUND, "there is nothing at this address");
    reply_header(rp, "Allow", m->allow);
    return err_set(e, ERR_METHOD_NOT_ALLOWED, "this address answers %s only", m->allow);
}

/* Fills the reply, or fails. OAuth's limits come before anything is done for a request; the MCP
 * endpoint asks for a token first, and has its own limits. */
static enum rc answer(const struct route_match *m, struct exchange *x, enum rc read,
                      struct err *e) {
    if (!m->route)
        return refuse_path(m, x->rp, e);
    if (is_oauth(m->route) && rate_limit_check(x, e))
        return e->code;
    if (read)
        return refuse_unread(read, x->site->config, e);
    if (is_oauth(m->route) && reply_check_coding(x->rp, x->rq, e))
        return e->code;
    return call_handler(m->route, x, e);
}

static void record(struct app *app, const struct route *route, const struct exchange *x,
                   const struct err *e) {
    if (route && is_oauth(route))
        audit_write(&app->site.audit, route, x, e);
    if (e->code)
        metrics_count(METRIC_DENIALS, e->code);
}

void app_handle(struct app *app, const struct request *rq, enum rc read, struct reply *rp) {
    const struct route_match m = routes_find(&app->site.routes, rq);
    const enum metric_endpoint endpoint = metrics_endpoint(m.route ? m.route->group : 0);
    const uint64_t start_us = metrics_now_us();
    struct exchange x = {&app->site.site, rq, rp};
    struct err e = {.code = OK};

    if (!m.route && m.cors != CORS_NONE && !strcmp(rq->method, "OPTIONS")) {
        cors_options(&x, m.cors, m.allow);
        log_request(rq, endpoint, rp, &e);
        return;
    }
    cors_add(&x, m.cors); /* first: a handler may send the headers out with a stream */
    if (!answer(&m, &x, read, &e))
        e.code = OK;
    if (e.code && !rp->streaming) /* otherwise the reply is half out, and can only end */
        error_reply(&x, m.style, &e);
    record(app, m.route, &x, &e);
    metrics_request(endpoint, m.route && !read, rp->status, metrics_now_us() - start_us);
    log_request(rq, endpoint, rp, &e);
}

int app_time_limit_s(const struct app *app, const struct request *rq) {
    return routes_time_limit_s(&app->site.routes, rq->path);
}

void app_refresh(struct app *app) {
    loaded_site_refresh(&app->site);
}

void app_upkeep(struct app *app) {
    loaded_site_upkeep(&app->site);
}
