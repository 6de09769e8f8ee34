/* `mcp-authd status`: what the running daemon does. */
#pragma once

#include "config/config.h"

struct status_options {
    const char *config_path; /* the configuration is from there */
    const char *site; /* show this one alone; NULL: the daemon and all sites that were called */
    bool as_json;
};
/* Prints what the daemon has written to STATUS_FILE, the limits in use, and what the runner says,
 * if this user may ask it. Returns the exit status: 0, 3 if no daemon runs, 1 if the file cannot be
 * read, 2 if there is no such site. */
int status_show(const struct config *c, const struct status_options *o, FILE *out, FILE *errors);
