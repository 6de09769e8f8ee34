/* Private part of stream_holder.h: what workers send to the holder, over a datagram socket. */
#include "server/stream_holder.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#define DESCRIPTORS_MAX PARKED_ALL_FDS /* of one message */
#define MESSAGE_MAX (sizeof(struct stream_header) + FCGI_DETACHED_MAX + SUBSCRIPTION_BYTES_MAX)

union control {
    struct cmsghdr align;
    char space[CMSG_SPACE(DESCRIPTORS_MAX * sizeof(int))];
};

/* ---- by workers ---- */

static bool send_in_time(int channel, const struct msghdr *m, int wait_ms) {
    const int64_t until = clock_monotonic_ms() + wait_ms;

    while (sendmsg(channel, m, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
        if (errno != EAGAIN && errno != EINTR)
            return false;
        if (!descriptor_wait(channel, POLLOUT, until)) {
            errno = EAGAIN;
            return false;
        }
    }
    return true;
}

/* A message of these parts, with `count` descriptors. */
static bool send_message(int channel, struct iovec *parts, size_t part_count, const int *fds,
                         size_t count) {
    struct msghdr m = {.msg_iov = parts, .msg_iovlen = part_count};
    union control control = {0};

    if (count)
        descriptors_add(&m, &control, fds, count);
    return send_in_time(channel, &m, STREAM_CHANNEL_WAIT_MS);
}

bool stream_channel_send_stream(int channel, const struct fcgi_detached *stream, int64_t until_s,
                                const struct buf *subscriptions) {
    struct stream_header header = {
        .id = stream->id, .records_len = (uint32_t)stream->records_len, .until_s = until_s};
    struct iovec parts[] = {{&header, sizeof header},
                            {(void *)(uintptr_t)stream->records, stream->records_len},
                            {subscriptions->p, subscriptions->len}};

    return send_message(channel, parts, 3, &stream->fd, 1);
}

bool stream_channel_replace(int channel, const struct buf *subscriptions) {
    struct stream_header header = {0};
    struct iovec parts[] = {{&header, sizeof header}, {subscriptions->p, subscriptions->len}};

    return send_message(channel, parts, 2, NULL, 0);
}

bool stream_channel_send_unsent(int channel, const struct fcgi_unsent *reply) {
    struct unsent_message message = {0};
    struct iovec part = {&message, sizeof message};
    const int fds[] = {reply->fd, reply->file};

    (void)snprintf(message.request, sizeof message.request, "%s", reply->request);
    return send_message(channel, &part, 1, fds, 2);
}

bool stream_channel_send_parked(int channel, const struct parked_call *call, int wait_ms) {
    struct parked_message message = call->message;
    struct iovec part = {&message, sizeof message};
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};
    union control control = {0};
    int fds[PARKED_ALL_FDS];
    size_t count = 0;

    message.present = 0;
    for (unsigned i = 0; i < PARKED_ALL_FDS; i++)
        if (call->fds[i] >= 0) {
            message.present |= 1U << i;
            fds[count++] = call->fds[i];
        }
    descriptors_add(&m, &control, fds, count);
    return send_in_time(channel, &m, wait_ms);
}

/* ---- by the stream holder ---- */

static bool parse_parked(const char *p, const int *fds, int count, struct parked_call *out) {
    int used = 0;

    memcpy(&out->message, p, sizeof out->message);
    for (unsigned i = 0; i < PARKED_ALL_FDS; i++)
        out->fds[i] = out->message.present >> i & 1 && used < count ? fds[used++] : -1;
    out->message.user[PARKED_USER_MAX] = 0;
    /* With both it has two descriptors also when its connection is gone, as parse() needs. */
    return used == count && out->fds[PARKED_FILE] >= 0 && out->fds[PARKED_ANSWERS] >= 0 &&
           out->message.until_ms >= 0 && out->message.keep_alive_ms >= 0 &&
           out->message.keep_alive_ms <= PARKED_KEEP_ALIVE_MAX_MS;
}

/* Determines the kind of a message by its descriptors and length. false: it is malformed. */
static bool parse(const char *p, size_t len, const int *fds, int count,
                  struct stream_message *out) {
    _Static_assert(sizeof out->parked.message != sizeof out->unsent, "told apart by their length");
    *out = (struct stream_message){.fd = count ? fds[0] : -1, .file = count > 1 ? fds[1] : -1};
    if (count > 1 && len == sizeof out->parked.message) {
        out->kind = STREAM_MESSAGE_PARKED;
        return parse_parked(p, fds, count, &out->parked);
    }
    if (count > 1) {
        out->kind = STREAM_MESSAGE_UNSENT;
        if (len == sizeof out->unsent)
            memcpy(&out->unsent, p, sizeof out->unsent);
        return count == 2 && len == sizeof out->unsent;
    }
    out->kind = count ? STREAM_MESSAGE_STREAM : STREAM_MESSAGE_REPLACE;
    if (len < sizeof out->header)
        return false;
    memcpy(&out->header, p, sizeof out->header);
    out->p = p + sizeof out->header;
    out->len = len - sizeof out->header;
    return out->header.records_len <= out->len;
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
        count = (int)descriptors_take(&m, fds);
        /* With a descriptor less a message would be of another kind. */
        if (!(m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) && parse(buf, (size_t)n, fds, count, out))
            return true;
        if (m.msg_flags & MSG_CTRUNC)
            log_warn("stream_not_held", kv("why", strerror(EMFILE)));
        while (count)
            (void)close(fds[--count]);
    }
}
