/* The tools, resources and prompts of a site, as a process reads them. The master reads them before
 * it forks workers (app.h), which share its memory. */
#pragma once

#include "catalog/catalog.h"

/* Reads all, and logs a line for each manifest that is left out. NULL: ENDPOINTS has no use for it.
 * The configuration is borrowed. Free with catalog_free. */
struct catalog *loaded_catalog_new(const struct config *config);
/* The same for a check: what is left out, and advice, goes to `problems`; *left_out counts it.
 * *right: ACCESS_FILE has no fault. */
struct catalog *loaded_catalog_check(const struct config *config, FILE *problems,
                                     unsigned *left_out, bool *right);
/* Reads what has changed until at_ms: of one directory, if the path is that of a manifest or a
 * directory, or ACCESS_FILE; NULL: of all. `quiet`: another process logs what is left out. */
void loaded_catalog_update(struct catalog *c, const char *path, int64_t at_ms, bool quiet);
