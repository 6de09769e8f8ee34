/* Descriptors: closed, and sent with a message over a Unix socket (unix(7), SCM_RIGHTS). */
#pragma once

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Leaves errno as it is. -1 is accepted. */
static inline void descriptor_close(int fd) {
    const int error = errno;

    if (fd >= 0)
        (void)close(fd);
    errno = error;
}

/* Adds `count` descriptors, at least one, to a message that is to be sent. They stay the caller's.
 * `control`: zeroed, aligned as a struct cmsghdr, of CMSG_SPACE(count * sizeof(int)) bytes at
 * least. */
static inline void descriptors_add(struct msghdr *m, void *control, const int *fds, size_t count) {
    struct cmsghdr *c;

    m->msg_control = control;
    m->msg_controllen = CMSG_SPACE(count * sizeof *fds);
    c = CMSG_FIRSTHDR(m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(count * sizeof *fds);
    memcpy(CMSG_DATA(c), fds, count * sizeof *fds);
}

/* The descriptors of a message that was received, all of which the kernel gives in one header: as
 * many as its control has room for. They are the caller's. Returns how many there are. */
static inline size_t descriptors_take(struct msghdr *m, int *fds) {
    const struct cmsghdr *c = CMSG_FIRSTHDR(m);
    size_t len;

    if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
        return 0;
    len = c->cmsg_len - CMSG_LEN(0);
    memcpy(fds, CMSG_DATA(c), len);
    return len / sizeof *fds;
}
