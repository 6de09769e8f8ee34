/* Private part of app.h: the sites that a worker has open. One of several is opened with its first
 * request, and closed when it was not called for a while or others need the room, so that what
 * nobody calls costs no worker anything. */
#pragma once

#include "app/app.h"
#include "app/loaded_site.h"
#include "app/site_set.h"

#define OPEN_SITE_IDLE_S 600 /* since its last request */

struct app {
    const struct site_set *set;
    struct open_site {
        struct loaded_site *site; /* NULL: it is not open */
        int64_t used_ms;          /* monotonic: its last request; not open: its last try, 0: none */
    } * all;                      /* by the place in the set */
    size_t count;                 /* that are open */
    struct app_options options;
};

/* Opens the i-th site if it is not open. One that cannot be opened is tried again after a second;
 * till then ERR_STORE. *out is valid until the next call, or upkeep. */
enum rc open_sites_get(struct app *app, size_t i, int64_t now_ms, struct loaded_site **out,
                       struct err *e) MUST_USE;
