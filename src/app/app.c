#include "app/app.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "access/deny_list.h"
#include "access/revoked.h"
#include "app/audit.h"
#include "app/cors.h"
#include "app/errors.h"
#include "app/outputs.h"
#include "app/own_address.h"
#include "app/rate_limit_filter.h"
#include "app/routes.h"
#include "app/stores.h"
#include "base/log.h"
#include "catalog/prompts.h"
#include "catalog/resources.h"
#include "catalog/tools.h"
#include "crypto/crypto.h"
#include "idp/idp.h"
#include "mcp/changed_since.h"
#include "mcp/mcp.h"
#include "mcp/replay.h"
#include "mcp/site.h"
#include "metrics/metrics.h"
#include "net/http.h"
#include "oauth/oauth.h"
#include "oauth/site.h"
#include "pages/page.h"
#include "shared/shared.h"
#include "store/store.h"
#include "store/tasks.h"

#define TOKEN_CACHE_ENTRIES 1024
#define UPKEEP_EVERY_MS 30000
#define APP_ARENA_MAX (1 << 20)
#define COGNITO_SLOW_MS 2000

struct app {
    struct site site;
    struct oauth_site oauth;
    struct mcp_site mcp;
    struct arena *arena;
    struct routes routes;
    struct seal_keys *seal;
    struct tool_set *tools;
    struct resource_set *resources;
    struct prompt_set *prompts;
    struct client_set *clients;
    struct stores stores;
    struct page_set *pages;
    struct deny_list *deny;
    struct rate_limits *limits;
    struct revoked *revoked;
    struct audit audit;
    int64_t upkeep_ms;  /* when it was last done */
    int64_t catalog_ms; /* when manifests were last read, in real time */
};

struct http_options app_guarded_options(const struct config *c) {
    return (struct http_options){1, c->client_metadata_allow_nets, c->client_metadata_ca_file,
                                 c->client_metadata_proxy};
}

/* What a loader says of the parts that it leaves out. */
struct problems {
    FILE *f;
    char *text;
    size_t len;
    unsigned bad;
};

static void problems_begin(struct problems *p) {
    p->f = open_memstream(&p->text, &p->len);
    if (!p->f) {
        log_error("out_of_memory", kv("what", "stream"));
        _exit(EXIT_OUT_OF_MEMORY);
    }
}

/* It is logged, a line each; it never stops the rest. */
static void problems_log(struct problems *p, const char *event) {
    char *save = NULL;

    (void)fclose(p->f);
    for (char *l = strtok_r(p->text, "\n", &save); l; l = strtok_r(NULL, "\n", &save))
        log_warn(event, kv("problem", l));
    free(p->text);
}

static void load_tools(struct app *app, const struct config *config) {
    struct problems p;

    app->catalog_ms = clock_now_s(&app->site.clock) * 1000;
    problems_begin(&p);
    app->mcp.tools = app->tools = tool_set_load(config, p.f, &p.bad);
    problems_log(&p, "tool_left_out");
    problems_begin(&p);
    app->mcp.resources = app->resources = resource_set_load(config, p.f, &p.bad);
    problems_log(&p, "resource_left_out");
    problems_begin(&p);
    app->mcp.prompts = app->prompts = prompt_set_load(config, p.f, &p.bad);
    problems_log(&p, "prompt_left_out");
}

static void load_clients(struct app *app, const struct config *config) {
    struct problems p;

    problems_begin(&p);
    app->oauth.clients = app->clients = client_set_load(config, p.f, &p.bad);
    problems_log(&p, "client_left_out");
}

static void load_pages(struct app *app, const struct config *config) {
    struct problems p;

    problems_begin(&p);
    app->oauth.pages = app->pages = page_set_load(config->templates_dir, p.f, &p.bad);
    problems_log(&p, "template_left_out");
}

/* A worker that starts later may find a file with a mistake in it: what is right counts. A reload
 * with one is refused by app_check. */
static void load_deny(struct app *app, const struct config *config) {
    struct problems p;

    problems_begin(&p);
    app->site.deny = app->deny =
        deny_load(config->deny_file, clock_now_s(&app->site.clock), p.f, &p.bad);
    problems_log(&p, "deny_line_left_out");
}

/* What is kept in files is tried again when it is used. Who needs it says no then; the rest is
 * served. */
