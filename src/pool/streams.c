/* The streams that the keeper holds: what they wait for, and what is sent to them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "pool/keeper.h"
#include "web/fcgi_conn.h"

#define OUT_MAX (2 * NEWS_BYTES_MAX) /* bytes that wait for one peer */

void keeper_add(struct keeper *k, int fd, void *mark, uint32_t events) {
    struct epoll_event e = {.events = events, .data.ptr = mark};

    if (fd < 0 || epoll_ctl(k->epoll, EPOLL_CTL_ADD, fd, &e)) {
        log_error("keeper_failed", kv("why", strerror(errno)));
        exit(WORKER_EXIT_START);
    }
}

bool stream_find(const struct stream *s, const char *topic, struct handover_entry *e) {
    const char *p = s->what, *end = p + s->len;
    size_t len = strlen(topic);

    while (handover_next(&p, end, e))
        if (e->topic_len == len && !memcmp(e->topic, topic, len))
            return true;
    return false;
}

void stream_drop(struct keeper *k, struct stream *s) {
    s->prev->next = s->next;
    s->next->prev = s->prev;
    close(s->fd);
    keeper_stop_asking(k, s);
    free(s->what);
    free(s->out);
    free(s);
    k->count--;
}

void stream_end(struct keeper *k, struct stream *s) {
    struct handover_entry e = {0};

    (void)stream_find(s, HANDOVER_END, &e);
    if (!s->out) /* otherwise it would come in the middle of a message */
        (void)fcgi_conn_send_now(s->fd, s->id, e.text, e.text_len, true);
    stream_drop(k, s);
}

/* ---- what is longer than the peer may take at once ---- */

static void wait_for_room(struct keeper *k, struct stream *s, bool wanted) {
    struct epoll_event e = {.events = EPOLLIN | EPOLLRDHUP | (wanted ? EPOLLOUT : 0),
                            .data.ptr = s};

    (void)epoll_ctl(k->epoll, EPOLL_CTL_MOD, s->fd, &e);
}

/* false: the peer is gone. */
bool stream_send_out(struct keeper *k, struct stream *s) {
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

/* false: the peer is gone, or has not read for too long. */
bool stream_send(struct keeper *k, struct stream *s, const char *text, size_t len) {
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
bool stream_send_now(struct keeper *k, struct stream *s, const char *text, size_t len) {
    return s->out ? stream_send(k, s, text, len)
                  : fcgi_conn_send_now(s->fd, s->id, text, len, false);
}
