/* Part of `mcp-authd status`: how much of the quotas of today is used. */
#pragma once

#include "base/json.h"
#include "config/config.h"

/* Adds the member "quotas": an array with an object for each manifest of the site that has a quota,
 * as the folders are now, and the counts of the daemon. Nothing, if none has one. */
void status_quotas_add(struct arena *a, const struct config *c, struct json *status);
void status_quotas_print(const struct json *status, FILE *out);
