/* Private part of stream_holder.h: the streams, their subscriptions, and what is sent to them and
 * to the slow readers of replies. */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/stream_holder.h"
#include "server/worker.h"
#include "web/fcgi_conn.h"

#define OUT_MAX (2 * TASK_UPDATE_MAX) /* unsent bytes of one stream */
#define READY_MAX 64
#define ROUND_BYTES ((size_t)1 << 20) /* to one reader, before the next one gets some */

void stream_holder_add(struct stream_holder *h, int fd, void *data, uint32_t events) {
    struct epoll_event e = {.events = events, .data.ptr = data};

    if (fd < 0 || epoll_ctl(h->epoll, EPOLL_CTL_ADD, fd, &e)) {
        log_error("stream_holder_failed", kv("why", strerror(errno)));
        exit(WORKER_EXIT_START);
    }
}

/* Of several streams with one key, only the newest gets changes: MCP 2025-11-25, "Multiple
 * Connections", forbids to send the same message on several streams of a session. `ended`: a stream
 * that does not count; may be NULL. */
static void mark_superseded(struct stream_holder *h, const struct stream *of,
                            const struct stream *ended) {
    bool newer = false;

    for (struct stream *s = TAILQ_LAST(&h->streams, stream_list); s && of->key.p;
         s = TAILQ_PREV(s, stream_list, link))
        if (s != ended && s->key.p && text_equal(s->key, of->key)) {
            s->superseded = newer;
            newer = true;
        }
}

static void leave_user(struct stream_holder *h, struct stream *s) {
    if (s->user.p)
        TAILQ_REMOVE(&h->users[stream_user_bucket(s->user)], s, of_user);
}

/* A stream that stays its user's keeps its place. */
static void set_user(struct stream_holder *h, struct stream *s, struct text user) {
    const bool stays = s->user.p && user.p && text_equal(s->user, user);

    if (!stays)
        leave_user(h, s);
    s->user = user;
    if (user.p && !stays)
        TAILQ_INSERT_TAIL(&h->users[stream_user_bucket(user)], s, of_user);
}

void stream_set_subscriptions(struct stream_holder *h, struct stream *s,
                              struct text subscriptions) {
    char *copy = xmalloc(subscriptions.len + 1);
    const char *old = s->subscriptions.p;
    struct subscription found;

    memcpy(copy, subscriptions.p, subscriptions.len);
    s->subscriptions = (struct text){copy, subscriptions.len};
    (void)subscription_find(s->subscriptions, SUBSCRIPTION_KEY, &found);
    s->key = found.argument;
    (void)subscription_find(s->subscriptions, SUBSCRIPTION_USER, &found);
    set_user(h, s, found.argument);
    (void)subscription_find(s->subscriptions, SUBSCRIPTION_EVENT_IDS, &found);
    s->event_ids = found.argument;
    free((char *)(uintptr_t)old);
}

struct stream *stream_add(struct stream_holder *h, int fd, struct text subscriptions) {
    struct stream *s = xcalloc(1, sizeof *s);

    s->fd = fd;
    stream_set_subscriptions(h, s, subscriptions);
    TAILQ_INSERT_TAIL(&h->streams, s, link);
    h->count++;
    if (!h->stopping) /* otherwise the next stream holder writes it */
        h->board->streams = (unsigned)h->count;
    mark_superseded(h, s, NULL);
    stream_holder_add(h, fd, s, EPOLLIN | EPOLLRDHUP);
    return s;
}

void stream_drop(struct stream_holder *h, struct stream *s) {
    if (!s->superseded)
        mark_superseded(h, s, s);
    TAILQ_REMOVE(&h->streams, s, link);
    /* close(2) does not remove it while the worker's copy of the descriptor is open (epoll(7)). */
    (void)epoll_ctl(h->epoll, EPOLL_CTL_DEL, s->fd, NULL);
    close(s->fd);
    stream_holder_unsubscribe(h, s);
    leave_user(h, s);
    free((char *)(uintptr_t)s->subscriptions.p);
    free(s->out);
    free(s);
    h->count--;
    if (!h->stopping) /* otherwise the next stream holder writes it */
        h->board->streams = (unsigned)h->count;
}

