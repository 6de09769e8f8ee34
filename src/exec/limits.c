#include "exec/limits.h"

#include <limits.h>
#include <sys/param.h>

#include "catalog/manifest.h"
#include "mcp/call.h"
#include "shared/concurrency_limit.h"
#include "shared/daily_counts.h"
#include "shared/rate_limit.h"

#define CALLS_RETRY_S 1
#define TASKS_RETRY_S 10 /* they run long: an earlier retry would rarely succeed */

/* An error that the dispatcher answers with its HTTP status, except in a batch, where that would
 * discard the answers to the other messages. */
static enum rc refuse(struct mcp_call *c, enum rc code, int64_t retry_s, struct err *e) {
    if (c->msg.in_batch)
        return e->code = ERR_RPC_INTERNAL;
    if (code == ERR_RATE_LIMITED) /* with 503 the dispatcher sends one */
        reply_retry_after(c->x->rp, retry_s);
    return e->code = code;
}

/* How long to wait, in ms; 0: the call may go on. */
static int64_t take(struct mcp_call *c, const char *kind, const char *of, unsigned per_minute) {
    return per_minute
               ? rate_limits_take(c->x->site->limits, arena_printf(c->arena, "%s %s", kind, of),
                                  per_minute, clock_realtime_ms())
               : 0;
}

enum rc limit_rate(struct mcp_call *c, struct err *e) {
    const struct config *config = c->x->site->config;
    const struct token_claims *claims = c->client.claims;
    unsigned of_client = 0;
    int64_t wait_ms, wait_s;
    bool is_machine;

    if (!c->x->site->limits)
        return OK;
    is_machine = config_app_client(config->idp.machine_client_ids, claims->sub, &of_client);
    if (!is_machine)
        (void)config_app_client(config->idp.client_ids, claims->client_id, &of_client);
    wait_ms = take(c, "app client", claims->client_id, of_client);
    if (!wait_ms && !(is_machine && of_client)) /* a machine is its own and only user */
        wait_ms = take(c, "user", claims->sub, config->rate_limit_user);
    if (!wait_ms)
        return OK;
    wait_s = (wait_ms + 999) / 1000;
    (void)err_set(e, ERR_RATE_LIMITED, "too many calls; try again in %lld s", (long long)wait_s);
    return refuse(c, ERR_RATE_LIMITED, wait_s, e);
}

struct limit_share limit_of_calls(const struct config *config) {
    return (struct limit_share){"calls",
                                "calls",
                                config->calls_max,
                                config_share(config->site_calls, config->calls_max),
                                config->calls_per_user ? config->calls_per_user
                                                       : (config->calls_max + 3) / 4,
                                CALLS_RETRY_S};
}

struct limit_share limit_of_tasks(const struct config *config) {
    return (struct limit_share){"tasks",
                                "task-places",
                                config->tasks_max,
                                config_share(0, config->tasks_max),
                                config->tasks_max_user,
                                TASKS_RETRY_S};
}

unsigned limit_share_used(const struct limit_share *l, const struct config *config) {
    char path[PATH_MAX];
    int n = snprintf(path, sizeof path, "%s/%s", config->host_state_dir, l->file);

    return n < (int)sizeof path ? concurrency_share_used(path, l->host) : 0;
}

static enum rc refuse_full(struct mcp_call *c, const struct limit_share *l, unsigned limit,
                           struct err *e) {
    (void)err_set(e, ERR_OVERLOADED, "%u %s run here already; try again later", limit, l->what);
    if (!c->resumed) /* that tries again soon */
        log_warn("limit_reached", kv("what", l->what), kvn("limit", limit),
                 kv("sub", c->client.claims->sub));
    return refuse(c, ERR_OVERLOADED, l->retry_s, e);
}

enum rc limit_share_take(struct mcp_call *c, const struct limit_share *l, int *fd, struct err *e) {
    const struct site *site = c->x->site;
    const unsigned of_site = site->has_others ? MIN(l->site, l->host) : l->host;
    const struct concurrency_share share = {
        .path = arena_printf(c->arena, "%s/%s", site->config->host_state_dir, l->file),
        .total = l->host,
        .per_owner = MIN(l->user, of_site),
        .group = site->has_others ? site->config->site : NULL,
        .per_group = of_site};
    enum rc rc = concurrency_share_take(&share, c->client.claims->sub, fd, e);

    switch (rc) {
    case ERR_EXISTS:
        (void)err_set(e, ERR_RATE_LIMITED,
                      "%u %s of yours run already; try again when one has ended", share.per_owner,
                      l->what);
        return refuse(c, ERR_RATE_LIMITED, l->retry_s, e);
    case ERR_CONFLICT:
        return refuse_full(c, l, of_site, e);
    case ERR_TOO_LARGE:
        return refuse_full(c, l, l->host, e);
    default:
        return rc;
    }
}

/* ---- quotas ---- */

/* The two that are counted: one user's calls, and those of all, also if they are not limited, for
 * `mcp-authd status`. */
enum { OF_USER, OF_ALL, QUOTA_COUNTS };

static const char *used_up(struct mcp_call *c, const struct quota *quota, size_t reached) {
    const bool of_user = reached == OF_USER;
    const int64_t today = clock_now_s(&c->x->site->clock) / DAY_S;

    log_info("quota_used_up", kv("of", quota->of), kv("sub", c->client.claims->sub),
             kv("whose", of_user ? "user" : "all"));
    return arena_printf(
        c->arena, "%s of %u calls a day is used up; there are calls again from %s on",
        of_user ? "your quota" : "the quota of all users", of_user ? quota->user : quota->all,
        text_rfc3339(c->arena, (today + 1) * DAY_S));
}

enum rc quota_take(struct mcp_call *c, const struct quota *quota, const char **refused,
                   struct err *e) {
    const struct site *site = c->x->site;
    struct daily_take t = {.n = QUOTA_COUNTS};
    enum rc rc;

    *refused = NULL;
    if (!quota || !site->quotas)
        return OK;
    t.counts[OF_USER].key = arena_printf(c->arena, "%s\n%s", quota->of, c->client.claims->sub);
    t.counts[OF_USER].max = quota->user;
    t.counts[OF_ALL].key = quota->of;
    t.counts[OF_ALL].max = quota->all;
    rc = daily_counts_take(site->quotas, &t, clock_now_s(&site->clock), e);
    if (!rc)
        return OK;
    if (rc == ERR_EXISTS) {
        *refused = used_up(c, quota, t.reached);
        return OK;
    }
    log_error("quota_not_counted", kv("of", quota->of), kv("why", e->text));
    (void)err_set(e, ERR_STORE, "the call cannot be counted towards its quota now");
    return refuse(c, ERR_STORE, 0, e);
}

bool quota_used(const struct quota *quota, const char *state_dir, const struct clock *clock,
                uint32_t *out) {
    char folder[PATH_MAX];
    const int n = snprintf(folder, sizeof folder, "%s/" QUOTAS_FOLDER, state_dir);

    return n < (int)sizeof folder && daily_counts_read(folder, quota->of, clock_now_s(clock), out);
}
