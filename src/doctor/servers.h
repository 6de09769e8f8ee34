/* What the runner says of the MCP servers that it has started (runner/instance.h), for status and
 * doctor. */
#pragma once

#include "base/json.h"
#include "config/config.h"

#define STATUS_FILE_MAX 65536

/* The member as a number; 0: there is none. */
long long status_number(const struct json *o, const char *key);
/* Seconds since 1970 as a person reads them, in local time. */
const char *status_time(struct arena *a, int64_t seconds);
/* Of the daemon that runs; NULL: there is none, or this user may not read it. */
struct json *servers_status_file(struct arena *a, const struct config *c);
/* Questions go to the runner of the configuration, or to that of the daemon whose status file this
 * is; that one only root can ask. */
void servers_use_runner(const struct config *c, const struct json *status);
/* An array of objects: "server", "instances" that run, "up_since" (s since 1970, of the newest; 0:
 * none runs), "starts", "calls", "calls_now", "errors", "memory" (bytes; 0: not known), "failed" (s
 * since 1970; 0: never) and "why". `with_sites`: of all sites below this one's STATE_DIR, with
 * "site" for those that are not the host's own. Empty if the runner does not answer. */
struct json *servers_list(struct arena *a, const struct config *c, bool with_sites);
