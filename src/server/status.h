/* What `mcp-authd status` prints. */
#pragma once

#include "base/base.h"

/* Prints what the daemon wrote to its status file. Returns the exit status: 0, 3 if no daemon runs,
 * 1 if the file cannot be read. */
int status_show(const char *path, bool as_json, FILE *out, FILE *errors);
