/* Private part of stream_holder.h: streams that wait for changes of tasks. No file tells when they
 * change, so the task watcher (exec/task_watcher.c), a process of its own, looks at their records.
 * It is started with the first subscription, and ends with the stream holder. */
#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/app.h"
#include "base/base.h"
#include "metrics/metrics.h"
#include "runner/child.h"
#include "server/stream_holder.h"

#define AGAIN_MS 1000
#define REQUEST_MAX 512 /* bytes: a subscription with the id of a task */
#define SILENT_MS 60000 /* more than a look at a table that is slow */

int stream_holder_tasks_mark;

static bool lost(struct task_subscriptions *t) {
    if (t->fd >= 0)
        close(t->fd);
    t->fd = -1;
    t->have = 0;
    t->again_ms = clock_monotonic_ms() + AGAIN_MS;
    return false;
}

static _Noreturn void become_watcher(const struct config *config, int fd) {
    (void)signal(SIGPIPE, SIG_IGN);
    metrics_use_shared_slot();
    app_watch(config, fd);
    _exit(0);
}

/* false: it is not running, and cannot be started now. */
static bool start_watcher(struct stream_holder *h) {
    struct task_subscriptions *t = &h->tasks;
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
        become_watcher(t->config, ends[1]);
    close(ends[1]);
    t->fd = ends[0];
    if (started < 0) {
        log_error("fork_failed", kv("why", strerror(errno)));
        return lost(t);
    }
    stream_holder_add(h, t->fd, &stream_holder_tasks_mark, EPOLLIN);
    return true;
}

/* "+" subscribes to a task: an update comes of its state now, and of each change; "-" ends that.
 * false: the task watcher does not take it, and is gone. */
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

/* An update of a task that others wait for too comes once more to all of them: it may have changed
 * since this stream's worker looked. */
void stream_holder_subscribe(struct stream_holder *h, const struct stream *s) {
    struct text list = s->subscriptions;
    struct subscription task;

    while (subscription_next(&list, &task)) {
        if (task.kind != SUBSCRIPTION_TASK)
            continue;
        h->wants_tasks = true;
        if (!start_watcher(h) || !send_request(&h->tasks, task.argument, TEXT_LITERAL("+")))
            return; /* stream_holder_resubscribe makes up for it */
    }
}

void stream_holder_resubscribe(struct stream_holder *h) {
    h->wants_tasks = false;
    for (const struct stream *s = h->head.next; s != &h->head; s = s->next)
        stream_holder_subscribe(h, s);
}

void stream_holder_unsubscribe(struct stream_holder *h, const struct stream *s) {
    struct text list = s->subscriptions;
    struct subscription task, same;

    while (h->tasks.fd >= 0 && subscription_next(&list, &task)) {
        bool wanted = task.kind != SUBSCRIPTION_TASK;

        for (const struct stream *o = h->head.next; !wanted && o != &h->head; o = o->next)
            wanted = subscription_find_argument(o->subscriptions, SUBSCRIPTION_TASK, task.argument,
                                                &same);
        if (!wanted)
            (void)send_request(&h->tasks, task.argument, TEXT_LITERAL("-"));
    }
}

/* Each stream has its own beginning of the notification; what follows, the text of the update, is
 * the same for all. */
static void send_update(struct stream_holder *h, const struct subscription *update) {
    for (struct stream *s = h->head.next, *next; s != &h->head; s = next) {
        struct subscription own;
        size_t len;
        char *all;

        next = s->next;
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

/* Sends each update that is there whole. false: the task watcher is gone, since it did not take
 * that a stream was dropped. */
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
            (void)lost(t);
    }
    if (t->fd < 0 || (got < 0 && (errno == EAGAIN || errno == EINTR)))
        return; /* what is left makes it readable again */
    log_warn("task_watcher_exited", kv("why", got ? strerror(errno) : "it ended"));
    (void)lost(t);
}
