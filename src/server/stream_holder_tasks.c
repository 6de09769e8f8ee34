/* News for streams: of what no file tells, such as tasks. */
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "server/stream_holder.h"

int stream_holder_news_mark;

static bool is_question(const struct subscription_entry *e) {
    return e->topic_len > 1 && *e->topic == SUBSCRIPTION_ASK;
}

static bool waits_for(const struct stream *s, const char *what, size_t len,
                      struct subscription_entry *e) {
    const char *p = s->what, *end = p + s->len;

    while (subscription_next(&p, end, e))
        if (is_question(e) && e->topic_len == len + 1 && !memcmp(e->topic + 1, what, len))
            return true;
    return false;
}

/* Asks for what this stream waits for. What others wait for too comes once more to all of them:
 * something may have happened since this one's worker looked. */
void stream_holder_ask(struct stream_holder *k, const struct stream *s) {
    const char *p = s->what, *end = p + s->len;
    bool was_there = k->news.fd >= 0;
    struct subscription_entry e;

    while (subscription_next(&p, end, &e)) {
        if (!is_question(&e))
            continue;
        k->asking = true;
        if (!news_start(&k->news) || !news_ask(&k->news, e.topic + 1, e.topic_len - 1, true))
            return; /* all are asked for when it is there again */
        if (!was_there)
            stream_holder_add(k, k->news.fd, &stream_holder_news_mark, EPOLLIN);
        was_there = true;
    }
}

void stream_holder_ask_for_all(struct stream_holder *k) {
    k->asking = false;
    for (const struct stream *s = k->head.next; s != &k->head; s = s->next)
        stream_holder_ask(k, s);
}

void stream_holder_stop_asking(struct stream_holder *k, const struct stream *s) {
    const char *p = s->what, *end = p + s->len;
    struct subscription_entry e, same;

    while (k->news.fd >= 0 && subscription_next(&p, end, &e)) {
        bool wanted = !is_question(&e);

        for (const struct stream *o = k->head.next; !wanted && o != &k->head; o = o->next)
            wanted = waits_for(o, e.topic + 1, e.topic_len - 1, &same);
        if (!wanted)
            (void)news_ask(&k->news, e.topic + 1, e.topic_len - 1, false);
    }
}

/* To each stream that waits for it: its own beginning, and the rest that is the same for all. */
void stream_holder_pass_on(void *arg, const char *what, size_t what_len, const char *text,
                           size_t len) {
    struct stream_holder *k = arg;

    for (struct stream *s = k->head.next, *next; s != &k->head; s = next) {
        struct subscription_entry e;
        char *all;

        next = s->next;
        if (!waits_for(s, what, what_len, &e))
            continue;
        all = xmalloc(e.text_len + len);
        memcpy(all, e.text, e.text_len);
        memcpy(all + e.text_len, text, len);
        if (!stream_send(k, s, all, e.text_len + len))
            stream_drop(k, s);
        free(all);
    }
}
