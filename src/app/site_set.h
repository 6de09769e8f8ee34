/* The sites of a daemon, and which of them answers at an address. Made by the master; workers look
 * up in the memory that they inherit. */
#pragma once

#include <stdatomic.h>

#include "config/sites.h"
#include "web/request.h"

struct site_entry;

struct site_set {
    struct config_sites *config;
    struct site_entry *entries; /* a hash table of addresses; NULL: the one site answers at all */
    size_t size;                /* a power of two */
    _Atomic bool *opened;       /* by the place: a worker has opened it; shared with all children */
    size_t mapped;              /* bytes of that */
};

/* Reads all files (config_sites_load), and finds sites that are at one address or have one sealing
 * key: of these only the first is kept, or what each was in `previous`. With a candidate, one more
 * file (config/sites.h), that is the wrong one of two in conflict. Both may be NULL. NULL: no
 * daemon could start. Free with site_set_free. */
struct site_set *site_set_load(const char *path, const struct site_set *previous,
                               const struct config_candidate *candidate, FILE *problems) MUST_USE;
void site_set_free(struct site_set *s); /* NULL is accepted */

/* A site that turned out to be wrong is as in `previous` afterwards, or left out: then the next one
 * is at `i`. false: none is left. */
bool site_set_revert(struct site_set *s, size_t i, const struct site_set *previous,
                     FILE *problems) MUST_USE;

/* The place in config->all of the site that answers a request: by the name that the client asked
 * for (Host), or that the web server has, and the path. ERR_NOT_FOUND: no site has the address;
 * ERR_MISDIRECTED: the name is one site's, and the path only others'. */
enum rc site_set_find(const struct site_set *s, const struct request *rq, size_t *out,
                      struct err *e) MUST_USE;
