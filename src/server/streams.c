/* Private part of stream_holder.h: the streams, what they wait for, and what is sent to them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "server/stream_holder.h"
#include "server/worker.h"
#include "web/fcgi.h"
#include "web/fcgi_conn.h"

#define EVENT_ID_LINE_MAX 128
#define OUT_MAX (2 * TASK_UPDATE_MAX) /* bytes that wait for one peer */

void stream_holder_add(struct stream_holder *k, int fd, void *mark, uint32_t events) {
    struct epoll_event e = {.events = events, .data.ptr = mark};

    if (fd < 0 || epoll_ctl(k->epoll, EPOLL_CTL_ADD, fd, &e)) {
        log_error("stream_holder_failed", kv("why", strerror(errno)));
        exit(WORKER_EXIT_START);
    }
}

bool stream_same_key(const struct stream *a, const struct stream *b) {
    return a->key.topic && b->key.topic && a->key.text_len == b->key.text_len &&
           !memcmp(a->key.text, b->key.text, a->key.text_len);
}

/* Of several streams with one key the newest is told, and no other: MCP 2025-11-25, "Multiple
 * Connections", forbids to send the same message on several streams of a session. */
static void settle_key(struct stream_holder *k, const struct stream *of, const struct stream *but) {
    bool told = false;

    for (struct stream *s = k->head.prev; s != &k->head && of->key.topic; s = s->prev)
        if (s != but && stream_same_key(s, of)) {
            s->silent = told;
            told = true;
        }
}

void stream_set_what(struct stream *s, const char *what, size_t len) {
    char *copy = xmalloc(len);

    memcpy(copy, what, len);
    free(s->what);
    s->what = copy;
    s->len = len;
    (void)subscription_find(copy, len, SUBSCRIPTION_KEY, &s->key);
    (void)subscription_find(copy, len, SUBSCRIPTION_USER, &s->user);
    (void)subscription_find(copy, len, SUBSCRIPTION_ID, &s->event_id);
}

struct stream *stream_keep(struct stream_holder *k, int fd, const char *what, size_t len) {
    struct stream *s = xcalloc(1, sizeof *s);

    s->fd = fd;
    s->next = &k->head;
    s->prev = k->head.prev;
    stream_set_what(s, what, len);
    k->head.prev->next = s;
    k->head.prev = s;
    k->count++;
    if (!k->stopping) /* otherwise the number is the next one's */
        k->board->streams = (unsigned)k->count;
    settle_key(k, s, NULL);
    stream_holder_add(k, fd, s, EPOLLIN | EPOLLRDHUP);
    return s;
}

void stream_drop(struct stream_holder *k, struct stream *s) {
    if (!s->silent)
        settle_key(k, s, s);
    s->prev->next = s->next;
    s->next->prev = s->prev;
    /* By hand: the worker's copy may still be open, and then close(2) leaves it in (epoll(7)). */
    (void)epoll_ctl(k->epoll, EPOLL_CTL_DEL, s->fd, NULL);
    close(s->fd);
    stream_holder_unsubscribe(k, s);
    free(s->what);
    free(s->out);
    free(s);
    k->count--;
    if (!k->stopping) /* otherwise the number is the next one's */
        k->board->streams = (unsigned)k->count;
}

void stream_end(struct stream_holder *k, struct stream *s) {
    struct subscription_entry e;

    (void)subscription_find(s->what, s->len, SUBSCRIPTION_END, &e); /* none: the stream just ends */
    if (!s->out) /* otherwise it would come in the middle of a message */
        (void)fcgi_conn_send_now(s->fd, s->id, e.text, e.text_len, true);
    stream_drop(k, s);
}

void stream_end_at_once(const struct fcgi_given *given, const char *what, size_t len) {
    struct subscription_entry e;

    (void)subscription_find(what, len, SUBSCRIPTION_END, &e);
    if (send(given->fd, given->first, given->first_len, MSG_DONTWAIT | MSG_NOSIGNAL) ==
        (ssize_t)given->first_len)
        (void)fcgi_conn_send_now(given->fd, given->id, e.text, e.text_len, true);
}

/* ---- what is longer than the peer may take at once ---- */

static void wait_for_room(struct stream_holder *k, struct stream *s, bool wanted) {
    struct epoll_event e = {.events = EPOLLIN | EPOLLRDHUP | (wanted ? EPOLLOUT : 0),
                            .data.ptr = s};

    (void)epoll_ctl(k->epoll, EPOLL_CTL_MOD, s->fd, &e);
}

/* false: the peer is gone. */
bool stream_send_out(struct stream_holder *k, struct stream *s) {
    while (s->out_at < s->out_len) {
        ssize_t n =
            send(s->fd, s->out + s->out_at, s->out_len - s->out_at, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN) {
            wait_for_room(k, s, true);
            return true;
        }
        if (n <= 0)
            return false;
        s->out_at += (size_t)n;
        s->slow = false;
    }
    free(s->out);
    s->out = NULL;
    s->out_len = s->out_at = 0;
    wait_for_room(k, s, false);
    return true;
}

bool stream_send_first(struct stream_holder *k, struct stream *s, const char *records, size_t len) {
    s->out = xmalloc(len + 1);
    memcpy(s->out, records, len);
    s->out_len = len;
    return stream_send_out(k, s);
}

/* false: the peer is gone, or has not read for too long. */
bool stream_send(struct stream_holder *k, struct stream *s, const char *text, size_t len) {
    size_t left = s->out_len - s->out_at;
    char *out;

    if (left + len > OUT_MAX)
        return false;
    out = xmalloc(left + FCGI_FRAMED_MAX(len));
    if (left)
        memcpy(out, s->out + s->out_at, left);
    left += fcgi_conn_frame(s->id, text, len, out + left);
    free(s->out);
    s->out = out;
    s->out_len = left;
    s->out_at = 0;
    return stream_send_out(k, s);
}

/* A peer that does not read has no room left for a few bytes: it is let go. */
bool stream_send_now(struct stream_holder *k, struct stream *s, const char *text, size_t len) {
    return s->out ? stream_send(k, s, text, len)
                  : fcgi_conn_send_now(s->fd, s->id, text, len, false);
}

/* The id is real time, with the number of the event. */
bool stream_tell(struct stream_holder *k, struct stream *s, size_t i, const char *text,
                 size_t len) {
    struct timespec now;
    char line[EVENT_ID_LINE_MAX], *event;
    bool good;
    int n;

    if (!s->event_id.topic)
        return stream_send_now(k, s, text, len);
    (void)clock_gettime(CLOCK_REALTIME, &now);
    n = snprintf(
        line, sizeof line, "id: %.*s%llx.%zu\n", (int)s->event_id.text_len, s->event_id.text,
        (unsigned long long)now.tv_sec * 1000 + (unsigned long long)now.tv_nsec / 1000000, i);
    if (n >= (int)sizeof line)
        return false;
    event = xmalloc((size_t)n + len); /* whole or not at all */
    memcpy(event, line, (size_t)n);
    memcpy(event + n, text, len);
    good = stream_send_now(k, s, event, (size_t)n + len);
    free(event);
    return good;
}
