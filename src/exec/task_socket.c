#include "exec/task_socket.h"

#include "base/base.h"
#include "base/watchdog.h"
#include "config/config.h"
#include "crypto/digest.h"
#include "crypto/random.h"
#include "shared/message_socket.h"
#include "site/site.h"

#define RUN_BYTES 12 /* of the random name of one run */

/* The name includes the run and the store, since another daemon on this host has another store. */
static const char *socket_name(const struct task *t) {
    const char *run = json_get_str(t->record, "run");
    const char *text = arena_printf(t->arena, "task\n%s\n%s\n%s", t->site->config->state_dir, t->id,
                                    run ? run : "");

    return sha256_base64url(t->arena, text, SHA256_LEN);
}

static const char *daemon_name(struct arena *a) {
    return arena_printf(a, "%016llx", (unsigned long long)watchdog_instance());
}

void task_socket_open(struct task *t) {
    struct err e;

    json_put_str(t->record, "run", random_text(t->arena, RUN_BYTES));
    json_del(t->record, "daemon");
    if (message_socket_open(socket_name(t), &t->socket, &e))
        log_warn("task_has_no_socket", kv("task", t->id), kv("why", e.detail));
    else if (watchdog_instance())
        json_put_str(t->record, "daemon", daemon_name(t->arena));
}

void task_socket_close(struct task *t) {
    message_socket_close(t->socket);
    t->socket = NULL;
}

void task_socket_wake(const struct task *t) {
    if (!message_socket_send(socket_name(t), "", 0))
        log_debug("task_not_here", kv("task", t->id)); /* or it waits for input, or has ended */
}

bool task_socket_is_orphaned(const struct task *t) {
    const char *daemon = json_get_str(t->record, "daemon");

    return daemon && !strcmp(daemon, daemon_name(t->arena)) &&
           !message_socket_exists(socket_name(t));
}
