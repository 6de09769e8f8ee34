#include "server/unsent.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define READY_MAX 64
#define ROUND_BYTES ((size_t)1 << 20) /* to one reader, before the next one gets some */

struct unsent {
    struct unsent *next, *prev;
    int fd;
    const char *text;
    size_t at, len, taken;
    int64_t since_ms, taken_ms; /* when it came; when some of it was taken last */
    char request[UNSENT_REQUEST_ID_MAX];
};

bool unsent_init(struct unsent_list *l) {
    *l = (struct unsent_list){.epoll = epoll_create1(EPOLL_CLOEXEC)};
    return l->epoll >= 0;
}

static void drop(struct unsent_list *l, struct unsent *s) {
    *(s->prev ? &s->prev->next : &l->first) = s->next;
    if (s->next)
        s->next->prev = s->prev;
    l->count--;
    l->bytes -= s->len;
    /* By hand: the worker's copy may still be open, and then close(2) leaves it in (epoll(7)). */
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
        struct unsent *slowest = l->first;

        for (struct unsent *s = l->first; s; s = s->next)
            if (pace(s, now) <= pace(slowest, now))
                slowest = s; /* of equals the oldest: new ones come first in the list */
        lose(l, slowest, "too many readers are slow, and this one was the slowest");
    }
}

/* false: the reader is gone, or has it all. */
static bool send_some(struct unsent_list *l, struct unsent *s) {
    size_t most = s->at + ROUND_BYTES < s->len ? s->at + ROUND_BYTES : s->len;

    while (s->at < most) {
        ssize_t n = send(s->fd, s->text + s->at, most - s->at, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return true;
        if (n <= 0) {
            lose(l, s, "the web server went away");
            return false;
        }
        s->at += (size_t)n;
        s->taken += (size_t)n;
        s->taken_ms = clock_monotonic_ms();
    }
    if (s->at < s->len)
        return true;
    drop(l, s);
    return false;
}

/* NULL: the message or the file is not as a worker sends them. */
static struct unsent *map_reply(int file, const struct unsent_message *m) {
    struct stat st;
    struct unsent *s;
    void *text;

    if (fstat(file, &st) || m->from > m->to || m->to > (uint64_t)st.st_size || !m->to)
        return NULL;
    text = mmap(NULL, m->to, PROT_READ, MAP_SHARED, file, 0);
    if (text == MAP_FAILED)
        return NULL;
    s = xcalloc(1, sizeof *s);
    s->text = text;
    s->at = m->from;
    s->len = m->to;
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
    s->next = l->first;
    if (l->first)
        l->first->prev = s;
    l->first = s;
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
        (void)send_some(l, events[i].data.ptr);
}

void unsent_drop_silent(struct unsent_list *l) {
    int64_t now = clock_monotonic_ms();

    for (struct unsent *s = l->first, *next; s; s = next) {
        next = s->next;
        if (now - s->taken_ms > UNSENT_SILENCE_MS)
            lose(l, s, "the web server stopped reading");
    }
}
