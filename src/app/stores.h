/* Where sessions and tasks are kept, as configured: a DynamoDB table each, or a file of this host.
 * Between app.c and tasks.c. */
#pragma once

#include "config/config.h"
#include "site/exchange.h"
#include <stdio.h>

/* What the session store is made of, beside itself. */
struct stores {
    struct http_client *aws; /* DynamoDB and the sources of its credentials */
    struct dynamodb *dynamodb;
    struct concurrency_limit *limit;
};
/* Fills site->oauth->store. What is opened before an error is closed with the rest. A file that
 * cannot be opened is no error: it is logged, and tried again when it is used. */
enum rc stores_open_sessions(struct stores *s, struct arena *a, struct site *site,
                             struct err *e) MUST_USE;
/* Fills site->mcp->tasks. limit_file: of the workers that wait for a table; NULL for who is no
 * worker. */
enum rc stores_open_tasks(struct site *site, const char *limit_file, struct err *e) MUST_USE;
void stores_close(struct stores *s, struct site *site);

/* For -t: region, endpoint and source of credentials of the tables; asks nobody. */
bool stores_check(const struct config *c, FILE *problems);
