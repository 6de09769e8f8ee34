/* The catalog: all tools, resources and prompts of a site. It is loaded, and then only read. */
#pragma once

#include "catalog/prompts.h"
#include "catalog/resources.h"
#include "catalog/set.h"
#include "catalog/tools.h"

enum catalog_kind { CATALOG_TOOLS, CATALOG_RESOURCES, CATALOG_PROMPTS, CATALOG_KINDS };

extern const struct catalog_kind_info *const catalog_kinds[CATALOG_KINDS];

struct catalog {
    const struct config *config;
    const struct catalog_sources *sources;
    struct catalog_set *sets[CATALOG_KINDS]; /* NULL: not loaded */
};

/* Empty. The catalog keeps both pointers. Never NULL. */
struct catalog *catalog_new(const struct config *config, const struct catalog_sources *sources);
void catalog_free(struct catalog *c); /* NULL is accepted */
/* Reads all manifests of one kind, and replaces what was loaded before. Returns how many are left
 * out, with a line to `problems` for each. */
unsigned catalog_load(struct catalog *c, enum catalog_kind kind, FILE *problems);
const char *catalog_directory(const struct config *config, enum catalog_kind kind);
/* Has a manifest of any kind changed since then, in ms of real time? */
bool catalog_has_changed(const struct config *config, int64_t since_ms);
/* Writes a line for each valid entry that widely used clients refuse. */
void catalog_advise(const struct catalog *c, enum catalog_kind kind, FILE *out);

/* Each is NULL if there is none. */
const struct tool *catalog_tool(const struct catalog *c, const char *name);
const struct prompt *catalog_prompt(const struct catalog *c, const char *name);
/* Finds a resource by its URI, or the first template that matches it, with the variables' values.
 */
const struct resource *catalog_resource(const struct catalog *c, struct arena *a, const char *uri,
                                        struct json **variables);
const struct resource *catalog_template(const struct catalog *c, const char *uri_template);

/* What a list method shows; `which` is the index in the kind's lists. */
const struct list *catalog_list(const struct catalog *c, enum catalog_kind kind, size_t which);
