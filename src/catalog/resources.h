/* The resources, and the templates of resources. */
#pragma once

#include "catalog/catalog.h"
#include "catalog/program.h"

#define RESOURCE_BYTES_DEFAULT 1048576
#define RESOURCE_BYTES_MAX ((int64_t)16 << 20)
#define RESOURCE_TTL_MS_MAX ((int64_t)24 * 3600 * 1000)

/* A resource has either a path, content or a source. */
struct resource {
    struct entry entry; /* first */
    bool is_template;
    const char *mime;                  /* NULL: unknown */
    const char *path;                  /* of a file; NULL: none */
    struct json *content;              /* a text, or a JSON value, with {{variables}}; NULL: none */
    const struct completion *complete; /* of variables; NULL: none */
    int64_t max_bytes, ttl_ms;
};

/* The lists of the kind. */
enum { RESOURCES, RESOURCE_TEMPLATES };

/* Finds a resource by its URI, or the first template that matches it, with the variables' values.
 */
const struct resource *catalog_resource(const struct catalog *c, struct arena *a, const char *uri,
                                        struct json **variables);
const struct resource *catalog_template(const struct catalog *c, const char *uri_template);
