/* By abstract Unix sockets, which leave no file behind. Other users may know a name, so both ends
 * check each other's user. */
#include "shared/message_socket.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define NAME_PREFIX "mcp-authd/"
#define MESSAGE_MS 2000 /* a message must arrive completely within this time */
#define ACCEPT_AGAIN_MS 10
#define BACKLOG 8 /* listen(2) */

/* A new socket, and the address of that name; -1 with errno. */
static int new_socket(const char *name, struct sockaddr_un *out, socklen_t *len) {
    size_t n = strlen(name);

    if (n > MESSAGE_SOCKET_NAME_MAX) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memset(out, 0, sizeof *out);
    out->sun_family = AF_UNIX;
    memcpy(out->sun_path + 1, NAME_PREFIX, sizeof NAME_PREFIX - 1);
    memcpy(out->sun_path + sizeof NAME_PREFIX, name, n);
    *len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + sizeof NAME_PREFIX + n);
    return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

static bool is_ours(int fd) {
    struct ucred who;
    socklen_t len = sizeof who;

    return !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) && who.uid == geteuid();
}

enum rc message_socket_open(const char *name, int *out, struct err *e) {
    struct sockaddr_un address;
    socklen_t len;

    *out = new_socket(name, &address, &len);
    if (*out >= 0 && !bind(*out, (struct sockaddr *)&address, len) && !listen(*out, BACKLOG))
        return OK;
    (void)err_set(e, ERR_INTERNAL, "the server cannot wait for an answer");
    err_detail(e, "message socket: %s", strerror(errno));
    descriptor_clear(out);
    return e->code;
}

bool message_socket_exists(const char *name) {
    struct sockaddr_un address;
    socklen_t len;
    int fd = new_socket(name, &address, &len);
    bool is_free = fd >= 0 && !bind(fd, (struct sockaddr *)&address, len);

    descriptor_close(fd);
    return !is_free;
}

/* After a read or write that failed: waits until the next one may not; false at that monotonic
 * time, and for any other error. */
static bool can_go_on(int fd, short events, int64_t until_ms) {
    return (errno == EAGAIN || errno == EINTR) && descriptor_wait(fd, events, until_ms);
}

/* Reads until the sender closes the connection. False: incomplete after MESSAGE_MS, or too long. */
static bool read_message(int fd, struct buf *b) {
    int64_t until = clock_monotonic_ms() + MESSAGE_MS;
    char chunk[16384];

    while (!b->overflow) {
        ssize_t n = recv(fd, chunk, sizeof chunk, MSG_DONTWAIT);

        if (n == 0)
            return true;
        if (n > 0)
            buf_add(b, chunk, (size_t)n);
        else if (!can_go_on(fd, POLLIN, until))
            return false;
    }
    return false;
}

enum message_socket_event message_socket_wait(int socket, int watch, int64_t until_ms,
                                              struct buf *message) {
    for (;;) {
        struct pollfd fds[] = {{.fd = socket, .events = POLLIN}, {.fd = watch, .events = POLLIN}};
        int fd;

        if (poll(fds, 2, clock_wait_ms(until_ms, INT_MAX)) <= 0 &&
            !clock_wait_ms(until_ms, INT_MAX))
            return MESSAGE_SOCKET_TIMEOUT;
        if (fds[0].revents && (fd = accept4(socket, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
            bool good;

            message->len = 0;
            message->overflow = false; /* a message before may have been too long */
            good = is_ours(fd) && read_message(fd, message);
            (void)close(fd);
            if (good)
                return MESSAGE_SOCKET_RECEIVED;
        } else if (fds[1].revents) {
            return MESSAGE_SOCKET_WATCHED;
        } else if (fds[0].revents) { /* no descriptor is free */
            if (!clock_wait_ms(until_ms, INT_MAX))
                return MESSAGE_SOCKET_TIMEOUT;
            clock_sleep_ms(ACCEPT_AGAIN_MS);
        }
    }
}

static bool send_all(int fd, const char *data, size_t len) {
    int64_t until = clock_monotonic_ms() + MESSAGE_MS;

    while (len) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n > 0) {
            data += n;
            len -= (size_t)n;
        } else if (!can_go_on(fd, POLLOUT, until)) {
            return false;
        }
    }
    return true;
}

bool message_socket_send(const char *name, const void *data, size_t len) {
    struct sockaddr_un address;
    socklen_t address_len;
    int fd = new_socket(name, &address, &address_len);
    bool sent = fd >= 0 && !connect(fd, (struct sockaddr *)&address, address_len) && is_ours(fd) &&
                send_all(fd, data, len);

    descriptor_close(fd);
    return sent;
}
