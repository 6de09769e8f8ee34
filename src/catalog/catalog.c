#include "catalog/catalog.h"

#include "catalog/access_rules.h"

#define SCRATCH_BYTES_MAX ((size_t)64 << 20) /* to check one manifest */

/* ---- the catalog ---- */

const struct catalog_kind_info *const catalog_kinds[CATALOG_SETS] = {
    [CATALOG_TOOLS] = &tool_kind,     [CATALOG_RESOURCES] = &resource_kind,
    [CATALOG_PROMPTS] = &prompt_kind, [CATALOG_SKILLS] = &skill_kind,
    [CATALOG_SERVERS] = &server_kind,
};

struct catalog *catalog_new(const struct config *config, const struct catalog_sources *sources) {
    struct catalog *c = xcalloc(1, sizeof *c);

    c->config = config;
    c->sources = sources;
    return c;
}

void catalog_free(struct catalog *c) {
    for (int kind = 0; c && kind < CATALOG_SETS; kind++)
        catalog_set_free(c->sets[kind]);
    if (c)
        access_rules_free(c->rules);
    free(c);
}

const char *catalog_directory(const struct config *config, enum catalog_kind kind) {
    const char *dir;

    memcpy(&dir, (const char *)config + catalog_kinds[kind]->directory, sizeof dir);
    return dir;
}

unsigned catalog_load(struct catalog *c, enum catalog_kind kind, FILE *problems) {
    catalog_set_free(c->sets[kind]);
    c->sets[kind] = catalog_set_new(c, kind);
    return catalog_set_read_changed(c->sets[kind], c, INT64_MAX, problems);
}

void catalog_update(struct catalog *c, enum catalog_kind kind, const char *name, int64_t at_ms,
                    FILE *problems) {
    if (name)
        catalog_set_read(c->sets[kind], c, name, at_ms, problems);
    else
        (void)catalog_set_read_changed(c->sets[kind], c, at_ms, problems);
}

bool catalog_make_ready(struct catalog *c) {
    bool made = false;

    for (int kind = 0; kind < CATALOG_KINDS; kind++)
        for (size_t i = 0; i < CATALOG_LISTS_MAX && catalog_kinds[kind]->lists[i].member; i++)
            made = list_make_first_pages(&c->sets[kind]->lists[i]) || made;
    return made;
}

void catalog_warn(const struct catalog *c, enum catalog_kind kind, FILE *out) {
    const struct catalog_set *set = c->sets[kind];
    const char *dir = catalog_directory(c->config, kind);
    struct arena *a = arena_new(SCRATCH_BYTES_MAX);

    for (size_t i = 0; i < set->file_count; i++) {
        const struct manifest_file *f = set->files[i];
        const char *where = arena_printf(a, "%s/%s", dir, f->name);

        if (f->entry && f->entry->source.kind == &program_source)
            program_warn(f->entry->source.spec, where, out);
        if (f->entry && set->kind->warn)
            set->kind->warn(f->entry, where, a, out);
        arena_reset(a);
    }
    arena_free(a);
}

const struct tool *catalog_tool(const struct catalog *c, const char *name) {
    return (const struct tool *)catalog_set_find(c->sets[CATALOG_TOOLS], name);
}

const struct prompt *catalog_prompt(const struct catalog *c, const char *name) {
    return (const struct prompt *)catalog_set_find(c->sets[CATALOG_PROMPTS], name);
}
