#include "server/task_subscriptions.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/app.h"
#include "metrics/metrics.h"
#include "runner/child.h"
#include "web/subscription.h"

#define AGAIN_MS 1000
#define REQUEST_MAX 512 /* bytes: a subscription with the id of a task */
#define SILENT_MS 60000 /* more than a look at a table that is slow */

void task_subscriptions_init(struct task_subscriptions *t, const struct config *config) {
    *t = (struct task_subscriptions){.config = config, .fd = -1};
}

static bool lost(struct task_subscriptions *t) {
    if (t->fd >= 0)
        close(t->fd);
    t->fd = -1;
    t->have = 0;
    t->again_ms = clock_monotonic_ms() + AGAIN_MS;
    return false;
}

static _Noreturn void watcher(const struct config *config, int fd) {
    (void)signal(SIGPIPE, SIG_IGN);
    metrics_use_shared_slot();
    app_watch(config, fd);
    _exit(0);
}

bool task_subscriptions_start(struct task_subscriptions *t) {
    int ends[2], started;

    if (t->fd >= 0)
        return true;
    if (clock_monotonic_ms() < t->again_ms ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
        return false;
    /* It keeps no stream: one that it kept would stay open when the stream holder closes it. Nobody
     * waits for its end: the socket shows it. */
    started = child_fork_detached(&(struct child_start){.name = "mcp-task-watch",
                                                        .keep = {ends[1]},
                                                        .signals = CHILD_SIGNALS_DEFAULT,
                                                        .silent_max_ms = SILENT_MS});
    if (started == 0)
        watcher(t->config, ends[1]);
    close(ends[1]);
    t->fd = ends[0];
    if (started > 0)
        return true;
    log_error("fork_failed", kv("why", strerror(errno)));
    return lost(t);
}

static bool send_request(struct task_subscriptions *t, struct text id, struct text what) {
    const struct subscription s = {SUBSCRIPTION_TASK, id, what};
    char request[REQUEST_MAX];
    size_t len = subscription_write(&s, request, sizeof request);

    if (t->fd < 0 || !len)
        return false;
    if (send(t->fd, request, len, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)len)
        return true;
    return lost(t);
}

bool task_subscribe(struct task_subscriptions *t, struct text id) {
    return send_request(t, id, TEXT_LITERAL("+"));
}

bool task_unsubscribe(struct task_subscriptions *t, struct text id) {
    return send_request(t, id, TEXT_LITERAL("-"));
}

/* Calls fn with each update that is there whole. false: a subscription that fn made was not taken.
 */
static bool pass_updates(struct task_subscriptions *t, task_update_fn *fn, void *arg) {
    struct text list = {t->in, t->have};
    struct subscription update;

    while (subscription_next(&list, &update)) {
        fn(arg, &update);
        if (t->fd < 0)
            return false;
    }
    t->have = list.len;
    memmove(t->in, list.p, t->have);
    return true;
}

bool task_updates_take(struct task_subscriptions *t, task_update_fn *fn, void *arg) {
    if (!t->in)
        t->in = xmalloc(TASK_UPDATE_MAX);
    for (;;) {
        ssize_t got = recv(t->fd, t->in + t->have, TASK_UPDATE_MAX - t->have, MSG_DONTWAIT);

        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            return true; /* what is left makes it readable again */
        if (got <= 0) {
            log_warn("task_watcher_exited", kv("why", got ? strerror(errno) : "it ended"));
            return lost(t);
        }
        t->have += (size_t)got;
        if (!pass_updates(t, fn, arg))
            return false;
        if (t->have == TASK_UPDATE_MAX)
            return lost(t);
    }
}