static void say_unless(enum rc opened, const struct err *e) {
    if (opened)
        log_error("state_unavailable", kv("why", e->text), kv("detail", e->detail));
}

/* What is sealed for what, and by whom it is sealed or opened. */
static const struct {
    const char *purpose;
    unsigned groups;
} seal_purposes[] = {
    {"consent", GROUP_AUTHORIZE},
    {"remembered", GROUP_AUTHORIZE},
    {"session", GROUP_AUTHORIZE | GROUP_TOKEN},
    {"client", GROUP_AUTHORIZE | GROUP_TOKEN},
    {"refresh", GROUP_TOKEN},
    {"refreshed", GROUP_TOKEN},
    {"mcp-session", GROUP_MCP},
    {"mcp-request-state", GROUP_MCP},
    {"task", GROUP_MCP},
};

/* The keys of the groups that this service has; the file's, from which any could be made, go. */
static void keep_own_keys(struct app *app, unsigned groups) {
    const size_t count = sizeof seal_purposes / sizeof *seal_purposes;
    const char **own = arena_alloc(app->arena, (count + 1) * sizeof *own);

    for (size_t i = 0, n = 0; i < count; i++)
        if (seal_purposes[i].groups & groups)
            own[n++] = seal_purposes[i].purpose;
    seal_keys_keep(app->seal, own);
}

/* A service that gives tokens out and does not take them has one only if it is named: another
 * service must read it. */
static void open_revoked(struct app *app, const struct config *c) {
    const char *path =
        *c->revoked_file ? c->revoked_file : arena_printf(app->arena, "%s/revoked", c->state_dir);
    struct err e;

    if (!*c->revoked_file && !(c->endpoints & GROUP_MCP))
        return;
    say_unless(revoked_open(path, &app->revoked, &e), &e);
    app->site.revoked = app->revoked;
}

/* Each group opens only what it needs, so that a service of one group can be given less. */
static enum rc open_parts(struct app *app, const struct config *c, struct err *e) {
    const struct http_options guarded = app_guarded_options(c);
    struct site *site = &app->site;
    struct arena *a = app->arena;

    if (c->endpoints & (GROUP_AUTHORIZE | GROUP_TOKEN | GROUP_MCP)) {
        load_deny(app, c);
        if (seal_keys_load(c->secret_key_file, c->makes_secret_key, &app->seal, e))
            return e->code;
        keep_own_keys(app, c->endpoints);
        site->seal = app->seal;
    }
    if (c->endpoints & (GROUP_AUTHORIZE | GROUP_TOKEN) &&
        (audit_open(c->audit_log, &app->audit, e) ||
         stores_open_sessions(&app->stores, a, site, e)))
        return e->code;
    if (c->endpoints & (GROUP_AUTHORIZE | GROUP_TOKEN | GROUP_MCP)) {
        say_unless(rate_limits_open(arena_printf(a, "%s/limits", c->state_dir), &app->limits, e),
                   e);
        site->limits = app->limits;
    }
    if (c->endpoints != GROUP_METADATA)
        say_unless(cache_open(arena_printf(a, "%s/cache", c->state_dir), c->workers_max,
                              &site->clock, &site->cache, e),
                   e);
    if (c->endpoints & (GROUP_AUTHORIZE | GROUP_TOKEN)) { /* at /token for private_key_jwt */
        if (http_client_new(&guarded, &app->oauth.guarded, e))
            return e->code;
        say_unless(host_slots_open(arena_printf(a, "%s/cache/document-slots", c->state_dir),
                                   &app->oauth.document_slots, e),
                   e);
        load_clients(app, c);
        load_pages(app, c);
    }
    if (c->endpoints & (GROUP_TOKEN | GROUP_MCP)) {
        if (http_client_new(&http_options_open, &app->oauth.http, e))
            return e->code;
        open_revoked(app, c);
        if (*c->cognito_issuer) /* a service that only gives tokens out may not know it */
            site->keyset = keyset_new(c, app->oauth.http, site->cache, &site->clock);
    }
    if (c->endpoints & GROUP_TOKEN)
        say_unless(host_gate_open(arena_printf(a, "%s/cache/cognito-gate", c->state_dir),
                                  COGNITO_SLOW_MS, &app->oauth.idp_gate, e),
                   e);
    if (c->endpoints & GROUP_MCP) {
        app->mcp.tokens = token_cache_new(TOKEN_CACHE_ENTRIES);
        load_tools(app, c);
        return stores_open_tasks(site, arena_printf(a, "%s/cache/task-slots", c->state_dir), e);
    }
    return OK;
}

