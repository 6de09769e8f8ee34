/* The tools, resources and prompts of a site, as a process reads them: what app.h says of catalogs,
 * and the same for a check. */
#pragma once

#include "catalog/catalog.h"

/* As app_catalog_load, but what is left out, and advice, goes to `problems`; *left_out counts it.
 * *right: ACCESS_FILE has no fault. */
struct catalog *loaded_catalog_check(const struct config *config, FILE *problems,
                                     unsigned *left_out, bool *right);
