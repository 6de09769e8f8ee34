/* The process that is asked for news of tasks. */
#include "app/app.h"
#include "app/stores.h"
#include "base/log.h"
#include "crypto/crypto.h"
#include "mcp/mcp.h"
#include "shared/shared.h"
#include "store/tasks.h"

#define WATCH_ARENA_MAX 65536

/* What is opened here ends with the process. */
void app_watch(const struct config *config, int fd) {
    static const char *const purposes[] = {"task", NULL};
    struct arena *a = arena_new(WATCH_ARENA_MAX);
    struct context cx = {.config = config};
    struct seal_keys *keys = NULL;
    struct err e;

    if (seal_keys_load(config->secret_key_file, false, &keys, &e) ||
        host_cache_open(arena_printf(a, "%s/cache", config->state_dir), config->workers_max,
                        &cx.host, &e)) {
        log_error("watcher_failed", kv("why", e.text), kv("detail", e.detail));
    } else {
        seal_keys_keep(keys, purposes);
        cx.seal = keys;
        if (stores_open_tasks(&cx, NULL, &e))
            log_error("watcher_failed", kv("why", e.text), kv("detail", e.detail));
        else
            mcp_watch_tasks(&cx, fd);
    }
    task_store_close(cx.tasks);
    host_cache_close(cx.host);
    seal_keys_free(keys);
    arena_free(a);
}
