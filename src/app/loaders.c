#include "app/loaders.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "access/deny_list.h"
#include "base/log.h"
#include "catalog/prompts.h"
#include "catalog/resources.h"
#include "catalog/tools.h"
#include "config/config.h"
#include "mcp/site.h"
#include "oauth/oauth.h"
#include "oauth/site.h"
#include "pages/page.h"

static void load_deny_list(struct site *site, FILE *problems, unsigned *bad) {
    site->deny = deny_load(site->config->deny_file, clock_now_s(&site->clock), problems, bad);
}

static void load_tools(struct site *site, FILE *problems, unsigned *bad) {
    tool_set_free(site->mcp->tools);
    site->mcp->tools = tool_set_load(site->config, problems, bad);
}

static void load_resources(struct site *site, FILE *problems, unsigned *bad) {
    resource_set_free(site->mcp->resources);
    site->mcp->resources = resource_set_load(site->config, problems, bad);
}

static void load_prompts(struct site *site, FILE *problems, unsigned *bad) {
    prompt_set_free(site->mcp->prompts);
    site->mcp->prompts = prompt_set_load(site->config, problems, bad);
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
    bool is_catalog;   /* read again when its folder has changed */
    /* A configuration in which one of its entries is wrong is refused. A worker that starts later
     * does with what is right. */
    bool must_be_right;
    void (*load)(struct site *site, FILE *problems, unsigned *bad);
} loaders[] = {
    {"deny_line_left_out", GROUP_AUTHORIZE | GROUP_TOKEN | GROUP_MCP, false, true, load_deny_list},
    {"tool_left_out", GROUP_MCP, true, false, load_tools},
    {"resource_left_out", GROUP_MCP, true, false, load_resources},
    {"prompt_left_out", GROUP_MCP, true, false, load_prompts},
    {"client_left_out", GROUP_AUTHORIZE | GROUP_TOKEN, false, false, load_clients},
    {"template_left_out", GROUP_AUTHORIZE | GROUP_TOKEN, false, false, load_pages},
};
#define LOADER_COUNT (sizeof loaders / sizeof *loaders)

static void run_and_log(const struct loader *l, struct site *site) {
    char *text, *save = NULL;
    unsigned bad;
    size_t len;
    FILE *problems = open_memstream(&text, &len);

    if (!problems) {
        log_error("out_of_memory", kv("what", "stream"));
        _exit(EXIT_OUT_OF_MEMORY);
    }
    l->load(site, problems, &bad);
    (void)fclose(problems);
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
        log_warn(l->event, kv("problem", line));
    free(text);
}

static void run(struct site *site, bool catalog_only) {
    for (size_t i = 0; i < LOADER_COUNT; i++)
        if (loaders[i].groups & site->config->endpoints && (loaders[i].is_catalog || !catalog_only))
            run_and_log(&loaders[i], site);
}

void loaders_run(struct site *site) {
    run(site, false);
}

void loaders_run_catalog(struct site *site) {
    run(site, true);
}

void loaders_free(struct site *site) {
    tool_set_free(site->mcp->tools);
    resource_set_free(site->mcp->resources);
    prompt_set_free(site->mcp->prompts);
    client_set_free(site->oauth->clients);
    page_set_free(site->oauth->pages);
    deny_free(site->deny);
}

bool loaders_check(const struct config *config, FILE *problems, unsigned *left_out) {
    struct oauth_site oauth = {0};
    struct mcp_site mcp = {0};
    struct site site = {.config = config, .oauth = &oauth, .mcp = &mcp};
    bool right = true;

    *left_out = 0;
    for (size_t i = 0; i < LOADER_COUNT; i++) {
        unsigned bad = 0;

        if (!(loaders[i].groups & config->endpoints))
            continue;
        loaders[i].load(&site, problems, &bad);
        if (loaders[i].load == load_tools)
            tool_set_advise(mcp.tools, config->tools_dir, problems);
        if (loaders[i].must_be_right)
            right = right && !bad;
        else
            *left_out += bad;
    }
    loaders_free(&site);
    return right;
}
