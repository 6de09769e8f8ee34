#include "server/unsent.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"

#define READY_MAX 64
#define TURN_BYTES ((size_t)1 << 20) /* for one reader before it is the turn of the next */

struct rest {
    struct rest *next, *prev;
    int fd;
    const char *text;
    size_t at, len, taken;
    int64_t since_ms, taken_ms; /* here since then; the last time that some of it was taken */
    char request[REST_ID_MAX];
};

bool rests_init(struct rests *r) {
    *r = (struct rests){.epoll = epoll_create1(EPOLL_CLOEXEC)};
    return r->epoll >= 0;
}

static void drop(struct rests *r, struct rest *s) {
    *(s->prev ? &s->prev->next : &r->first) = s->next;
    if (s->next)
        s->next->prev = s->prev;
    r->count--;
    r->bytes -= s->len;
    /* By hand: the worker's copy may still be open, and then close(2) leaves it in (epoll(7)). */
    (void)epoll_ctl(r->epoll, EPOLL_CTL_DEL, s->fd, NULL);
    (void)close(s->fd);
    (void)munmap((void *)(uintptr_t)s->text, s->len);
    free(s);
}

static void lose(struct rests *r, struct rest *s, const char *why) {
    log_info("reply_lost", kv("request", s->request), kv("why", why),
             kvn("bytes_left", (int64_t)(s->len - s->at)));
    drop(r, s);
}

/* Bytes a second, since it is here. */
static size_t pace(const struct rest *s, int64_t now) {
    return s->taken * 1000 / (size_t)(now - s->since_ms + 1000);
}

static void make_room(struct rests *r, size_t bytes) {
    int64_t now = clock_monotonic_ms();

    while (r->count && (r->count == RESTS_MAX || r->bytes + bytes > RESTS_BYTES_MAX)) {
        struct rest *slowest = r->first;

        for (struct rest *s = r->first; s; s = s->next)
            if (pace(s, now) <= pace(slowest, now))
                slowest = s; /* of several the one that is here longest: new ones come first */
        lose(r, slowest, "too many readers are slow, and this one was the slowest");
    }
}

/* false: the reader is gone, or has it all. */
static bool send_some(struct rests *r, struct rest *s) {
    size_t most = s->at + TURN_BYTES < s->len ? s->at + TURN_BYTES : s->len;

    while (s->at < most) {
        ssize_t n = send(s->fd, s->text + s->at, most - s->at, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return true;
        if (n <= 0) {
            lose(r, s, "the web server went away");
            return false;
        }
        s->at += (size_t)n;
        s->taken += (size_t)n;
        s->taken_ms = clock_monotonic_ms();
    }
    if (s->at < s->len)
        return true;
    drop(r, s);
    return false;
}

/* NULL: it is not what a worker sends. */
static struct rest *new_rest(int file, const struct rest_note *note) {
    struct stat st;
    struct rest *s;
    void *text;

    if (fstat(file, &st) || note->from > note->to || note->to > (uint64_t)st.st_size || !note->to)
        return NULL;
    text = mmap(NULL, note->to, PROT_READ, MAP_SHARED, file, 0);
    if (text == MAP_FAILED)
        return NULL;
    s = xcalloc(1, sizeof *s);
    s->text = text;
    s->at = note->from;
    s->len = note->to;
    s->since_ms = s->taken_ms = clock_monotonic_ms();
    memcpy(s->request, note->request, sizeof s->request - 1);
    return s;
}

void rests_take(struct rests *r, int fd, int file, const struct rest_note *note) {
    struct epoll_event e = {.events = EPOLLOUT};
    struct rest *s = new_rest(file, note);

    (void)close(file);
    if (!s) {
        (void)close(fd);
        return;
    }
    make_room(r, s->len);
    s->fd = fd;
    s->next = r->first;
    if (r->first)
        r->first->prev = s;
    r->first = s;
    r->count++;
    r->bytes += s->len;
    e.data.ptr = s;
    if (epoll_ctl(r->epoll, EPOLL_CTL_ADD, fd, &e))
        lose(r, s, strerror(errno));
}

void rests_send(struct rests *r) {
    struct epoll_event events[READY_MAX];
    int n = epoll_wait(r->epoll, events, READY_MAX, 0);

    for (int i = 0; i < n; i++) /* each is there once, and drops no other */
        (void)send_some(r, events[i].data.ptr);
}

void rests_drop_silent(struct rests *r) {
    int64_t now = clock_monotonic_ms();

    for (struct rest *s = r->first, *next; s; s = next) {
        next = s->next;
        if (now - s->taken_ms > REST_SILENCE_MS)
            lose(r, s, "the web server stopped reading");
    }
}
