#include "app/loaders.h"

#include <unistd.h>

#include "access/deny_list.h"
#include "catalog/catalog.h"
#include "config/config.h"
#include "exec/executors.h"
#include "mcp/call.h"
#include "oauth/client_set.h"
#include "oauth/site.h"
#include "pages/page.h"

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
    {"deny_line_left_out", GROUP_AUTHORIZE | GROUP_TOKEN | GROUP_MCP, true, load_deny_list},
    {"client_left_out", GROUP_AUTHORIZE | GROUP_TOKEN, false, load_clients},
    {"template_left_out", GROUP_AUTHORIZE | GROUP_TOKEN, false, load_pages},
};
#define LOADER_COUNT (sizeof loaders / sizeof *loaders)

/* What a loader says of the entries that it leaves out. */
struct problems {
    FILE *f;
    char *text;
    size_t len;
};

static void problems_begin(struct problems *p) {
    p->f = open_memstream(&p->text, &p->len);
    if (p->f)
        return;
    log_error("out_of_memory", kv("what", "stream"));
    _exit(EXIT_OUT_OF_MEMORY);
}

static void problems_log(struct problems *p, const char *event) {
    char *save = NULL;

    (void)fclose(p->f);
    for (char *line = strtok_r(p->text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
        log_warn(event, kv("problem", line));
    free(p->text);
}

void loaders_run(struct site *site) {
    for (size_t i = 0; i < LOADER_COUNT; i++) {
        struct problems p;
        unsigned bad;

        if (!(loaders[i].groups & site->config->endpoints))
            continue;
        problems_begin(&p);
        loaders[i].load(site, p.f, &bad);
        problems_log(&p, loaders[i].event);
    }
    loaders_run_catalog(site);
}

void loaders_run_catalog(struct site *site) {
    if (!(site->config->endpoints & GROUP_MCP))
        return;
    if (!site->mcp->catalog)
        site->mcp->catalog = catalog_new(site->config, &executor_sources);
    for (enum catalog_kind kind = 0; kind < CATALOG_KINDS; kind++) {
        struct problems p;

        problems_begin(&p);
        (void)catalog_load(site->mcp->catalog, kind, p.f);
        problems_log(&p, catalog_kinds[kind]->left_out);
    }
}

void loaders_free(struct site *site) {
    catalog_free(site->mcp->catalog);
    client_set_free(site->oauth->clients);
    page_set_free(site->oauth->pages);
    deny_free(site->deny);
}

static unsigned check_catalog(const struct config *config, FILE *problems) {
    struct catalog *catalog = catalog_new(config, &executor_sources);
    unsigned bad = 0;

    for (enum catalog_kind kind = 0; kind < CATALOG_KINDS; kind++) {
        bad += catalog_load(catalog, kind, problems);
        catalog_advise(catalog, kind, problems);
    }
    catalog_free(catalog);
    return bad;
}

bool loaders_check(const struct config *config, FILE *problems, unsigned *left_out) {
    struct oauth_site oauth = {0};
    struct mcp_site mcp = {0};
    struct site site = {.config = config, .oauth = &oauth, .mcp = &mcp};
    bool right = true;

    *left_out = config->endpoints & GROUP_MCP ? check_catalog(config, problems) : 0;
    for (size_t i = 0; i < LOADER_COUNT; i++) {
        unsigned bad = 0;

        if (!(loaders[i].groups & config->endpoints))
            continue;
        loaders[i].load(&site, problems, &bad);
        if (loaders[i].must_be_right)
            right = right && !bad;
        else
            *left_out += bad;
    }
    loaders_free(&site);
    return right;
}
