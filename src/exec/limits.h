/* Limits of what a user may start: how often, and how much of it at the same time. Only what starts
 * something is limited, since that is what uses resources. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct clock;
struct mcp_call;
struct quota;

/* "Servers MUST rate limit tool invocations" ("Security Considerations"; the same for completions):
 * RATE_LIMIT_USER. ERR_RATE_LIMITED with Retry-After in the reply. */
enum rc limit_rate(struct mcp_call *c, struct err *e) MUST_USE;

/* What may run at the same time on this host. */
struct limit_share {
    const char *what;          /* for messages, such as "calls" */
    const char *file;          /* below STATE_DIR: where they are counted */
    unsigned host, site, user; /* at most so many of all sites, of one, and of one user */
    int retry_s;               /* Retry-After */
};
struct config;
/* Of calls: CALLS_MAX, and CALLS_PER_USER of one user; host 0: there is no limit. */
struct limit_share limit_of_calls(const struct config *config);
/* Of tasks: TASKS_MAX, and TASKS_MAX_USER of one user. */
struct limit_share limit_of_tasks(const struct config *config);
/* How many of them are in use now, by all processes of this host. */
unsigned limit_share_used(const struct limit_share *l, const struct config *config);

/* Takes one of the caller's share, until all processes have closed the descriptor *fd.
 * ERR_RATE_LIMITED: the user's share is in use; ERR_OVERLOADED: the site's or the host's; with
 * Retry-After in the reply. In a batch they are ERR_RPC_INTERNAL. ERR_STORE. */
enum rc limit_share_take(struct mcp_call *c, const struct limit_share *l, int *fd,
                         struct err *e) MUST_USE;

#define QUOTAS_FOLDER "quotas" /* below STATE_DIR of a site: shared/daily_counts.h */
/* Counts a call towards the quota of the manifest (catalog/manifest.h); NULL: there is none. If it
 * is used up, *refused says so, and when there are calls again, as a clause; otherwise it is NULL.
 * ERR_STORE if it cannot be counted, since a call that is not counted may be one too many; in a
 * batch ERR_RPC_INTERNAL. */
enum rc quota_take(struct mcp_call *c, const struct quota *quota, const char **refused,
                   struct err *e) MUST_USE;
/* How many calls of this quota all users have made today. False: that may not be read. */
bool quota_used(const struct quota *quota, const char *state_dir, const struct clock *clock,
                uint32_t *out) MUST_USE;
