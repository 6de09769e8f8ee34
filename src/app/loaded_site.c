#include "app/loaded_site.h"

#include <unistd.h>

#include "access/deny_list.h"
#include "access/revoked.h"
#include "app/loaded_catalog.h"
#include "aws/endpoint.h"
#include "base/problems.h"
#include "config/config.h"
#include "crypto/seal.h"
#include "exec/limits.h"
#include "exec/methods.h"
#include "exec/server_identity.h"
#include "exec/server_services.h"
#include "mcp/stream.h"
#include "net/http.h"
#include "oauth/client_fetch.h"
#include "oauth/clients.h"
#include "pages/page.h"
#include "runner/client.h"
#include "shared/cache.h"
#include "shared/concurrency_limit.h"
#include "shared/daily_counts.h"
#include "shared/marks.h"
#include "shared/rate_limit.h"
#include "store/sessions.h"
#include "store/stores.h"
#include "store/tasks.h"

#define UNREPORTED_MS 1000 /* a change that is older is reported, or not seen */
#define SITE_ARENA_MAX (1 << 20)
#define IDP_SLOW_MS 2000

#define GROUPS_OAUTH (GROUP_AUTHORIZE | GROUP_TOKEN)
#define GROUPS_ALL (GROUPS_OAUTH | GROUP_MCP)

/* ---- what is read from the folders and files that an admin writes: an entry that is wrong is left
 * out, and the rest is loaded ---- */

static void load_deny_list(struct site *site, FILE *problems, unsigned *bad) {
    site->deny = deny_load(site->config->deny_file, clock_now_s(&site->clock), problems, bad);
}

static void load_clients(struct site *site, FILE *problems, unsigned *bad) {
    site->oauth->clients = client_set_load(site->config, problems, bad);
}

static void load_pages(struct site *site, FILE *problems, unsigned *bad) {
    site->oauth->pages = page_set_load(site->config->templates_dir, problems, bad);
}

static const struct loader {
    const char *event; /* logged for each entry that is left out */
    unsigned groups;   /* of ENDPOINTS, which need it */
    /* A configuration in which one of its entries is wrong is refused. A worker that starts later
     * does with what is right. */
    bool must_be_right;
    void (*load)(struct site *site, FILE *problems, unsigned *bad);
} loaders[] = {
    {"deny_line_invalid", GROUPS_ALL, true, load_deny_list},
    {"client_invalid", GROUPS_OAUTH, false, load_clients},
    {"template_invalid", GROUPS_ALL, false, load_pages},
};
#define LOADER_COUNT (sizeof loaders / sizeof *loaders)

/* Reads what the site's ENDPOINTS need, and logs a line for each entry that is left out. */
static void load_all(struct site *site) {
    for (size_t i = 0; i < LOADER_COUNT; i++) {
        struct problems p;
        unsigned bad;

        if (!(loaders[i].groups & site->config->endpoints))
            continue;
        problems_begin(&p);
        loaders[i].load(site, p.f, &bad);
        problems_end(&p, loaders[i].event);
    }
}

static void free_loaded(struct site *site) {
    client_set_free(site->oauth->clients);
    page_set_free(site->oauth->pages);
    deny_free(site->deny);
}

bool loaded_site_check(const struct config *config, FILE *problems, struct app_checked *out) {
    struct oauth_site oauth = {0};
    struct site site = {.config = config, .oauth = &oauth};
    bool right;

    *out = (struct app_checked){0};
    out->catalog = loaded_catalog_check(config, problems, &out->left_out, &right);
    for (size_t i = 0; i < LOADER_COUNT; i++) {
        unsigned bad = 0;

        if (!(loaders[i].groups & config->endpoints))
            continue;
        loaders[i].load(&site, problems, &bad);
        if (loaders[i].must_be_right)
            right = right && !bad;
        else
            out->left_out += bad;
    }
    free_loaded(&site);
    return right;
}

/* ---- opening and closing ---- */

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
    {"consent", GROUP_AUTHORIZE},  {"remembered", GROUP_AUTHORIZE},  {"session", GROUPS_OAUTH},
    {"client", GROUPS_OAUTH},      {"refresh", GROUP_TOKEN},         {"refreshed", GROUP_TOKEN},
    {"mcp-session", GROUP_MCP},    {"mcp-request-state", GROUP_MCP}, {"task", GROUP_MCP},
    {IDENTITY_PURPOSE, GROUP_MCP},
};

/* The keys of the groups that this service has; the file's, from which any could be made, go. */
static enum rc open_keys(struct loaded_site *s, struct err *e) {
    const struct config *c = s->site.config;
    const size_t count = sizeof seal_purposes / sizeof *seal_purposes;
    const char **own = arena_alloc(s->arena, (count + 1) * sizeof *own);

    if (seal_keys_load(c->secret_key_file, c->makes_secret_key, &s->site.seal, e))
        return e->code;
    for (size_t i = 0, n = 0; i < count; i++)
        if (seal_purposes[i].groups & c->endpoints)
            own[n++] = seal_purposes[i].purpose;
    seal_keys_keep(s->site.seal, own);
    return OK;
}

static const char *state_file(struct loaded_site *s, const char *name) {
    return arena_printf(s->arena, "%s/%s", s->site.config->state_dir, name);
}

