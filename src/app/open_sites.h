/* The sites that a worker has open. One of several is opened with its first request, and closed
 * when it was not called for a while or others need the room, so that what nobody calls costs no
 * worker anything. */
#pragma once

#include "app/loaded_site.h"
#include "app/site_set.h"

#define OPEN_SITE_IDLE_S 600 /* since its last request */

struct open_sites {
    const struct site_set *set;
    struct open_site {
        struct loaded_site *site; /* NULL: it is not open */
        int64_t used_ms;          /* monotonic: its last request; not open: its last try, 0: none */
    } * all;                      /* by the place in the set */
    struct catalog *catalog;      /* of the one site; NULL: each has its own */
    struct token_memory *tokens;  /* that all workers share; NULL: none */
    size_t count;                 /* that are open */
    _Atomic uint32_t *noted;      /* as app_note_open; NULL: nobody asks */
    void (*on_call)(void *arg, bool begins);
    void *on_call_arg;
};

/* Borrowed; catalog: as for app_new. */
void open_sites_init(struct open_sites *o, const struct site_set *set, struct catalog *catalog);
void open_sites_close(struct open_sites *o);

/* From now on as app_on_call, of all sites. */
void open_sites_on_call(struct open_sites *o, void (*fn)(void *arg, bool begins), void *arg);

/* Opens the i-th site if it is not open. One that cannot be opened is tried again after a second;
 * till then ERR_STORE. *out is valid until the next call, or upkeep. */
enum rc open_sites_get(struct open_sites *o, size_t i, struct loaded_site **out,
                       struct err *e) MUST_USE;
/* From now on as app_share, of all sites. */
void open_sites_share(struct open_sites *o, struct token_memory *tokens);
/* Of each open site: loaded_site_update_catalog, loaded_site_upkeep. Upkeep closes idle ones. */
void open_sites_update(struct open_sites *o, const char *path, int64_t at_ms);
void open_sites_upkeep(struct open_sites *o);
