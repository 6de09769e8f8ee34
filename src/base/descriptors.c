#include "base/descriptors.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"

void descriptor_close(int fd) {
    const int error = errno;

    if (fd >= 0)
        (void)close(fd);
    errno = error;
}

void descriptor_clear(int *fd) {
    descriptor_close(*fd);
    *fd = -1;
}

void descriptors_close(const int *fds, size_t count) {
    for (size_t i = 0; i < count; i++)
        (void)close(fds[i]);
}

void descriptors_allow_most(void) {
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit))
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

bool descriptor_wait(int fd, short events, int64_t until_ms) {
    struct pollfd p = {.fd = fd, .events = events};
    int left, n = 0;

    while (n <= 0 && (left = clock_wait_ms(until_ms, INT_MAX)) > 0) {
        n = poll(&p, 1, left);
        if (n < 0 && errno != EINTR)
            return false;
    }
    return n > 0;
}

void descriptors_add(struct msghdr *m, void *control, const int *fds, size_t count) {
    struct cmsghdr *c;

    m->msg_control = control;
    m->msg_controllen = CMSG_SPACE(count * sizeof *fds);
    c = CMSG_FIRSTHDR(m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(count * sizeof *fds);
    memcpy(CMSG_DATA(c), fds, count * sizeof *fds);
}

size_t descriptors_take(struct msghdr *m, int *fds) {
    const struct cmsghdr *c = CMSG_FIRSTHDR(m);
    size_t len;

    if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
        return 0;
    len = c->cmsg_len - CMSG_LEN(0);
    memcpy(fds, CMSG_DATA(c), len);
    return len / sizeof *fds;
}

int unix_socket_probe(const char *path) {
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    const size_t len = strlen(path);
    int fd, why = 0;

    if (len >= sizeof to.sun_path)
        return ENAMETOOLONG;
    memcpy(to.sun_path, path, len);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&to, sizeof to))
        why = errno;
    descriptor_close(fd);
    return why;
}