enum rc app_new(const struct config *config, struct app **out, struct err *e) {
    struct app *app = xcalloc(1, sizeof *app);

    *out = NULL;
    app->arena = arena_new(APP_ARENA_MAX);
    app->site.config = config;
    app->site.oauth = &app->oauth;
    app->site.mcp = &app->mcp;
    routes_init(&app->routes, app->arena, config);
    if (open_parts(app, config, e)) {
        app_free(app);
        return e->code;
    }
    app->upkeep_ms = clock_monotonic_ms();
    *out = app;
    return OK;
}

void app_free(struct app *app) {
    if (!app)
        return;
    tool_set_free(app->tools);
    resource_set_free(app->resources);
    prompt_set_free(app->prompts);
    client_set_free(app->clients);
    page_set_free(app->pages);
    deny_free(app->deny);
    rate_limits_close(app->limits);
    revoked_close(app->revoked);
    audit_close(&app->audit);
    token_cache_free(app->mcp.tokens);
    keyset_free(app->site.keyset);
    stores_close(&app->stores, &app->site);
    cache_close(app->site.cache);
    host_slots_close(app->oauth.document_slots);
    host_gate_close(app->oauth.idp_gate);
    http_client_free(app->oauth.http);
    http_client_free(app->oauth.guarded);
    seal_keys_free(app->seal);
    arena_free(app->arena);
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

static enum rc call_handler(struct app *app, const struct route *route, const struct request *rq,
                            struct reply *rp, struct err *e) {
    struct exchange x = {&app->site, rq, rp};
    const struct config *config;
    struct site here;

    if (own_address(app->site.config, rq, &config, e))
        return e->code;
    if (config != app->site.config) {
        here = app->site;
        here.config = config;
        x.site = &here;
    }
    return route->handler(&x, e);
}

void app_handle(struct app *app, const struct request *rq, enum rc read, struct reply *rp) {
    struct err e = {.code = OK};
    const struct config *config = app->site.config;
    enum error_style style;
    enum cors cors;
    const char *allow;
    const struct route *route =
        routes_find(&app->routes, rq->arena, rq->method, rq->path, &allow, &style, &cors);

    enum metric_endpoint endpoint = metrics_endpoint(route ? route->group : 0);
    uint64_t start_us = metrics_now_us();

    if (route) {
        style = route->style;
        cors = route->cors;
    }
    if (!route && cors != CORS_NONE && !strcmp(rq->method, "OPTIONS")) {
        cors_options(config, cors, allow, rq, rp);
        log_request(rq, endpoint, rp, &e);
        return;
    }
    cors_add(config, cors, rq, rp); /* first: a handler may send the headers out with a stream */
    if (!route && allow) {
        (void)err_set(&e, ERR_METHOD_NOT_ALLOWED, "this address answers %s only", allow);
        reply_header(rp, "Allow", allow);
    } else if (!route) {
        (void)err_set(&e, ERR_NOT_FOUND, "there is nothing at this address");
    } else if (is_oauth(route) && limit_check(app->limits, app->site.config, rq, rp, &e)) {
        /* refused before anything is done for it */
    } else if (read == ERR_INVALID_REQUEST) {
        (void)err_set(&e, read, "a header came twice, once with an underscore in its name");
    } else if (read) {
        (void)err_set(&e, ERR_TOO_LARGE, "the body is longer than %zu bytes",
                      config->max_body_bytes);
    } else if (is_oauth(route) && reply_check_coding(rp, rq, &e)) {
        /* the endpoint of MCP asks for a token first */
    } else if (!call_handler(app, route, rq, rp, &e)) {
        e.code = OK;
    }
    if (e.code && !rp->streaming) /* otherwise the reply is half out, and can only end */
        error_reply(app->oauth.pages, rp, rq, style, &e);
    if (route && is_oauth(route))
        audit_write(&app->audit, route, rq, rp, &e);
    if (e.code)
        metrics_count(METRIC_DENIALS, e.code);
    metrics_request(endpoint, route && !read, rp->status, metrics_now_us() - start_us);
    log_request(rq, endpoint, rp, &e);
}

int app_time_limit_s(const struct app *app, const struct request *rq) {
    return routes_time_limit_s(&app->routes, rq->path);
}

void app_refresh(struct app *app) {
    if (!app->mcp.tools)
        return;
    tool_set_free(app->tools);
    resource_set_free(app->resources);
    prompt_set_free(app->prompts);
    load_tools(app, app->site.config);
}

void app_upkeep(struct app *app) {
    int64_t now_ms = clock_monotonic_ms();

    if (now_ms - app->upkeep_ms < UPKEEP_EVERY_MS)
        return;
    app->upkeep_ms = now_ms;
    /* Whoever watches the folders tells of a change at once; this is for one that it cannot see. */
    if (app->mcp.tools && mcp_manifests_have_changed(app->site.config, app->catalog_ms))
        app_refresh(app);
    if (app->oauth.store)
        store_sweep(app->oauth.store, clock_now_s(&app->site.clock));
    if (app->site.cache) {
        replay_sweep(&app->site);
        cache_sweep(app->site.cache);
    }
}

bool app_make_key(const char *path, FILE *problems) {
    struct seal_keys *keys = NULL;
    struct err e;

    if (seal_keys_load(path, true, &keys, &e)) {
        (void)fprintf(problems, "%s\n", e.detail);
        return false;
    }
    seal_keys_free(keys);
    return true;
}

static unsigned check_tools(const struct config *config, FILE *problems) {
    unsigned bad;
    struct tool_set *tools = tool_set_load(config, problems, &bad);

    tool_set_advise(tools, config->tools_dir, problems);
    tool_set_free(tools);
    return bad;
}

static bool check_key(const struct config *config, FILE *problems) {
    struct seal_keys *keys = NULL;
    struct err e;

    if (config->makes_secret_key && access(config->secret_key_file, F_OK) && errno == ENOENT)
        return true;
    if (seal_keys_load(config->secret_key_file, false, &keys, &e)) {
        (void)fprintf(problems, "SECRET_KEY_FILE: %s\n", e.detail);
        return false;
    }
    seal_keys_free(keys);
    return true;
}

/* What is wrong in the folders is left out. Returns how much. */
static unsigned check_folders(const struct config *c, FILE *problems) {
    unsigned left_out = 0, bad = 0;

    if (c->endpoints & GROUP_MCP) {
        left_out += check_tools(c, problems);
        resource_set_free(resource_set_load(c, problems, &bad));
        left_out += bad;
        prompt_set_free(prompt_set_load(c, problems, &bad));
        left_out += bad;
    }
    if (c->endpoints & (GROUP_AUTHORIZE | GROUP_TOKEN)) {
        client_set_free(client_set_load(c, problems, &bad));
        left_out += bad;
        page_set_free(page_set_load(c->templates_dir, problems, &bad));
        left_out += bad;
    }
    return left_out;
}

/* How client documents are fetched. */
static bool check_fetching(const struct config *c, FILE *problems) {
    const struct http_options nets = {1, c->client_metadata_allow_nets, "", ""};
    const struct http_options ca = {1, "", c->client_metadata_ca_file, ""};
    struct err e;
    bool good = true;

    if (http_options_check(&nets, &e)) {
        (void)fprintf(problems, "CLIENT_METADATA_ALLOW_NETS=%s: %s\n",
                      c->client_metadata_allow_nets, e.text);
        good = false;
    }
    if (http_options_check(&ca, &e)) {
        (void)fprintf(problems, "CLIENT_METADATA_CA_FILE=%s: %s\n", c->client_metadata_ca_file,
                      e.text);
        good = false;
    }
    return good;
}

bool app_check(const struct config *config, FILE *problems, unsigned *left_out) {
    const bool seals = config->endpoints & (GROUP_AUTHORIZE | GROUP_TOKEN | GROUP_MCP);
    unsigned bad = 0;
    bool good;

    good = check_fetching(config, problems);
    good = (!seals || check_key(config, problems)) && good;
    good = stores_check(config, problems) && good;
    good = outputs_check(config, problems) && good;
    if (seals)
        deny_free(deny_load(config->deny_file, clock_now_s(&(struct clock){0}), problems, &bad));
    *left_out = check_folders(config, problems);
    return good && !bad;
}
