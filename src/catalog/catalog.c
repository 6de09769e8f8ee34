#include "catalog/catalog.h"

#include <stdlib.h>

#include "base/file.h"

const struct catalog_kind_info *const catalog_kinds[CATALOG_KINDS] = {
    [CATALOG_TOOLS] = &tool_kind,
    [CATALOG_RESOURCES] = &resource_kind,
    [CATALOG_PROMPTS] = &prompt_kind,
};

struct catalog *catalog_new(const struct config *config, const struct catalog_sources *sources) {
    struct catalog *c = xcalloc(1, sizeof *c);

    c->config = config;
    c->sources = sources;
    return c;
}

void catalog_free(struct catalog *c) {
    for (int kind = 0; c && kind < CATALOG_KINDS; kind++)
        catalog_set_free(c->sets[kind]);
    free(c);
}

const char *catalog_directory(const struct config *config, enum catalog_kind kind) {
    return catalog_kind_directory(catalog_kinds[kind], config);
}

bool catalog_has_changed(const struct config *config, int64_t since_ms) {
    for (enum catalog_kind kind = 0; kind < CATALOG_KINDS; kind++)
        if (folder_has_changed(catalog_directory(config, kind), since_ms))
            return true;
    return false;
}

unsigned catalog_load(struct catalog *c, enum catalog_kind kind, FILE *problems) {
    unsigned bad;

    catalog_set_free(c->sets[kind]);
    c->sets[kind] = catalog_set_load(catalog_kinds[kind], c->config, c->sources, problems, &bad);
    return bad;
}

void catalog_advise(const struct catalog *c, enum catalog_kind kind, FILE *out) {
    catalog_set_advise(c->sets[kind], catalog_directory(c->config, kind), out);
}

const struct tool *catalog_tool(const struct catalog *c, const char *name) {
    return (const struct tool *)catalog_set_find(c->sets[CATALOG_TOOLS], name);
}

const struct prompt *catalog_prompt(const struct catalog *c, const char *name) {
    return (const struct prompt *)catalog_set_find(c->sets[CATALOG_PROMPTS], name);
}

const struct resource *catalog_resource(const struct catalog *c, struct arena *a, const char *uri,
                                        struct json **variables) {
    return resource_find(c->sets[CATALOG_RESOURCES], a, uri, variables);
}

const struct resource *catalog_template(const struct catalog *c, const char *uri_template) {
    return resource_template_find(c->sets[CATALOG_RESOURCES], uri_template);
}

const struct list *catalog_list(const struct catalog *c, enum catalog_kind kind, size_t which) {
    return &c->sets[kind]->lists[which];
}
