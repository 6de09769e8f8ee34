/* Values for completion/complete, from the member "complete" of "run": a list, or a program that
 * prints one a line. */
#pragma once

#include "catalog/manifest.h"
#include "catalog/source.h"

struct completion {
    const char *name;     /* of the argument; NULL: the end of the list */
    struct json *values;  /* the list; NULL: */
    struct source source; /* the source of the values */
};

/* If `complete` is NULL, so is *out. The members of `names` are the existing arguments.
 * ERR_INVALID_REQUEST with the reason. */
enum rc completion_read(const struct manifest *m, const struct json *complete,
                        const struct json *names, const struct completion **out) MUST_USE;
