/* Private part of stream_holder.h: streams that wait for changes of tasks. The task watcher
 * (exec/task_notifications.c), a process of its own, polls the tasks' records. It is started with
 * the first subscription, and ends with the stream holder. */
#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/app.h"
#include "metrics/metrics.h"
#include "runner/child.h"
#include "server/stream_holder.h"

#define RESTART_MS 1000
#define REQUEST_MAX 512 /* bytes: a subscription with the id of a task */
#define SILENT_MS 60000 /* more than one poll of a slow table takes */

static bool close_watcher(struct task_subscriptions *t) {
    descriptor_clear(&t->fd);
    t->have = 0;
    t->restart_ms = clock_monotonic_ms() + RESTART_MS;
    return false;
}

/* false: it is not running, and cannot be started now. */
static bool start_watcher(struct stream_holder *h) {
    struct task_subscriptions *t = &h->tasks;
    int ends[2], started;

    if (t->fd >= 0)
        return true;
    if (clock_monotonic_ms() < t->restart_ms ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
        return false;
    /* It inherits no stream, which would stay open when the stream holder closes it. Its end is
     * seen by the socket, not by waitpid. */
    started = child_fork_detached(&(struct child_start){.name = "mcp-task-watch",
                                                        .keep = {ends[1]},
                                                        .default_signals = true,
                                                        .silent_max_ms = SILENT_MS});
    if (started == 0) {
        (void)signal(SIGPIPE, SIG_IGN);
        metrics_use_shared_slot();
        app_watch(t->sites, ends[1]);
        _exit(0);
    }
    close(ends[1]);
    t->fd = ends[0];
    if (started < 0) {
        log_error("fork_failed", kv("why", strerror(errno)));
        return close_watcher(t);
    }
    stream_holder_add(h, t->fd, &t->fd, EPOLLIN);
    return true;
}

/* "+" subscribes to a task: the task watcher sends an update with its present state, and one for
 * each change; "-" unsubscribes. false: the watcher has ended, or did not read and is closed. */
static bool send_request(struct task_subscriptions *t, struct text id, struct text what) {
    const struct subscription s = {SUBSCRIPTION_TASK, id, what};
    char request[REQUEST_MAX];
    size_t len = subscription_write(&s, request, sizeof request);

    if (t->fd < 0 || !len)
        return false;
    if (send(t->fd, request, len, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)len)
        return true;
    return close_watcher(t);
}

/* All streams of a task get another update when one is added: the task may have changed since the
 * worker of the new stream read it. */
void stream_holder_subscribe(struct stream_holder *h, const struct stream *s) {
    struct text list = s->subscriptions;
    struct subscription task;

    while (subscription_next(&list, &task)) {
        if (task.kind != SUBSCRIPTION_TASK)
            continue;
        h->wants_tasks = true;
        if (!start_watcher(h) || !send_request(&h->tasks, task.argument, TEXT_LITERAL("+")))
            return; /* stream_holder_resubscribe repeats it later */
    }
}

void stream_holder_resubscribe(struct stream_holder *h) {
    h->wants_tasks = false;
    for (const struct stream *s = TAILQ_FIRST(&h->streams); s; s = TAILQ_NEXT(s, link))
        stream_holder_subscribe(h, s);
}

void stream_holder_unsubscribe(struct stream_holder *h, const struct stream *s) {
    struct text list = s->subscriptions;
    struct subscription task, same;

    while (h->tasks.fd >= 0 && subscription_next(&list, &task)) {
        bool wanted = task.kind != SUBSCRIPTION_TASK;

        for (const struct stream *o = TAILQ_FIRST(&h->streams); !wanted && o;
             o = TAILQ_NEXT(o, link))
            wanted = subscription_find_argument(o->subscriptions, SUBSCRIPTION_TASK, task.argument,
                                                &same);
        if (!wanted)
            (void)send_request(&h->tasks, task.argument, TEXT_LITERAL("-"));
    }
}

/* Each stream has its own beginning of the notification; what follows, the text of the update, is
 * the same for all. */
static void send_update(struct stream_holder *h, const struct subscription *update) {
    for (struct stream *s = TAILQ_FIRST(&h->streams), *next; s; s = next) {
        struct subscription own;
        size_t len;
        char *all;

        next = TAILQ_NEXT(s, link);
        if (!subscription_find_argument(s->subscriptions, SUBSCRIPTION_TASK, update->argument,
                                        &own))
            continue;
        len = own.text.len + update->text.len;
        all = xmalloc(len);
        memcpy(all, own.text.p, own.text.len);
        memcpy(all + own.text.len, update->text.p, update->text.len);
        if (!stream_send(h, s, all, len))
            stream_drop(h, s);
        free(all);
    }
}

/* Sends each update that has been received whole. false: the task watcher is closed, because it did
 * not read the "-" of a dropped stream. */
static bool send_updates(struct stream_holder *h) {
    struct task_subscriptions *t = &h->tasks;
    struct text list = {t->in, t->have};
    struct subscription update;

    while (subscription_next(&list, &update)) {
        send_update(h, &update);
        if (t->fd < 0)
            return false;
    }
    t->have = list.len;
    memmove(t->in, list.p, t->have);
    return true;
}

void stream_holder_take_updates(struct stream_holder *h) {
    struct task_subscriptions *t = &h->tasks;
    ssize_t got = 0;

    if (!t->in)
        t->in = xmalloc(TASK_UPDATE_MAX);
    while (t->fd >= 0 &&
           (got = recv(t->fd, t->in + t->have, TASK_UPDATE_MAX - t->have, MSG_DONTWAIT)) > 0) {
        t->have += (size_t)got;
        if (!send_updates(h))
            return;
        if (t->have == TASK_UPDATE_MAX)
            (void)close_watcher(t);
    }
    if (t->fd < 0 || (got < 0 && (errno == EAGAIN || errno == EINTR)))
        return; /* what is left makes it readable again */
    log_warn("task_watcher_exited", kv("why", got ? strerror(errno) : "it ended"));
    (void)close_watcher(t);
}
