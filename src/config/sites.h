/* The sites of a daemon: mcp-authd.conf, if it names an MCP_SERVER_URI, and each file NAME.conf of
 * SITES_DIR, which inherits from it. */
#pragma once

#include "base/file.h"
#include "config/config.h"

#define SITES_MAX 4096
/* A worker has at most so many open. Each has 14 descriptors, and its connections to the identity
 * provider and to DynamoDB; most systems let a process have 1,024. */
#define OPEN_SITES_MAX 32
#define SITE_NAME_MAX 63 /* letters, digits, "_", "-" and, not first, "." */

#define SITE_FILE_END ".conf"
#define SITE_OFF_END SITE_FILE_END ".disabled" /* of one that is switched off: it is not read */

struct dirent;
int config_is_site_file(const struct dirent *entry); /* for scandir(3); also an off one */
/* May a site have this name? */
bool config_is_site_name(const char *name);

/* A file that is read as a site: in the place of that site's own file, if it has one. */
struct config_candidate {
    const char *name, *file;
};

enum site_file {
    SITE_FILE_OWN,
    SITE_FILE_DENY,
    SITE_FILE_ACCESS,
    SITE_FILE_KEY,
    SITE_FILE_INSTRUCTIONS,
    SITE_FILES
};

struct config_site {
    struct config *config; /* config->site is its name */
    /* It is read and checked again when one of these has changed: its own file, and those whose
     * faults, or whose text, a reload must see. */
    struct file_version files[SITE_FILES];
    bool is_new;        /* it is not the previous set's; if there is a candidate: it is that */
    uint32_t number;    /* from the name; never 0 */
    unsigned metrics;   /* its number among the metrics: metrics_site */
    bool has_others;    /* the set has other sites: site_set.h, as the next one */
    bool shares_client; /* another site takes tokens of one of its app clients: site_set.h */
};

struct config_sites {
    const char *path;        /* of mcp-authd.conf; borrowed */
    struct config *host;     /* mcp-authd.conf: what is the whole daemon's */
    struct config_site *all; /* by name; the host's own first, if it is one */
    size_t count;
    bool named;     /* there are or were site files: Host and path choose among the sites */
    size_t refused; /* files that are wrong */
};

/* Reads and checks all files, and writes a line for each fault, as config_load_values. A wrong file
 * of a site leaves that site as it is in `previous` (NULL: there is none), or out. NULL:
 * mcp-authd.conf is wrong, or no site is left but those that were switched off or removed, which
 * may be all. candidate: NULL, or one more file; messages name it as if it were in SITES_DIR. Free
 * with config_sites_free. */
struct config_sites *config_sites_load(const char *path, const struct config_sites *previous,
                                       const struct config_candidate *candidate,
                                       FILE *errors) MUST_USE;
void config_sites_free(struct config_sites *s); /* NULL is accepted */

/* Must access tokens name the site as their audience? REQUIRE_AUDIENCE. */
static inline bool config_site_needs_audience(const struct config_site *site) {
    const enum require_audience wanted = site->config->require_audience;

    return wanted == AUDIENCE_YES || (wanted == AUDIENCE_AUTO && site->shares_client);
}

/* NULL: there is none of this name; `s` may be NULL. */
const struct config_site *config_sites_find(const struct config_sites *s, const char *name);
/* Puts the previous configuration of a site, if there is one, in the place of that which turned out
 * to be wrong, or leaves the site out: then the next site is at `i`. `previous` may be NULL. */
void config_sites_revert(struct config_sites *s, size_t i, const struct config_sites *previous);
