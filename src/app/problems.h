/* What a loader says of the entries that it leaves out, line by line, for the log. */
#pragma once

#include "base/base.h"

struct problems {
    FILE *f; /* to be written to */
    char *text;
    size_t len;
};

void problems_begin(struct problems *p);
/* Logs a warning for each line; with NULL none. */
void problems_end(struct problems *p, const char *event);
