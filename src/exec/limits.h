/* Limits of what a user may start: how often, and how much of it at the same time. Only what starts
 * something is limited, since that is what uses resources. */
#pragma once

#include "base/err.h"

struct mcp_call;

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
