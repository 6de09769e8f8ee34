#include "app/app.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/errors.h"
#include "app/routes.h"
#include "base/log.h"
#include "cognito/cognito.h"
#include "crypto/crypto.h"
#include "host/host.h"
#include "mcp/mcp.h"
#include "net/http.h"
#include "oauth/oauth.h"
#include "store/store.h"

#define TOKEN_CACHE_ENTRIES 1024
#define UPKEEP_EVERY_MS 30000
#define APP_ARENA_MAX (1 << 20)

struct app {
    struct context cx;
    struct arena *arena;
    struct routes routes;
    struct seal_keys *seal;
    struct tool_set *tools;
    struct resource_set *resources;
    struct prompt_set *prompts;
    struct client_set *clients;
    int64_t upkeep_ms; /* when it was last done */
};

static const struct http_options open_options = {0, "", ""};

static struct http_options guarded_options(const struct config *c) {
    return (struct http_options){1, c->client_metadata_allow_nets, c->client_metadata_ca_file};
}

/* What was left out is logged; it never stops the rest. */
static void log_problems(const char *event, char *text) {
    char *save = NULL;

    for (char *l = text ? strtok_r(text, "\n", &save) : NULL; l; l = strtok_r(NULL, "\n", &save))
        log_warn(event, kv("problem", l));
    free(text);
}

static FILE *open_text(char **text, size_t *len) {
    FILE *f = open_memstream(text, len);

    if (!f) {
        log_error("out_of_memory", kv("what", "stream"));
        _exit(70);
    }
    return f;
}

static void load_tools(struct app *app, const struct config *config) {
    char *text = NULL;
    size_t len;
    unsigned bad;
    FILE *f = open_text(&text, &len);

    app->cx.tools = app->tools = tool_set_load(config, f, &bad);
    (void)fclose(f);
    log_problems("tool_left_out", text);
    f = open_text(&text, &len);
    app->cx.resources = app->resources = resource_set_load(config, f, &bad);
    (void)fclose(f);
    log_problems("resource_left_out", text);
    f = open_text(&text, &len);
    app->cx.prompts = app->prompts = prompt_set_load(config, f, &bad);
    (void)fclose(f);
    log_problems("prompt_left_out", text);
}

static void load_clients(struct app *app, const struct config *config) {
    char *text = NULL;
    size_t len;
    unsigned bad;
    FILE *f = open_text(&text, &len);

    app->cx.clients = app->clients = client_set_load(config, f, &bad);
    (void)fclose(f);
    log_problems("client_left_out", text);
}

/* Each group opens only what it needs, so that a service of one group can be given less. */
static enum rc open_parts(struct app *app, const struct config *c, struct err *e) {
    const struct http_options guarded = guarded_options(c);
    struct context *cx = &app->cx;
    struct arena *a = app->arena;

    if (access(c->state_dir, W_OK | X_OK) && c->endpoints != GROUP_METADATA)
        return err_set(e, ERR_MISCONFIGURED,
                       "STATE_DIR %s must be a folder that the service's user can write",
                       c->state_dir);
    if (c->endpoints & (GROUP_AUTHORIZE | GROUP_TOKEN | GROUP_MCP)) {
        if (seal_keys_load(c->secret_key_file, true, &app->seal, e))
            return e->code;
        cx->seal = app->seal;
    }
    if (c->endpoints & (GROUP_AUTHORIZE | GROUP_TOKEN) &&
        store_lmdb_open(arena_printf(a, "%s/sessions", c->state_dir), &cx->store, e))
        return e->code;
    if (c->endpoints & GROUP_AUTHORIZE) {
        if (http_client_new(&guarded, &cx->guarded, e))
            return e->code;
        load_clients(app, c);
    }
    if (c->endpoints & (GROUP_TOKEN | GROUP_MCP) && http_client_new(&open_options, &cx->http, e))
        return e->code;
    if (c->endpoints & GROUP_MCP) {
        if (host_cache_open(arena_printf(a, "%s/cache", c->state_dir), &cx->host, e))
            return e->code;
        cx->keyset = keyset_new(c, cx->http, cx->host, &cx->clock);
        cx->tokens = token_cache_new(TOKEN_CACHE_ENTRIES);
        load_tools(app, c);
    }
    return OK;
}

