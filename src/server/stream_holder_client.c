/* The worker's side of the keeper: what is handed to it. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "server/stream_holder.h"
#include "web/fcgi.h"

/* The keeper may have much to take at once: that is no reason to end a stream. */
static bool send_in_time(int outbox, const struct msghdr *m) {
    const int64_t until = clock_monotonic_ms() + STREAM_HOLDER_TAKES_MS;

    while (sendmsg(outbox, m, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
        struct pollfd room = {.fd = outbox, .events = POLLOUT};
        int64_t left = until - clock_monotonic_ms();

        if ((errno != EAGAIN && errno != EINTR) || left <= 0)
            return false;
        if (poll(&room, 1, (int)left) == 0)
            errno = EAGAIN;
    }
    return true;
}

/* The message `m`, with descriptors. */
static bool send_letter(int outbox, struct msghdr *m, const int *fds, size_t count) {
    union control control = {0};

    if (count) {
        struct cmsghdr *c;

        m->msg_control = &control;
        m->msg_controllen = CMSG_SPACE(count * sizeof *fds);
        c = CMSG_FIRSTHDR(m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(count * sizeof *fds);
        memcpy(CMSG_DATA(c), fds, count * sizeof *fds);
    }
    return send_in_time(outbox, m);
}

bool stream_holder_hand_over(int outbox, const struct fcgi_given *given, int64_t until_s,
                             const struct buf *what) {
    struct letter l = {.until_s = until_s};
    struct iovec parts[] = {{&l, sizeof l}, {0}, {what->p, what->len}};
    struct msghdr m = {.msg_iov = parts, .msg_iovlen = 3};

    if (!given)
        return send_letter(outbox, &m, NULL, 0);
    l.id = given->id;
    l.first_len = (uint32_t)given->first_len;
    parts[1] = (struct iovec){(void *)(uintptr_t)given->first, given->first_len};
    return send_letter(outbox, &m, &given->fd, 1);
}

bool stream_holder_give_rest(int outbox, const struct fcgi_rest *rest) {
    struct rest_note note = {.from = rest->from, .to = rest->to};
    struct iovec part = {&note, sizeof note};
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};
    const int fds[] = {rest->fd, rest->file};

    (void)snprintf(note.request, sizeof note.request, "%s", rest->request);
    return send_letter(outbox, &m, fds, 2);
}
