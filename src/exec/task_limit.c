/* How many tasks run at once: on this host, and of one user. (Private part of tasks.h.) */
#include "base/log.h"
#include "exec/tasks.h"
#include "shared/concurrency_limit.h"

#define AGAIN_S "10" /* Retry-After: tasks usually run for longer than calls */

enum rc task_place_take(struct mcp_call *c, int *place, struct err *e) {
    const struct config *config = c->x->site->config;
    const struct concurrency_share places = {
        arena_printf(c->arena, "%s/task-places", config->state_dir), config->tasks_max,
        config->tasks_max_user < config->tasks_max ? config->tasks_max_user : config->tasks_max};
    enum rc rc = concurrency_share_take(&places, c->client.claims->sub, place, e);

    if (rc == ERR_EXISTS)
        (void)err_set(e, ERR_RATE_LIMITED,
                      "%u tasks of yours run already; try again when one has ended", places.each);
    else if (rc == ERR_TOO_LARGE)
        (void)err_set(e, ERR_RATE_LIMITED, "%u tasks run here already; try again later",
                      places.all);
    else
        return rc;
    if (rc == ERR_TOO_LARGE)
        log_warn("tasks_full", kvn("tasks", places.all), kv("sub", c->client.claims->sub));
    reply_header(c->x->rp, "Retry-After", AGAIN_S);
    return e->code;
}
