/* Private part of app.h: the process that watches tasks for the stream holder. */
#include "app/app.h"
#include "app/stores.h"
#include "base/log.h"
#include "crypto/seal_keys.h"
#include "exec/task_notifications.h"
#include "mcp/call.h"
#include "shared/cache.h"
#include "store/tasks.h"

#define WATCH_ARENA_MAX 65536

/* What is opened here ends with the process. */
void app_watch(const struct config *config, int fd) {
    static const char *const purposes[] = {"task", NULL};
    struct arena *a = arena_new(WATCH_ARENA_MAX);
    struct mcp_site mcp = {.tasks = NULL};
    struct site site = {.config = config, .mcp = &mcp};
    struct seal_keys *keys = NULL;
    struct err e;

    if (seal_keys_load(config->secret_key_file, false, &keys, &e) ||
        cache_open(arena_printf(a, "%s/cache", config->state_dir), config->workers_max, &site.clock,
                   &site.cache, &e)) {
        log_error("task_watcher_failed", kv("why", e.text), kv("detail", e.detail));
    } else {
        seal_keys_keep(keys, purposes);
        site.seal = keys;
        if (stores_open_tasks(&site, NULL, &e))
            log_error("task_watcher_failed", kv("why", e.text), kv("detail", e.detail));
        else
            task_watcher_run(&site, fd);
    }
    task_store_close(mcp.tasks);
    cache_close(site.cache);
    seal_keys_free(keys);
    arena_free(a);
}
