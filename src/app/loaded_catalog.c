#include "app/loaded_catalog.h"

#include "app/app.h"
#include "base/problems.h"
#include "catalog/servers.h"
#include "exec/executor.h"
#include "web/subscription.h"

static bool is_needed(const struct config *config) {
    return config->endpoints & GROUP_MCP;
}

static void update_servers(struct catalog *c, bool quiet) {
    struct problems p;

    problems_begin(&p);
    (void)catalog_servers_update(c, p.f);
    problems_end(&p, quiet ? NULL : tool_kind.invalid_event);
}

static bool update_rules(struct catalog *c, bool quiet) {
    struct problems p;
    bool good;

    problems_begin(&p);
    good = catalog_update_rules(c, p.f);
    problems_end(&p, quiet ? NULL : "access_rule_invalid");
    return good;
}

struct catalog *app_catalog_load(const struct config *config) {
    struct catalog *c = is_needed(config) ? catalog_new(config, &executor_sources) : NULL;

    if (c)
        (void)update_rules(c, false);
    for (enum catalog_kind kind = 0; c && kind < CATALOG_KINDS; kind++) {
        struct problems p;

        problems_begin(&p);
        (void)catalog_load(c, kind, p.f);
        problems_end(&p, catalog_kinds[kind]->invalid_event);
    }
    if (c)
        update_servers(c, false);
    return c;
}

struct catalog *loaded_catalog_check(const struct config *config, FILE *problems,
                                     unsigned *left_out, bool *right) {
    struct catalog *c = is_needed(config) ? catalog_new(config, &executor_sources) : NULL;

    *right = !c || catalog_update_rules(c, problems);
    for (enum catalog_kind kind = 0; c && kind < CATALOG_KINDS; kind++) {
        *left_out += catalog_load(c, kind, problems);
        catalog_warn(c, kind, problems);
    }
    if (c)
        *left_out += catalog_servers_update(c, problems);
    if (c && *right)
        catalog_warn_rules(c, problems);
    return c;
}

/* Is the path that of the kind's directory, or of a file in it? *name: the file's, or NULL. */
static bool concerns(const struct config *config, enum catalog_kind kind, const char *path,
                     const char **name) {
    char dir[SUBSCRIPTION_PATH_MAX];
    size_t len;

    *name = NULL;
    if (!path)
        return true;
    if (!subscription_folder_path(catalog_directory(config, kind), dir))
        return false;
    len = strlen(dir);
    if (strncmp(path, dir, len) != 0 || (path[len] && path[len] != '/'))
        return false;
    *name = path[len] ? path + len + 1 : NULL;
    return !*name || !strchr(*name, '/');
}

/* Is the path in SERVERS_DIR, or in the directory of the servers' lists? */
static bool concerns_servers(const struct config *config, const char *path) {
    char lists[SUBSCRIPTION_PATH_MAX], dir[SUBSCRIPTION_PATH_MAX];
    const char *const dirs[] = {config->servers_dir, lists};

    (void)snprintf(lists, sizeof lists, "%s/servers", config->state_dir);
    for (size_t i = 0; path && i < sizeof dirs / sizeof *dirs; i++)
        if (*dirs[i] && subscription_folder_path(dirs[i], dir) && !strncmp(path, dir, strlen(dir)))
            return true;
    return !path;
}

void app_catalog_update(struct catalog *c, const char *path, int64_t at_ms, bool quiet) {
    for (enum catalog_kind kind = 0; kind < CATALOG_KINDS; kind++) {
        const char *name;
        struct problems p;

        if (!concerns(c->config, kind, path, &name))
            continue;
        problems_begin(&p);
        catalog_update(c, kind, name, at_ms, p.f);
        problems_end(&p, quiet ? NULL : catalog_kinds[kind]->invalid_event);
    }
    if (!path || !strcmp(path, c->config->access_file))
        (void)update_rules(c, quiet);
    if (concerns_servers(c->config, path))
        update_servers(c, quiet);
}

void app_catalog_share(struct catalog *c) {
    size_t kept = 0;

    if (c && catalog_make_ready(c))
        memory_trim(true, &kept); /* what is free here would be copied in each worker */
}

void app_catalog_free(struct catalog *c) {
    catalog_free(c);
}
