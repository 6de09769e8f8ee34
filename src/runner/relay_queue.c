/* Private part of relay.h: bytes that wait. */
#include <errno.h>
#include <unistd.h>

#include "runner/packet.h"
#include "runner/relay.h"

#define READ_BYTES 65536

/* Room for more at its end. */
static void make_room(struct relay_queue *q, size_t more) {
    char *p;

    if (q->from + q->len + more <= q->cap)
        return;
    if (q->from && q->len + more <= q->cap) {
        memmove(q->p, q->p + q->from, q->len);
        q->from = 0;
        return;
    }
    q->cap = (q->len + more) * 2;
    p = xmalloc(q->cap);
    if (q->len)
        memcpy(p, q->p + q->from, q->len);
    free(q->p);
    q->p = p;
    q->from = 0;
}

void relay_queue_add(struct relay_queue *q, const void *p, size_t len) {
    make_room(q, len);
    memcpy(q->p + q->from + q->len, p, len);
    q->len += len;
}

/* A large one gives its memory back when it is empty. */
void relay_queue_take(struct relay_queue *q, size_t len) {
    q->from += len;
    q->len -= len;
    if (q->len)
        return;
    q->from = 0;
    if (q->cap > 4 * READ_BYTES)
        relay_queue_free(q);
}

void relay_queue_free(struct relay_queue *q) {
    free(q->p);
    *q = (struct relay_queue){0};
}

int relay_queue_read(struct relay_queue *q, int fd, int *passed) {
    int fds[1];
    struct packet p = {.size = READ_BYTES, .fds = fds, .fds_max = 1};
    ssize_t n;

    make_room(q, READ_BYTES);
    p.buffer = q->p + q->from + q->len;
    n = passed ? packet_receive(fd, &p) : read(fd, p.buffer, p.size);
    if (p.fd_count && *passed < 0)
        *passed = fds[0];
    else if (p.fd_count)
        (void)close(fds[0]);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? -1 : 0;
    q->len += (size_t)n;
    return n > 0;
}

bool relay_queue_write(struct relay_queue *q, int fd) {
    ssize_t n = q->len ? write(fd, q->p + q->from, q->len) : 0;

    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    relay_queue_take(q, (size_t)n);
    return true;
}

bool relay_queue_line(struct relay_queue *q, struct text *line) {
    const char *begin, *end;

    if (!q->len) {
        relay_queue_take(q, 0);
        return false;
    }
    begin = q->p + q->from;
    end = memchr(begin, '\n', q->len);
    if (!end)
        return false;
    *line = (struct text){begin, (size_t)(end - begin)};
    /* Not relay_queue_take, which may free it. */
    q->from += line->len + 1;
    q->len -= line->len + 1;
    return true;
}
