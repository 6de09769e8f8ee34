/* What a site reads from the folders and files that an admin writes. An entry that is wrong is left
 * out, and the rest is loaded. */
#pragma once

#include "base/base.h"
#include "site/site.h"

/* Reads what the site's ENDPOINTS need, and logs a line for each entry that is left out. */
void loaders_run(struct site *site);
/* The same for tools, resources and prompts alone, in place of those that are there. */
void loaders_run_catalog(struct site *site);
void loaders_free(struct site *site);

/* Reads the same to throw it away. Writes a line to `problems` for each entry that would be left
 * out, and advice; *left_out counts them. false: DENY_FILE has a wrong line, which a new
 * configuration must not have. */
bool loaders_check(const struct config *config, FILE *problems, unsigned *left_out);
