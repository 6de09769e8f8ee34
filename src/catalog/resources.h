/* The resources: what clients see of each, and how it is served. */
#ifndef CATALOG_RESOURCES_H
#define CATALOG_RESOURCES_H

#include "catalog/list.h"
#include "catalog/manifest.h"
#include "config/config.h"

#define RESOURCES_MAX 4096
#define RESOURCE_BYTES_DEFAULT 1048576
#define RESOURCE_BYTES_MAX ((int64_t)16 << 20)
#define RESOURCE_TTL_MS_MAX ((int64_t)24 * 3600 * 1000)

struct resource {
    const char *uri; /* or the URI template */
    bool is_template;
    const char *name, *mime, *file_of, *scopes;
    const char *file;                  /* served as it is; NULL: none */
    struct json *content;              /* a text, or a JSON value, with {{variables}}; NULL: none */
    const struct completion *complete; /* of variables; NULL: none */
    struct tool_run run;               /* a program, if argv is there */
    int64_t max_bytes, ttl_ms;
    struct text definition;
};

struct resource_set {
    struct arena *arena;
    struct resource *all; /* by uri */
    size_t count;
    struct list resources, templates;
};

/* Every resource of RESOURCES_DIR; as tool_set_load. */
struct resource_set *resource_set_load(const struct config *config, FILE *problems, unsigned *bad);
void resource_set_free(struct resource_set *s); /* NULL is accepted */

/* By its URI; else the first template that it matches, with the values of the variables. */
const struct resource *resource_find(const struct resource_set *set, struct arena *a,
                                     const char *uri, struct json **variables);
const struct resource *resource_template_find(const struct resource_set *set,
                                              const char *uri_template);

#endif
