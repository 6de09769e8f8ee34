/* A configuration read as that of the only site, whatever SITES_DIR has. */
#ifndef ONLY_SITE_H
#define ONLY_SITE_H

#include "config/config.h"
#include "config/loading.h"

/* NULL: it has mistakes, which `errors` has; freed with config_free. */
static inline struct config *config_load(const char *path, FILE *errors) {
    struct loading l;

    loading_begin(&l, path, errors);
    if (config_read(&l))
        loading_finish(&l);
    if (!l.bad)
        return l.c;
    config_free(l.c);
    return NULL;
}

#endif
