/* News for streams: of what no file tells, such as tasks. */
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "pool/keeper.h"

int keeper_news_mark;

static bool is_question(const struct handover_entry *e) {
    return e->topic_len > 1 && *e->topic == HANDOVER_ASK;
}

static bool waits_for(const struct stream *s, const char *what, size_t len,
                      struct handover_entry *e) {
    const char *p = s->what, *end = p + s->len;

    while (handover_next(&p, end, e))
        if (is_question(e) && e->topic_len == len + 1 && !memcmp(e->topic + 1, what, len))
            return true;
    return false;
}

/* Asks for what this stream waits for. What others wait for too comes once more to all of them:
 * something may have happened since this one's worker looked. */
void keeper_ask(struct keeper *k, const struct stream *s) {
    const char *p = s->what, *end = p + s->len;
    bool was_there = k->news.fd >= 0;
    struct handover_entry e;

    while (handover_next(&p, end, &e)) {
        if (!is_question(&e))
            continue;
        k->asking = true;
        if (!news_start(&k->news) || !news_ask(&k->news, e.topic + 1, e.topic_len - 1, true))
            return; /* all are asked for when it is there again */
        if (!was_there)
            keeper_add(k, k->news.fd, &keeper_news_mark, EPOLLIN);
        was_there = true;
    }
}

void keeper_ask_for_all(struct keeper *k) {
    k->asking = false;
    for (const struct stream *s = k->head.next; s != &k->head; s = s->next)
        keeper_ask(k, s);
}

void keeper_stop_asking(struct keeper *k, const struct stream *s) {
    const char *p = s->what, *end = p + s->len;
    struct handover_entry e, same;

    while (k->news.fd >= 0 && handover_next(&p, end, &e)) {
        bool wanted = !is_question(&e);

        for (const struct stream *o = k->head.next; !wanted && o != &k->head; o = o->next)
            wanted = waits_for(o, e.topic + 1, e.topic_len - 1, &same);
        if (!wanted)
            (void)news_ask(&k->news, e.topic + 1, e.topic_len - 1, false);
    }
}

/* To each stream that waits for it: its own beginning, and the rest that is the same for all. */
void keeper_pass_on(void *arg, const char *what, size_t what_len, const char *text, size_t len) {
    struct keeper *k = arg;

    for (struct stream *s = k->head.next, *next; s != &k->head; s = next) {
        struct handover_entry e;
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
