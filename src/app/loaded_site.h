/* A site as a process serves it: what its configuration names, opened and loaded. */
#pragma once

#include "app/audit.h"
#include "app/stores.h"
#include "base/base.h"
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
    struct stores stores;
    struct audit audit;
    int64_t upkeep_ms;  /* monotonic: when it was last done */
    int64_t catalog_ms; /* real time: when manifests were last read */
};

/* The configuration is borrowed; nothing of it is opened yet. */
void loaded_site_init(struct loaded_site *s, const struct config *config);
/* Opens and loads what the site's ENDPOINTS need. In a worker, after the fork. To be closed also
 * after an error. */
enum rc loaded_site_open(struct loaded_site *s, struct err *e) MUST_USE;
void loaded_site_close(struct loaded_site *s);

/* Reads the folders of tools, resources and prompts again. */
void loaded_site_refresh(struct loaded_site *s);
/* Sweeps what has expired, and refreshes if a folder has changed; every UPKEEP_EVERY_MS. */
void loaded_site_upkeep(struct loaded_site *s);

/* Reads what a site reads from the folders and files that an admin writes, to throw it away. Writes
 * a line to `problems` for each entry that would be left out, and advice; *left_out counts them.
 * false: DENY_FILE has a wrong line, which a new configuration must not have. */
bool loaded_site_check(const struct config *config, FILE *problems, unsigned *left_out);
