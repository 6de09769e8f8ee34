/* What a loader says of what it leaves out, line by line. */
#pragma once

#include "base/base.h"

struct problems {
    FILE *f; /* to be written to */
    char *text, *rest;
    size_t len;
};

void problems_begin(struct problems *p);
/* The next line that is not empty, without its end; NULL: there are no more, and all is freed. To
 * be called until then, when everything is written. */
const char *problems_next(struct problems *p);
/* Logs a warning for each line; with NULL none. */
void problems_end(struct problems *p, const char *event);
