/* Private part of stream_holder.h: streams that wait for changes of tasks. */
#include <sys/epoll.h>

#include "base/base.h"
#include "server/stream_holder.h"

int stream_holder_tasks_mark;

/* An update of a task that others wait for too comes once more to all of them: it may have changed
 * since this stream's worker looked. */
void stream_holder_subscribe(struct stream_holder *h, const struct stream *s) {
    bool was_there = h->tasks.fd >= 0;
    struct text list = s->subscriptions;
    struct subscription task;

    while (subscription_next(&list, &task)) {
        if (task.kind != SUBSCRIPTION_TASK)
            continue;
        h->wants_tasks = true;
        if (!task_subscriptions_start(&h->tasks) || !task_subscribe(&h->tasks, task.argument))
            return; /* stream_holder_resubscribe makes up for it */
        if (!was_there)
            stream_holder_add(h, h->tasks.fd, &stream_holder_tasks_mark, EPOLLIN);
        was_there = true;
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
            (void)task_unsubscribe(&h->tasks, task.argument);
    }
}

/* Each stream has its own beginning of the notification; what follows is the same for all. */
void stream_holder_send_update(void *arg, const struct subscription *update) {
    struct stream_holder *h = arg;

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
