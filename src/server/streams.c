/* Private part of stream_holder.h: the streams, what they wait for, and what is sent to them. */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/base.h"
#include "server/stream_holder.h"
#include "server/worker.h"
#include "web/fcgi.h"
#include "web/fcgi_conn.h"

#define OUT_MAX (2 * TASK_UPDATE_MAX) /* bytes that wait for one peer */

void stream_holder_add(struct stream_holder *h, int fd, void *mark, uint32_t events) {
    struct epoll_event e = {.events = events, .data.ptr = mark};

    if (fd < 0 || epoll_ctl(h->epoll, EPOLL_CTL_ADD, fd, &e)) {
        log_error("stream_holder_failed", kv("why", strerror(errno)));
        exit(WORKER_EXIT_START);
    }
}

static bool same_key(const struct stream *a, const struct stream *b) {
    return a->key.p && b->key.p && text_equal(a->key, b->key);
}

/* Of several streams with one key, changes are sent to the newest and to no other: MCP 2025-11-25,
 * "Multiple Connections", forbids to send the same message on several streams of a session. */
static void settle_key(struct stream_holder *h, const struct stream *of, const struct stream *but) {
    bool newer = false;

    for (struct stream *s = h->head.prev; s != &h->head && of->key.p; s = s->prev)
        if (s != but && same_key(s, of)) {
            s->silent = newer;
            newer = true;
        }
}

void stream_set_subscriptions(struct stream *s, struct text subscriptions) {
    char *copy = xmalloc(subscriptions.len + 1);
    struct subscription found;

    memcpy(copy, subscriptions.p, subscriptions.len);
    free((char *)(uintptr_t)s->subscriptions.p);
    s->subscriptions = (struct text){copy, subscriptions.len};
    (void)subscription_find(s->subscriptions, SUBSCRIPTION_KEY, &found);
    s->key = found.argument;
    (void)subscription_find(s->subscriptions, SUBSCRIPTION_USER, &found);
    s->user = found.argument;
    (void)subscription_find(s->subscriptions, SUBSCRIPTION_EVENT_IDS, &found);
    (void)snprintf(s->event_ids, sizeof s->event_ids, "%.*s", (int)found.argument.len,
                   found.argument.p ? found.argument.p : "");
}

struct stream *stream_add(struct stream_holder *h, int fd, struct text subscriptions) {
    struct stream *s = xcalloc(1, sizeof *s);

    s->fd = fd;
    s->next = &h->head;
    s->prev = h->head.prev;
    stream_set_subscriptions(s, subscriptions);
    h->head.prev->next = s;
    h->head.prev = s;
    h->count++;
    if (!h->stopping) /* otherwise the number is the next one's */
        h->board->streams = (unsigned)h->count;
    settle_key(h, s, NULL);
    stream_holder_add(h, fd, s, EPOLLIN | EPOLLRDHUP);
    return s;
}

void stream_drop(struct stream_holder *h, struct stream *s) {
    if (!s->silent)
        settle_key(h, s, s);
    s->prev->next = s->next;
    s->next->prev = s->prev;
    /* By hand: the worker's copy may still be open, and then close(2) leaves it in (epoll(7)). */
    (void)epoll_ctl(h->epoll, EPOLL_CTL_DEL, s->fd, NULL);
    close(s->fd);
    stream_holder_unsubscribe(h, s);
    free((char *)(uintptr_t)s->subscriptions.p);
    free(s->out);
    free(s);
    h->count--;
    if (!h->stopping) /* otherwise the number is the next one's */
        h->board->streams = (unsigned)h->count;
}

void stream_end(struct stream_holder *h, struct stream *s) {
    struct subscription last;

    (void)subscription_find(s->subscriptions, SUBSCRIPTION_END,
                            &last); /* or the stream just ends */
    if (!s->out)                    /* otherwise it would come in the middle of a message */
        (void)fcgi_conn_send_now(s->fd, s->id, last.text.p, last.text.len, true);
    stream_drop(h, s);
}

void stream_end_at_once(const struct fcgi_detached *detached, struct text subscriptions) {
    struct subscription last;

    (void)subscription_find(subscriptions, SUBSCRIPTION_END, &last);
    if (send(detached->fd, detached->first, detached->first_len, MSG_DONTWAIT | MSG_NOSIGNAL) ==
        (ssize_t)detached->first_len)
        (void)fcgi_conn_send_now(detached->fd, detached->id, last.text.p, last.text.len, true);
}

/* ---- what is longer than the peer may take at once ---- */

static void wait_for_room(struct stream_holder *h, struct stream *s, bool wanted) {
    struct epoll_event e = {.events = EPOLLIN | EPOLLRDHUP | (wanted ? EPOLLOUT : 0),
                            .data.ptr = s};

    (void)epoll_ctl(h->epoll, EPOLL_CTL_MOD, s->fd, &e);
}

/* false: the peer is gone. */
bool stream_send_out(struct stream_holder *h, struct stream *s) {
    while (s->out_at < s->out_len) {
        ssize_t n =
            send(s->fd, s->out + s->out_at, s->out_len - s->out_at, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN) {
            wait_for_room(h, s, true);
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
    wait_for_room(h, s, false);
    return true;
}

bool stream_send_first(struct stream_holder *h, struct stream *s, const char *records, size_t len) {
    s->out = xmalloc(len + 1);
    memcpy(s->out, records, len);
    s->out_len = len;
    return stream_send_out(h, s);
}

/* false: the peer is gone, or has not read for too long. */
bool stream_send(struct stream_holder *h, struct stream *s, const char *text, size_t len) {
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
    return stream_send_out(h, s);
}

/* A peer that does not read has no room left for a few bytes: it is let go. */
bool stream_send_now(struct stream_holder *h, struct stream *s, const char *text, size_t len) {
    return s->out ? stream_send(h, s, text, len)
                  : fcgi_conn_send_now(s->fd, s->id, text, len, false);
}

bool stream_send_event(struct stream_holder *h, struct stream *s, size_t i, struct text event) {
    const struct sse_id id = sse_id_now(s->event_ids, (int)i);
    char line[SSE_ID_LINE_MAX], *whole;
    size_t len;
    bool sent;

    if (!*s->event_ids)
        return stream_send_now(h, s, event.p, event.len);
    len = sse_id_line(&id, line);
    whole = xmalloc(len + event.len); /* whole or not at all */
    memcpy(whole, line, len);
    memcpy(whole + len, event.p, event.len);
    sent = stream_send_now(h, s, whole, len + event.len);
    free(whole);
    return sent;
}
