#include "runner/packet.h"

#include <sys/socket.h>

union control {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(PACKET_FDS_MAX * sizeof(int))];
};

bool packet_send(int conn, const void *message, size_t len, const int *fds, unsigned count) {
    union control control = {0};
    struct iovec part = {(void *)(uintptr_t)message, len};
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};

    if (count)
        descriptors_add(&m, control.bytes, fds, count);
    return sendmsg(conn, &m, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)len;
}

ssize_t packet_receive(int conn, struct packet *p) {
    union control control;
    struct iovec part = {p->buffer, p->size};
    struct msghdr m = {.msg_iov = &part,
                       .msg_iovlen = 1,
                       .msg_control = control.bytes,
                       .msg_controllen = CMSG_LEN(p->fds_max * sizeof(int))};
    ssize_t n = recvmsg(conn, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

    p->fd_count = n < 0 ? 0 : (unsigned)descriptors_take(&m, p->fds);
    return n < 0 || !(m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) ? n : 0;
}
