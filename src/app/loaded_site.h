/* A site as a process serves it: what its configuration names, opened and loaded. */
#pragma once

#include "app/app.h"
#include "app/audit.h"
#include "config/sites.h"
#include "idp/idp.h"
#include "mcp/call.h"
#include "oauth/site.h"
#include "site/site.h"

/* Does not move in memory: its parts point to one another. */
struct loaded_site {
    struct site site;
    struct idp idp;
    struct oauth_site oauth;
    struct mcp_site mcp;
    struct arena *arena;
    struct routes routes;
    struct audit audit;
    struct catalog *shared_catalog; /* the one that the master has loaded; NULL: our own */
    unsigned metrics;               /* config_site's */
};

/* Both are borrowed; nothing of the site is opened yet. catalog: as for app_new. */
void loaded_site_init(struct loaded_site *s, const struct config_site *site,
                      struct catalog *catalog);
/* Opens and loads what the site's ENDPOINTS need. In a worker, after the fork. To be closed also
 * after an error. */
enum rc loaded_site_open(struct loaded_site *s, struct err *e) MUST_USE;
void loaded_site_close(struct loaded_site *s);

/* As app_update. */
void loaded_site_update_catalog(struct loaded_site *s, const char *path, int64_t at_ms);
/* Sweeps what has expired, and looks for changed manifests: app_upkeep. */
void loaded_site_upkeep(struct loaded_site *s);

/* Reads what a site reads from the folders and files that an admin writes. Writes a line to
 * `problems` for each entry that would be left out, and advice. false: DENY_FILE or ACCESS_FILE has
 * a wrong line, which a new configuration must not have. */
bool loaded_site_check(const struct config *config, FILE *problems, struct app_checked *out);
