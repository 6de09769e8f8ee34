#include "app/loaded_site.h"

#include "access/revoked.h"
#include "app/loaders.h"
#include "base/base.h"
#include "catalog/catalog.h"
#include "crypto/seal_keys.h"
#include "exec/methods.h"
#include "idp/access_token.h"
#include "idp/idp.h"
#include "mcp/stream.h"
#include "net/http.h"
#include "oauth/client_fetch.h"
#include "shared/cache.h"
#include "shared/concurrency_limit.h"
#include "shared/rate_limit.h"
#include "store/store.h"
#include "store/tasks.h"

#define TOKEN_CACHE_ENTRIES 1024
#define UPKEEP_EVERY_MS 30000
#define SITE_ARENA_MAX (1 << 20)
#define IDP_SLOW_MS 2000

#define GROUPS_OAUTH (GROUP_AUTHORIZE | GROUP_TOKEN)
#define GROUPS_ALL (GROUPS_OAUTH | GROUP_MCP)

/* A file that cannot be opened is tried again when it is used. What needs it is refused until then;
 * the rest is served. */
static void log_if(enum rc failed, const struct err *e) {
    if (failed)
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
static void keep_own_keys(struct loaded_site *s) {
    const size_t count = sizeof seal_purposes / sizeof *seal_purposes;
    const char **own = arena_alloc(s->arena, (count + 1) * sizeof *own);

    for (size_t i = 0, n = 0; i < count; i++)
        if (seal_purposes[i].groups & s->site.config->endpoints)
            own[n++] = seal_purposes[i].purpose;
    seal_keys_keep(s->site.seal, own);
}

static const char *state_file(struct loaded_site *s, const char *name) {
    return arena_printf(s->arena, "%s/%s", s->site.config->state_dir, name);
}

static enum rc open_keys(struct loaded_site *s, struct err *e) {
    const struct config *c = s->site.config;

    if (seal_keys_load(c->secret_key_file, c->makes_secret_key, &s->site.seal, e))
        return e->code;
    keep_own_keys(s);
    return OK;
}

/* Both services of OAuth need what is known of clients: /token for private_key_jwt. */
static enum rc open_oauth(struct loaded_site *s, struct err *e) {
    const struct http_options guarded = document_http_options(s->site.config);
    const struct concurrency_options limit = document_limit(s->site.config);

    if (audit_open(s->site.config->audit_log, &s->audit, e) ||
        stores_open_sessions(&s->stores, s->arena, &s->site, e) ||
        http_client_new(&guarded, &s->oauth.guarded, e))
        return e->code;
    log_if(concurrency_limit_open(state_file(s, "cache/document-fetches"), &limit,
                                  &s->oauth.document_limit, e),
           e);
    return OK;
}

/* A service that gives tokens out and does not take them has the file only if it is named: another
 * service must read it. */
static void open_revoked(struct loaded_site *s) {
    const struct config *c = s->site.config;
    struct err e;

    if (*c->revoked_file || c->endpoints & GROUP_MCP)
        log_if(revoked_open(*c->revoked_file ? c->revoked_file : state_file(s, "revoked"),
                            &s->site.revoked, &e),
               &e);
}

/* What both need who give tokens out and who take them. */
static enum rc open_tokens(struct loaded_site *s, struct err *e) {
    const struct config *c = s->site.config;
    const struct concurrency_options limit = concurrency_of_service(c->workers_max, IDP_SLOW_MS);

    if (http_client_new(&http_options_open, &s->idp.http, e))
        return e->code;
    open_revoked(s);
    idp_open(&s->idp, s->site.cache);
    if (c->endpoints & GROUP_TOKEN)
        log_if(concurrency_limit_open(state_file(s, "cache/idp-calls"), &limit, &s->idp.limit, e),
               e);
    return OK;
}

/* Each group opens only what it needs, so that a service of one group can be given less. */
enum rc loaded_site_open(struct loaded_site *s, struct err *e) {
    const struct config *c = s->site.config;

    if (c->endpoints & GROUPS_ALL && open_keys(s, e))
        return e->code;
    if (c->endpoints & GROUPS_ALL) {
        log_if(rate_limits_open(state_file(s, "limits"), &s->site.limits, e), e);
        log_if(
            cache_open(state_file(s, "cache"), c->workers_max, &s->site.clock, &s->site.cache, e),
            e);
    }
    if (c->endpoints & GROUPS_OAUTH && open_oauth(s, e))
        return e->code;
    if (c->endpoints & (GROUP_TOKEN | GROUP_MCP) && open_tokens(s, e))
        return e->code;
    if (c->endpoints & GROUP_MCP) {
        s->mcp.tokens = token_cache_new(TOKEN_CACHE_ENTRIES);
        if (stores_open_tasks(&s->site, state_file(s, "cache/task-calls"), e))
            return e->code;
    }
    s->catalog_ms = clock_now_s(&s->site.clock) * 1000;
    loaders_run(&s->site);
    s->upkeep_ms = clock_monotonic_ms();
    return OK;
}

void loaded_site_init(struct loaded_site *s, const struct config *config) {
    *s = (struct loaded_site){
        .site = {.config = config, .idp = &s->idp, .oauth = &s->oauth, .mcp = &s->mcp},
        .idp = {.config = config, .clock = &s->site.clock},
        .mcp.service = &exec_service,
        .arena = arena_new(SITE_ARENA_MAX),
        .audit.out.fd = -1};
    routes_init(&s->routes, s->arena, config);
}

void loaded_site_close(struct loaded_site *s) {
    loaders_free(&s->site);
    rate_limits_close(s->site.limits);
    revoked_close(s->site.revoked);
    audit_close(&s->audit);
    token_cache_free(s->mcp.tokens);
    idp_close(&s->idp);
    stores_close(&s->stores, &s->site);
    cache_close(s->site.cache);
    concurrency_limit_close(s->oauth.document_limit);
    concurrency_limit_close(s->idp.limit);
    http_client_free(s->idp.http);
    http_client_free(s->oauth.guarded);
    seal_keys_free(s->site.seal);
    arena_free(s->arena);
}

void loaded_site_refresh(struct loaded_site *s) {
    if (!s->mcp.catalog)
        return;
    s->catalog_ms = clock_now_s(&s->site.clock) * 1000;
    loaders_run_catalog(&s->site);
}

void loaded_site_upkeep(struct loaded_site *s) {
    const struct site *site = &s->site;
    int64_t now_ms = clock_monotonic_ms();

    if (now_ms - s->upkeep_ms < UPKEEP_EVERY_MS)
        return;
    s->upkeep_ms = now_ms;
    /* The stream holder reports a change at once; this is for one that it cannot see. */
    if (s->mcp.catalog && catalog_has_changed(site->config, s->catalog_ms))
        loaded_site_refresh(s);
    if (s->oauth.store)
        store_sweep(s->oauth.store);
    if (site->cache) {
        replay_sweep(&s->site);
        cache_sweep(site->cache);
    }
}