static void send_end(int fd, unsigned id, struct text subscriptions) {
    struct subscription last;

    (void)subscription_find(subscriptions, SUBSCRIPTION_END, &last); /* without one it just ends */
    (void)fcgi_send_now(fd, id, last.text.p, last.text.len, true);
}

void stream_end(struct stream_holder *h, struct stream *s) {
    if (!s->out) /* otherwise it would arrive in the middle of a message */
        send_end(s->fd, s->id, s->subscriptions);
    stream_drop(h, s);
}

void stream_end_at_once(const struct fcgi_detached *detached, struct text subscriptions) {
    if (send(detached->fd, detached->records, detached->records_len, MSG_DONTWAIT | MSG_NOSIGNAL) ==
        (ssize_t)detached->records_len)
        send_end(detached->fd, detached->id, subscriptions);
}

/* ---- output that is longer than the peer may take at once ---- */

/* Sends text[*at] to text[end - 1], as far as the peer takes it now. false: it has disconnected. */
static bool send_available(int fd, const char *text, size_t *at, size_t end) {
    while (*at < end) {
        ssize_t n = send(fd, text + *at, end - *at, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 && errno == EAGAIN;
        *at += (size_t)n;
    }
    return true;
}

bool stream_send_out(struct stream_holder *h, struct stream *s) {
    struct epoll_event e = {.events = EPOLLIN | EPOLLRDHUP, .data.ptr = s};
    size_t at = s->out_at;

    if (!send_available(s->fd, s->out, &at, s->out_len))
        return false;
    s->slow = s->slow && s->out_at == at;
    s->out_at = (uint32_t)at;
    if (s->out_at < s->out_len) {
        e.events |= EPOLLOUT;
    } else {
        free(s->out);
        s->out = NULL;
        s->out_len = s->out_at = 0;
    }
    (void)epoll_ctl(h->epoll, EPOLL_CTL_MOD, s->fd, &e);
    return true;
}

bool stream_send_first(struct stream_holder *h, struct stream *s, const char *records, size_t len) {
    s->out = xmalloc(len + 1);
    memcpy(s->out, records, len);
    s->out_len = (uint32_t)len;
    return stream_send_out(h, s);
}

bool stream_send(struct stream_holder *h, struct stream *s, const char *text, size_t len) {
    size_t left = s->out_len - s->out_at;
    char *out;

    if (left + len > OUT_MAX)
        return false;
    out = xmalloc(left + FCGI_RECORDS_MAX(len));
    if (left)
        memcpy(out, s->out + s->out_at, left);
    left += fcgi_records(s->id, text, len, false, out + left);
    free(s->out);
    s->out = out;
    s->out_len = (uint32_t)left;
    s->out_at = 0;
    return stream_send_out(h, s);
}

bool stream_send_now(struct stream_holder *h, struct stream *s, const char *text, size_t len) {
    return s->out ? stream_send(h, s, text, len) : fcgi_send_now(s->fd, s->id, text, len, false);
}

bool stream_send_event(struct stream_holder *h, struct stream *s, size_t i, struct text event) {
    char name[SSE_STREAM_MAX + 1], line[SSE_ID_LINE_MAX], *whole;
    struct sse_id id;
    size_t len;
    bool sent;

    if (!s->event_ids.len)
        return stream_send_now(h, s, event.p, event.len);
    (void)snprintf(name, sizeof name, "%.*s", (int)s->event_ids.len, s->event_ids.p);
    id = sse_id_now(name, (int)i);
    len = sse_id_line(&id, line);
    whole = xmalloc(len + event.len); /* whole or not at all */
    memcpy(whole, line, len);
    memcpy(whole + len, event.p, event.len);
    sent = stream_send_now(h, s, whole, len + event.len);
    free(whole);
    return sent;
}

/* ---- ends of replies ---- */

struct unsent {
    LIST_ENTRY(unsent) link;
    int fd;
    const char *text;
    size_t at, len, taken;
    int64_t since_ms, taken_ms; /* monotonic: when it arrived; when the reader last took some */
    char request[UNSENT_REQUEST_ID_MAX];
};

static void drop(struct unsent_list *l, struct unsent *s) {
    LIST_REMOVE(s, link);
    l->count--;
    l->bytes -= s->len;
    /* As in stream_drop. */
    (void)epoll_ctl(l->epoll, EPOLL_CTL_DEL, s->fd, NULL);
    (void)close(s->fd);
    (void)munmap((void *)(uintptr_t)s->text, s->len);
    free(s);
}

static void lose(struct unsent_list *l, struct unsent *s, const char *why) {
    log_info("reply_lost", kv("request", s->request), kv("why", why),
             kvn("bytes_left", (int64_t)(s->len - s->at)));
    drop(l, s);
}

/* Bytes that its reader has taken a second. */
static size_t pace(const struct unsent *s, int64_t now) {
    return s->taken * 1000 / (size_t)(now - s->since_ms + 1000);
}

static void make_room(struct unsent_list *l, size_t bytes) {
    int64_t now = clock_monotonic_ms();

    while (l->count && (l->count == UNSENT_MAX || l->bytes + bytes > UNSENT_BYTES_MAX)) {
        struct unsent *slowest = LIST_FIRST(&l->list);

        for (struct unsent *s = slowest; s; s = LIST_NEXT(s, link))
            if (pace(s, now) <= pace(slowest, now))
                slowest = s; /* of equals the oldest */
        lose(l, slowest, "too many readers are slow, and this one was the slowest");
    }
}

static void send_some(struct unsent_list *l, struct unsent *s) {
    const size_t before = s->at;
    const size_t end = s->at + ROUND_BYTES < s->len ? s->at + ROUND_BYTES : s->len;
    const bool connected = send_available(s->fd, s->text, &s->at, end);

    if (s->at > before) {
        s->taken += s->at - before;
        s->taken_ms = clock_monotonic_ms();
    }
    if (!connected)
        lose(l, s, "the web server went away");
    else if (s->at == s->len)
        drop(l, s);
}

/* NULL: the message or the file is malformed. */
static struct unsent *map_reply(int file, const struct unsent_message *m) {
    struct stat st;
    struct unsent *s;
    void *text;

    if (fstat(file, &st) || st.st_size <= 0)
        return NULL;
    text = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, file, 0);
    if (text == MAP_FAILED)
        return NULL;
    s = xcalloc(1, sizeof *s);
    s->text = text;
    s->len = (size_t)st.st_size;
    s->since_ms = s->taken_ms = clock_monotonic_ms();
    memcpy(s->request, m->request, sizeof s->request - 1);
    return s;
}

void unsent_add(struct unsent_list *l, int fd, int file, const struct unsent_message *m) {
    struct epoll_event e = {.events = EPOLLOUT};
    struct unsent *s = map_reply(file, m);

    (void)close(file);
    if (!s) {
        (void)close(fd);
        return;
    }
    make_room(l, s->len);
    s->fd = fd;
    LIST_INSERT_HEAD(&l->list, s, link);
    l->count++;
    l->bytes += s->len;
    e.data.ptr = s;
    if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &e))
        lose(l, s, strerror(errno));
}

void unsent_send(struct unsent_list *l) {
    struct epoll_event events[READY_MAX];
    int n = epoll_wait(l->epoll, events, READY_MAX, 0);

    for (int i = 0; i < n; i++) /* each has one event, and dropping it frees no other */
        send_some(l, events[i].data.ptr);
}

void unsent_drop_silent(struct unsent_list *l) {
    int64_t now = clock_monotonic_ms();

    for (struct unsent *s = LIST_FIRST(&l->list), *next; s; s = next) {
        next = LIST_NEXT(s, link);
        if (now - s->taken_ms > UNSENT_SILENCE_MS)
            lose(l, s, "the web server stopped reading");
    }
}