enum rc app_new(const struct config *config, struct app **out, struct err *e) {
    struct app *app = xcalloc(1, sizeof *app);

    *out = NULL;
    app->arena = arena_new(APP_ARENA_MAX);
    app->cx.config = config;
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
    token_cache_free(app->cx.tokens);
    keyset_free(app->cx.keyset);
    host_cache_close(app->cx.host);
    store_close(app->cx.store);
    http_client_free(app->cx.http);
    http_client_free(app->cx.guarded);
    seal_keys_free(app->seal);
    arena_free(app->arena);
    free(app);
}

/* The request in the log: always when it failed, otherwise only at debug level, since the web
 * server has an access log of its own. */
static void log_request(const struct request *rq, const struct reply *rp, const struct err *e) {
    enum log_level level = rp->status >= 500 ? LOG_ERROR : e->code != OK ? LOG_INFO : LOG_DEBUG;

    LOG_AT(level, "request", kv("request", rq->id), kv("method", rq->method), kv("path", rq->path),
           kvn("status", rp->status), kvn("ms", clock_monotonic_ms() - rq->started_ms),
           kv("reason", e->code ? e->text : ""), kv("detail", e->code ? e->detail : ""),
           kv("address", rq->remote_addr));
}

void app_handle(struct app *app, const struct request *rq, enum rc read, struct reply *rp) {
    struct err e = {.code = OK};
    enum error_style style;
    const char *allow;
    const struct route *route =
        routes_find(&app->routes, rq->arena, rq->method, rq->path, &allow, &style);

    if (route)
        style = route->style;
    if (!route && allow) {
        (void)err_set(&e, ERR_METHOD_NOT_ALLOWED, "this address answers %s only", allow);
        reply_header(rp, "Allow", allow);
    } else if (!route) {
        (void)err_set(&e, ERR_NOT_FOUND, "there is nothing at this address");
    } else if (read) {
        (void)err_set(&e, ERR_TOO_LARGE, "the body is longer than %zu bytes",
                      app->cx.config->max_body_bytes);
    } else if (!route->handler(&app->cx, rq, rp, &e)) {
        e.code = OK;
    }
    if (e.code && !rp->streaming) /* otherwise the reply is half out, and can only end */
        error_reply(rp, rq, style, &e);
    log_request(rq, rp, &e);
}

void app_refresh(struct app *app) {
    if (!app->cx.tools)
        return;
    tool_set_free(app->tools);
    resource_set_free(app->resources);
    prompt_set_free(app->prompts);
    load_tools(app, app->cx.config);
}

void app_upkeep(struct app *app) {
    int64_t now_ms = clock_monotonic_ms();

    if (now_ms - app->upkeep_ms < UPKEEP_EVERY_MS)
        return;
    app->upkeep_ms = now_ms;
    if (app->cx.store)
        store_sweep(app->cx.store, clock_now_s(&app->cx.clock));
    if (app->cx.host)
        mcp_sweep(&app->cx);
}

bool app_check(const struct config *config, FILE *problems) {
    const struct http_options guarded = guarded_options(config);
    struct seal_keys *keys = NULL;
    unsigned bad;
    struct err e;
    bool good = true;

    if (http_options_check(&guarded, &e)) {
        (void)fprintf(problems, "CLIENT_METADATA_…: %s\n", e.text);
        good = false;
    }
    if (!access(config->secret_key_file, F_OK) &&
        seal_keys_load(config->secret_key_file, false, &keys, &e)) {
        (void)fprintf(problems, "SECRET_KEY_FILE: %s\n", e.text);
        good = false;
    }
    seal_keys_free(keys);
    tool_set_free(tool_set_load(config, problems, &bad));
    resource_set_free(resource_set_load(config, problems, &bad));
    prompt_set_free(prompt_set_load(config, problems, &bad));
    client_set_free(client_set_load(config, problems, &bad));
    return good;
}
