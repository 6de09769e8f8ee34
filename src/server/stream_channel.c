#include "server/stream_channel.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#define DESCRIPTORS_MAX 2 /* of one message: a connection, and the file of an unsent reply */
#define MESSAGE_MAX (sizeof(struct stream_header) + FCGI_FIRST_MAX + SUBSCRIPTION_BYTES_MAX)

union control {
    struct cmsghdr align;
    char space[CMSG_SPACE(DESCRIPTORS_MAX * sizeof(int))];
};

/* ---- by workers ---- */

static bool send_in_time(int channel, const struct msghdr *m) {
    const int64_t until = clock_monotonic_ms() + STREAM_CHANNEL_WAIT_MS;

    while (sendmsg(channel, m, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
        struct pollfd room = {.fd = channel, .events = POLLOUT};
        int64_t left = until - clock_monotonic_ms();

        if ((errno != EAGAIN && errno != EINTR) || left <= 0)
            return false;
        if (poll(&room, 1, (int)left) == 0)
            errno = EAGAIN;
    }
    return true;
}

/* The message `m`, with descriptors. */
static bool send_message(int channel, struct msghdr *m, const int *fds, size_t count) {
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
    return send_in_time(channel, m);
}

bool stream_channel_send_stream(int channel, const struct fcgi_detached *stream, int64_t until_s,
                                const struct buf *subscriptions) {
    struct stream_header header = {
        .id = stream->id, .first_len = (uint32_t)stream->first_len, .until_s = until_s};
    struct iovec parts[] = {{&header, sizeof header},
                            {(void *)(uintptr_t)stream->first, stream->first_len},
                            {subscriptions->p, subscriptions->len}};
    struct msghdr m = {.msg_iov = parts, .msg_iovlen = 3};

    return send_message(channel, &m, &stream->fd, 1);
}

bool stream_channel_replace(int channel, const struct buf *subscriptions) {
    struct stream_header header = {0};
    struct iovec parts[] = {{&header, sizeof header}, {subscriptions->p, subscriptions->len}};
    struct msghdr m = {.msg_iov = parts, .msg_iovlen = 2};

    return send_message(channel, &m, NULL, 0);
}

bool stream_channel_send_unsent(int channel, const struct fcgi_unsent *reply) {
    struct unsent_message message = {.from = reply->from, .to = reply->to};
    struct iovec part = {&message, sizeof message};
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};
    const int fds[] = {reply->fd, reply->file};

    (void)snprintf(message.request, sizeof message.request, "%s", reply->request);
    return send_message(channel, &m, fds, 2);
}

/* ---- by the stream holder ---- */

static int take_descriptors(struct msghdr *m, int fds[DESCRIPTORS_MAX]) {
    struct cmsghdr *c = CMSG_FIRSTHDR(m);
    size_t len;

    if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
        return 0;
    len = c->cmsg_len - CMSG_LEN(0);
    memcpy(fds, CMSG_DATA(c), len);
    return (int)(len / sizeof *fds);
}

/* What a message is, by its descriptors and length. false: nothing that a worker sends. */
static bool parse(const char *p, size_t len, const int *fds, int count,
                  struct stream_message *out) {
    *out = (struct stream_message){.fd = count ? fds[0] : -1, .file = count > 1 ? fds[1] : -1};
    if (count > 1) {
        out->kind = STREAM_MESSAGE_UNSENT;
        if (len == sizeof out->unsent)
            memcpy(&out->unsent, p, sizeof out->unsent);
        return len == sizeof out->unsent;
    }
    out->kind = count ? STREAM_MESSAGE_STREAM : STREAM_MESSAGE_REPLACE;
    if (len < sizeof out->header)
        return false;
    memcpy(&out->header, p, sizeof out->header);
    out->p = p + sizeof out->header;
    out->len = len - sizeof out->header;
    return out->header.first_len <= out->len;
}

bool stream_channel_receive(int channel, struct stream_message *out) {
    static char buf[MESSAGE_MAX];
    union control control;

    for (;;) {
        struct iovec part = {buf, sizeof buf};
        struct msghdr m = {.msg_iov = &part,
                           .msg_iovlen = 1,
                           .msg_control = &control,
                           .msg_controllen = sizeof control};
        ssize_t n = recvmsg(channel, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        int fds[DESCRIPTORS_MAX], count;

        if (n < 0)
            return false;
        count = take_descriptors(&m, fds);
        if (!(m.msg_flags & MSG_TRUNC) && parse(buf, (size_t)n, fds, count, out))
            return true;
        while (count)
            (void)close(fds[--count]);
    }
}
