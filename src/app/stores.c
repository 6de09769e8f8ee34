#include "app/stores.h"

#include <unistd.h>

#include "base/log.h"
#include "mcp/call.h"
#include "net/http.h"
#include "oauth/site.h"
#include "store/store.h"
#include "store/table.h"
#include "store/tasks.h"

/* ---- the tables ---- */

static struct dynamodb_options options_of(const struct config *c, const char *table,
                                          const char *setting, const char *what,
                                          const struct clock *clock) {
    static struct aws_env env;

    env.vars = (const char *const *)environ;
    return (struct dynamodb_options){.env = &env,
                                     .region = c->aws_region,
                                     .table = table,
                                     .clock = clock,
                                     .what = what,
                                     .setting = setting};
}

static struct dynamodb_options of_sessions(const struct config *c, const struct clock *clock) {
    return options_of(c, c->session_table_name, "SESSION_TABLE_NAME", "session store", clock);
}

static struct dynamodb_options of_tasks(const struct config *c, const struct clock *clock) {
    return options_of(c, c->task_table_name, "TASK_TABLE_NAME", "task store", clock);
}

/* ---- opening and closing ---- */

enum rc stores_open_sessions(struct stores *s, struct arena *a, struct site *site, struct err *e) {
    const struct config *c = site->config;
    const struct concurrency_options limit = concurrency_of_service(c->workers_max, TABLE_SLOW_MS);
    struct dynamodb_options options = of_sessions(c, &site->clock);

    if (c->session_store == SESSION_STORE_LMDB) {
        if (store_lmdb_open(arena_printf(a, "%s/sessions", c->state_dir), c->workers_max,
                            &site->clock, &site->oauth->store, e))
            log_error("state_unavailable", kv("why", e->text));
        return OK;
    }
    if (http_client_new(&http_options_open, &s->aws, e))
        return e->code;
    options.http = s->aws;
    if (dynamodb_new(&options, &s->dynamodb, e))
        return e->code;
    if (concurrency_limit_open(arena_printf(a, "%s/session-calls", c->state_dir), &limit, &s->limit,
                               e))
        log_error("state_unavailable", kv("why", e->text));
    site->oauth->store = store_dynamodb_open(s->dynamodb, s->limit, &site->clock);
    return OK;
}

enum rc stores_open_tasks(struct site *site, const char *limit_file, struct err *e) {
    const struct dynamodb_options options = of_tasks(site->config, &site->clock);

    if (*site->config->task_table_name)
        return task_store_dynamodb_open(&options, limit_file, site->config->workers_max,
                                        &site->mcp->tasks, e);
    site->mcp->tasks = task_store_host_open(site->cache, &site->clock);
    return OK;
}

void stores_close(struct stores *s, struct site *site) {
    task_store_close(site->mcp->tasks);
    store_close(site->oauth->store);
    dynamodb_free(s->dynamodb);
    concurrency_limit_close(s->limit);
    http_client_free(s->aws);
}

/* ---- checking ---- */

static bool check_table(const struct dynamodb_options *options, const char *setting,
                        FILE *problems) {
    struct dynamodb *d;
    struct err e;

    if (dynamodb_new(options, &d, &e)) {
        (void)fprintf(problems, "%s: %s\n", setting, e.text);
        return false;
    }
    dynamodb_free(d);
    return true;
}

bool stores_check(const struct config *c, FILE *problems) {
    static const struct clock clock;
    const struct dynamodb_options sessions = of_sessions(c, &clock), tasks = of_tasks(c, &clock);

    if (c->session_store == SESSION_STORE_DYNAMODB &&
        c->endpoints & (GROUP_AUTHORIZE | GROUP_TOKEN) &&
        !check_table(&sessions, "SESSION_STORE=dynamodb", problems))
        return false;
    return !*c->task_table_name || !(c->endpoints & GROUP_MCP) ||
           check_table(&tasks, "TASK_TABLE_NAME", problems);
}
