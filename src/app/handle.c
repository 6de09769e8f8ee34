/* Private part of app.h: one request, and the process that watches tasks. */
#include "app/app.h"

#include "app/errors.h"
#include "app/open_sites.h"
#include "app/request_filters.h"
#include "base/url.h"
#include "crypto/seal.h"
#include "exec/task_notifications.h"
#include "metrics/metrics.h"
#include "runner/client.h"
#include "shared/cache.h"
#include "store/stores.h"
#include "store/tasks.h"

#define WATCH_ARENA_MAX 65536

/* The request in the log: always when it failed, otherwise only at debug level, since the web
 * server has an access log of its own. */
static void log_request(const struct exchange *x, enum metric_endpoint endpoint, uint64_t now_us,
                        const struct err *e) {
    const struct request *rq = x->rq;
    const struct reply *rp = x->rp;
    enum log_level level = rp->status >= 500 ? LOG_ERROR : e->code != OK ? LOG_INFO : LOG_DEBUG;

    LOG_AT(level, "request", kv("request", rq->id),
           kv("endpoint", metric_table[METRIC_COUNT].labels[0]->values[endpoint]),
           kv("method", rq->method), kv("path", rq->path), kvn("status", rp->status),
           kvn("ms", (int64_t)now_us / 1000 - rq->started_ms), kv("reason", e->code ? e->text : ""),
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
    return misconfigured(e, "the service does not know its own address: set MCP_SERVER_URI");
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
    if (read == ERR_OVERLOADED)
        return err_set(e, read, "this site has as many requests as it may; try again later");
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

static bool is_login(const struct route *route, const struct reply *rp) {
    return route && route->group == GROUP_TOKEN && !rp->audit.event && rp->audit.outcome &&
           !strcmp(rp->audit.outcome, "issued");
}

/* Of one of several sites. */
static void count_for_site(const struct loaded_site *s, const struct route *route,
                           const struct reply *rp, enum rc code) {
    const bool refused = code == ERR_OVERLOADED || code == ERR_RATE_LIMITED;

    metrics_count(METRIC_SITE_REQUESTS, s->metrics);
    if (refused)
        metrics_count(METRIC_SITE_REFUSED, s->metrics);
    else if (rp->status >= 500)
        metrics_count(METRIC_SITE_ERRORS, s->metrics);
    else if (is_login(route, rp))
        metrics_count(METRIC_SITE_LOGINS, s->metrics);
    metrics_gauge(METRIC_SITE_LAST, s->metrics, (uint64_t)clock_now_s(&s->site.clock));
}

static void record(struct loaded_site *s, const struct route *route, const struct exchange *x,
                   const struct err *e) {
    if (route && is_oauth(route) && s->site.config->audit_events & AUDIT_LOGINS)
        audit_write(&s->audit, route, x, e);
    if (e->code)
        metrics_count(METRIC_DENIALS, e->code);
}

static void handle(struct loaded_site *s, const struct route_match *m, struct exchange *x,
                   enum rc read, uint64_t now_us) {
    const enum metric_endpoint endpoint = metrics_endpoint(m->route ? m->route->group : 0);
    const struct request *rq = x->rq;
    const uint64_t start_us =
        rq->resumed ? (uint64_t)rq->started_ms * 1000 : now_us; /* both monotonic */
    struct reply *rp = x->rp;
    struct err e = {.code = OK};

    if (!m->route && m->cors != CORS_NONE && !strcmp(rq->method, "OPTIONS")) {
        cors_options(x, m->cors, m->allow);
        log_request(x, endpoint, metrics_now_us(), &e);
        return;
    }
    cors_add(x, m->cors); /* first: a handler may send the headers out with a stream */
    if (!answer(m, x, read, &e))
        e.code = OK;
    if (e.code && !rp->streaming) /* otherwise the reply is half out, and can only end */
        error_reply(x, m->style, &e);
    if (rp->parked)
        return;
    record(s, m->route, x, &e);
    now_us = metrics_now_us();
    metrics_request(endpoint, m->route && !read, rp->status, now_us - start_us);
    if (s->site.has_others)
        count_for_site(s, m->route, rp, e.code);
    log_request(x, endpoint, now_us, &e);
}

/* No site answers. */
static void refuse_site(const struct request *rq, struct reply *rp, const struct err *e) {
    struct exchange x = {NULL, rq, rp};

    if (!rp->streaming) /* a parked call that goes on, whose site is no more */
        error_reply(&x, STYLE_OAUTH, e);
    metrics_count(METRIC_DENIALS, e->code);
    metrics_request(metrics_endpoint(0), false, rp->status, 0);
    log_request(&x, metrics_endpoint(0), metrics_now_us(), e);
}

/* At least two: with few workers a site would not have two logins at once. */
static unsigned worker_share(const struct config *c) {
    const unsigned share = config_share(c->site_workers, c->workers_max);

    return share < 2 && !c->site_workers ? 2 : share;
}

enum rc app_admit(const struct app *app, const struct request *rq, struct site_of_request *out,
                  struct err *e) {
    const struct config_site *site;
    size_t i;

    if (site_set_find(app->set, rq, &i, e))
        return e->code;
    site = &app->set->config->all[i];
    out->number = site->number;
    out->workers = worker_share(site->config);
    return OK;
}

void app_handle(struct app *app, const struct request *rq, enum rc read, struct reply *rp) {
    const uint64_t now_us = metrics_now_us();
    struct loaded_site *s;
    struct route_match m;
    struct err e = {.code = OK};
    size_t i;

    if (!site_set_find(app->set, rq, &i, &e) &&
        open_sites_get(app, i, (int64_t)now_us / 1000, &s, ERR_IGNORED))
        (void)err_set(&e, ERR_STORE, "the site cannot be served now"); /* why is in the log */
    if (e.code) {
        refuse_site(rq, rp, &e);
        return;
    }
    m = routes_find(&s->routes, rq);
    if (app->options.limit_ms)
        *app->options.limit_ms = 1000 * route_time_limit_s(m.route);
    log_set_site(s->site.config->site);
    runner_choose(*s->site.config->site ? s->site.config->runner_socket : "");
    handle(s, &m, &(struct exchange){&s->site, rq, rp}, read, now_us);
    runner_choose("");
    log_set_site("");
}

/* ---- the process that watches tasks for the stream holder ---- */

/* What is opened here ends with the process. */
struct watched_site {
    struct site site;
    struct mcp_site mcp;
    bool failed;
};

struct watched_sites {
    const struct site_set *set;
    struct arena *arena;
    struct watched_site *all; /* by the place in the set */
};

static enum rc open_watched(struct watched_sites *w, const struct config *c, struct watched_site *s,
                            struct err *e) {
    static const char *const purposes[] = {"task", NULL};

    s->site = (struct site){.config = c, .mcp = &s->mcp};
    if (seal_keys_load(c->secret_key_file, false, &s->site.seal, e) ||
        cache_open(arena_printf(w->arena, "%s/cache", c->state_dir), c->workers_max, &s->site.clock,
                   &s->site.cache, e))
        return e->code;
    seal_keys_keep(s->site.seal, purposes);
    return task_store_open(
        &(struct store_options){.config = c, .clock = &s->site.clock, .cache = s->site.cache},
        &s->mcp.tasks, e);
}

/* The site of a name, opened when it is first asked for. */
static struct site *find_watched(void *arg, const char *name) {
    struct watched_sites *w = arg;
    const struct config_site *found = config_sites_find(w->set->config, name);
    struct watched_site *s = found ? &w->all[found - w->set->config->all] : NULL;
    struct err e;

    if (s && !s->site.config && !s->failed && open_watched(w, found->config, s, &e)) {
        log_error("task_watcher_failed", kv("site", name), kv("why", e.text),
                  kv("detail", e.detail));
        s->failed = true;
    }
    return s && !s->failed ? &s->site : NULL;
}

void app_watch(const struct site_set *sites, int fd) {
    struct watched_sites w = {.set = sites, .arena = arena_new(WATCH_ARENA_MAX)};

    w.all = xcalloc(sites->config->count, sizeof *w.all);
    task_watcher_run(find_watched, &w, fd);
    for (size_t i = 0; i < sites->config->count; i++) {
        task_store_close(w.all[i].mcp.tasks);
        cache_close(w.all[i].site.cache);
        seal_keys_free(w.all[i].site.seal);
    }
    free(w.all);
    arena_free(w.arena);
}
