/* Values that completion/complete may propose for an argument, by the member "complete" under
 * "run": either a list of them, or a program that prints one a line. */
#ifndef CATALOG_COMPLETION_H
#define CATALOG_COMPLETION_H

#include "catalog/manifest.h"
#include "catalog/source.h"

struct completion {
    const char *name;     /* of the argument; NULL: the end of the list */
    struct json *values;  /* the list; NULL: */
    struct source source; /* what gives them */
};

/* `complete` may be NULL, then *out is. names: members are the arguments that there are.
 * ERR_INVALID_REQUEST with the reason. */
enum rc completion_read(const struct manifest *m, const struct json *complete,
                        const struct json *names, const struct completion **out) MUST_USE;

#endif