/* Both services of OAuth need what is known of clients: /token for private_key_jwt. */
static enum rc open_oauth(struct loaded_site *s, struct err *e) {
    const struct http_options guarded = document_http_options(s->site.config);

    if (session_store_open(&(struct store_options){s->site.config, &s->site.clock, s->site.cache,
                                                   s->idp.http, true},
                           &s->oauth.sessions, e) ||
        http_client_new(&guarded, &s->oauth.guarded, e))
        return e->code;
    if (s->site.config->endpoints & GROUP_TOKEN)
        log_if(marks_open(state_file(s, "cache/codes"), &s->oauth.codes, e), e);
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
static void open_tokens(struct loaded_site *s) {
    const struct config *c = s->site.config;
    const struct concurrency_options limit = concurrency_of_service(c->workers_max, IDP_SLOW_MS);
    struct err e;

    open_revoked(s);
    idp_open(&s->idp, s->site.cache);
    if (c->endpoints & GROUP_TOKEN)
        log_if(concurrency_limit_open(state_file(s, "cache/idp-calls"), &limit, &s->idp.limit, &e),
               &e);
}

/* Each group opens only what it needs, so that a service of one group can be given less. */
enum rc loaded_site_open(struct loaded_site *s, struct err *e) {
    const struct config *c = s->site.config;
    const struct http_options options =
        aws_http_options(c->https_proxy_upstream, c->no_proxy_upstream);

    if (c->endpoints & GROUPS_ALL &&
        (open_keys(s, e) || http_client_new(&options, &s->idp.http, e)))
        return e->code;
    if (c->endpoints & GROUPS_ALL) {
        log_if(rate_limits_open(state_file(s, "limits"), &s->site.limits, e), e);
        log_if(
            cache_open(state_file(s, "cache"), c->workers_max, &s->site.clock, &s->site.cache, e),
            e);
    }
    if (audit_is_written(c) && audit_open(c->audit_log, &s->audit, e))
        return e->code;
    if (c->endpoints & GROUPS_OAUTH && open_oauth(s, e))
        return e->code;
    if (c->endpoints & (GROUP_TOKEN | GROUP_MCP))
        open_tokens(s);
    if (c->endpoints & GROUP_MCP) {
        s->site.quotas = daily_counts_new(state_file(s, QUOTAS_FOLDER));
        if (task_store_open(
                &(struct store_options){c, &s->site.clock, s->site.cache, s->idp.http, true},
                &s->mcp.tasks, e))
            return e->code;
    }
    load_all(&s->site);
    if (!s->mcp.catalog)
        s->mcp.catalog = app_catalog_load(c);
    return OK;
}

void loaded_site_init(struct loaded_site *s, const struct config_site *site,
                      struct catalog *catalog) {
    const struct config *config = site->config;

    *s = (struct loaded_site){.shared_catalog = catalog,
                              .metrics = site->metrics,
                              .site = {.config = config,
                                       .has_others = site->has_others,
                                       .idp = &s->idp,
                                       .oauth = &s->oauth,
                                       .mcp = &s->mcp},
                              .idp = {.config = config,
                                      .clock = &s->site.clock,
                                      .needs_audience = config_site_needs_audience(site)},
                              .mcp = {.service = &exec_service,
                                      .catalog = catalog,
                                      .audit = audit_of_calls(&s->audit, config)},
                              .arena = arena_new(SITE_ARENA_MAX),
                              .audit.out.fd = -1};
    routes_init(&s->routes, s->arena, config);
}

void loaded_site_close(struct loaded_site *s) {
    free_loaded(&s->site);
    if (s->mcp.catalog != s->shared_catalog)
        catalog_free(s->mcp.catalog);
    rate_limits_close(s->site.limits);
    daily_counts_free(s->site.quotas);
    revoked_close(s->site.revoked);
    output_close(&s->audit.out);
    idp_close(&s->idp);
    task_store_close(s->mcp.tasks);
    session_store_close(s->oauth.sessions);
    marks_close(s->oauth.codes);
    cache_close(s->site.cache);
    concurrency_limit_close(s->idp.limit);
    http_client_free(s->idp.http);
    http_client_free(s->oauth.guarded);
    seal_keys_free(s->site.seal);
    arena_free(s->arena);
}

void loaded_site_update_catalog(struct loaded_site *s, const char *path, int64_t at_ms) {
    if (s->mcp.catalog)
        app_catalog_update(s->mcp.catalog, path, at_ms, s->shared_catalog);
}

void loaded_site_upkeep(struct loaded_site *s) {
    const struct site *site = &s->site;

    /* The stream holder reports a change soon; this is for one that it cannot see. */
    loaded_site_update_catalog(s, NULL, clock_realtime_ms() - UNREPORTED_MS);
    if (s->oauth.sessions)
        session_store_sweep(s->oauth.sessions);
    if (s->mcp.catalog && site->seal) {
        runner_choose(*site->config->site ? site->config->runner_socket : "");
        server_services_renew(&s->site);
        runner_choose("");
    }
    if (site->cache) {
        replay_sweep(&s->site);
        cache_sweep(site->cache);
    }
}
