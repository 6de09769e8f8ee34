/* The task store, and the process that is asked for news of tasks. */
#include "app/tasks.h"

#include <unistd.h>

#include "app/app.h"
#include "base/log.h"
#include "crypto/crypto.h"
#include "host/host.h"
#include "mcp/mcp.h"
#include "store/tasks.h"

#define WATCH_ARENA_MAX 65536

struct dynamodb_options app_task_options(const struct config *c, const struct clock *clock) {
    static struct aws_env env;

    env.vars = (const char *const *)environ;
    return (struct dynamodb_options){.env = &env,
                                     .region = c->cognito_region,
                                     .table = c->task_table_name,
                                     .clock = clock,
                                     .what = "task store",
                                     .setting = "TASK_TABLE_NAME"};
}

enum rc app_open_tasks(struct context *cx, const char *slots_file, struct err *e) {
    const struct dynamodb_options options = app_task_options(cx->config, &cx->clock);
    unsigned half = cx->config->workers_max / 2;

    if (*cx->config->task_table_name)
        return task_store_dynamodb_open(&options, slots_file, half ? half : 1, &cx->tasks, e);
    cx->tasks = task_store_host_open(cx->host);
    return OK;
}

/* What is opened here ends with the process. */
void app_watch(const struct config *config, int fd) {
    struct arena *a = arena_new(WATCH_ARENA_MAX);
    struct context cx = {.config = config};
    struct seal_keys *keys = NULL;
    struct err e;

    if (seal_keys_load(config->secret_key_file, false, &keys, &e) ||
        host_cache_open(arena_printf(a, "%s/cache", config->state_dir), &cx.host, &e)) {
        log_error("watcher_failed", kv("why", e.text), kv("detail", e.detail));
    } else {
        cx.seal = keys;
        if (app_open_tasks(&cx, NULL, &e))
            log_error("watcher_failed", kv("why", e.text), kv("detail", e.detail));
        else
            mcp_watch_tasks(&cx, fd);
    }
    task_store_close(cx.tasks);
    host_cache_close(cx.host);
    seal_keys_free(keys);
    arena_free(a);
}
