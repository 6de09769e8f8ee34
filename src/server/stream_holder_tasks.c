/* Private part of stream_holder.h: streams that wait for changes of tasks. */
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "server/stream_holder.h"

int stream_holder_tasks_mark;

static bool is_task(const struct subscription_entry *e) {
    return e->topic_len > 1 && *e->topic == SUBSCRIPTION_ASK;
}

static bool find_task(const struct stream *s, const char *id, size_t len,
                      struct subscription_entry *e) {
    const char *p = s->what, *end = p + s->len;

    while (subscription_next(&p, end, e))
        if (is_task(e) && e->topic_len == len + 1 && !memcmp(e->topic + 1, id, len))
            return true;
    return false;
}

/* An update of a task that others wait for too comes once more to all of them: it may have changed
 * since this stream's worker looked. */
void stream_holder_subscribe(struct stream_holder *k, const struct stream *s) {
    const char *p = s->what, *end = p + s->len;
    bool was_there = k->tasks.fd >= 0;
    struct subscription_entry e;

    while (subscription_next(&p, end, &e)) {
        if (!is_task(&e))
            continue;
        k->wants_tasks = true;
        if (!task_subscriptions_start(&k->tasks) ||
            !task_subscribe(&k->tasks, e.topic + 1, e.topic_len - 1))
            return; /* stream_holder_resubscribe makes up for it */
        if (!was_there)
            stream_holder_add(k, k->tasks.fd, &stream_holder_tasks_mark, EPOLLIN);
        was_there = true;
    }
}

void stream_holder_resubscribe(struct stream_holder *k) {
    k->wants_tasks = false;
    for (const struct stream *s = k->head.next; s != &k->head; s = s->next)
        stream_holder_subscribe(k, s);
}

void stream_holder_unsubscribe(struct stream_holder *k, const struct stream *s) {
    const char *p = s->what, *end = p + s->len;
    struct subscription_entry e, same;

    while (k->tasks.fd >= 0 && subscription_next(&p, end, &e)) {
        bool wanted = !is_task(&e);

        for (const struct stream *o = k->head.next; !wanted && o != &k->head; o = o->next)
            wanted = find_task(o, e.topic + 1, e.topic_len - 1, &same);
        if (!wanted)
            (void)task_unsubscribe(&k->tasks, e.topic + 1, e.topic_len - 1);
    }
}

/* Each stream has its own beginning of the notification; what follows is the same for all. */
void stream_holder_send_update(void *arg, const char *id, size_t id_len, const char *text,
                               size_t len) {
    struct stream_holder *k = arg;

    for (struct stream *s = k->head.next, *next; s != &k->head; s = next) {
        struct subscription_entry e;
        char *all;

        next = s->next;
        if (!find_task(s, id, id_len, &e))
            continue;
        all = xmalloc(e.text_len + len);
        memcpy(all, e.text, e.text_len);
        memcpy(all + e.text_len, text, len);
        if (!stream_send(k, s, all, e.text_len + len))
            stream_drop(k, s);
        free(all);
    }
}
