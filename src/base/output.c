#include "base/output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"

#define FILE_MODE 0640
#define FLAGS (O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)

/* Set once at start, as the log is. */
static void (*count_lost)(enum output_kind kind);

void output_on_lost(void (*count)(enum output_kind kind)) {
    count_lost = count;
}

/* open(2): ENXIO is a FIFO without a reader, a socket, or a device that is not there. */
static enum rc cannot(struct err *e, const char *path) {
    int error = errno;
    struct stat st;
    bool unread = error == ENXIO && !stat(path, &st) && S_ISFIFO(st.st_mode);

    (void)misconfigured(e, "%s cannot be written: %s", path,
                        unread ? "it is a FIFO that nobody reads" : strerror(error));
    errno = error;
    return ERR_MISCONFIGURED;
}

enum rc output_open(const char *path, enum output_kind kind, struct output *out, struct err *e) {
    *out = (struct output){.kind = kind, .fd = open(path, FLAGS, FILE_MODE)};
    return out->fd < 0 ? cannot(e, path) : OK;
}

enum rc output_check(const char *path, struct err *e) {
    int fd = open(path, FLAGS & ~O_CREAT);

    if (fd >= 0)
        (void)close(fd);
    else if (errno == ENOENT)
        return output_check_folder(path, e);
    return fd < 0 ? cannot(e, path) : OK;
}

enum rc output_check_folder(const char *path, struct err *e) {
    const char *slash = strrchr(path, '/');
    char folder[PATH_MAX] = ".";
    struct stat st;

    if (slash)
        (void)snprintf(folder, sizeof folder, "%.*s", slash > path ? (int)(slash - path) : 1, path);
    if (!stat(path, &st) && S_ISDIR(st.st_mode))
        errno = EISDIR;
    else if (!faccessat(AT_FDCWD, folder, W_OK | X_OK, AT_EACCESS))
        return OK;
    return cannot(e, path);
}

bool output_moved(const struct output *o, const char *path) {
    struct stat here, there;

    return !fstat(o->fd, &here) &&
           (stat(path, &there) || here.st_ino != there.st_ino || here.st_dev != there.st_dev);
}

void output_close(struct output *o) {
    if (o->fd > STDERR_FILENO)
        (void)close(o->fd);
    o->fd = -1;
}

void output_take_stderr(struct output *out) {
    const int fd = STDERR_FILENO;
    struct stat st;
    int own;

    *out = (struct output){.kind = OUTPUT_LOG, .fd = fd};
    if (fstat(fd, &st) || S_ISREG(st.st_mode))
        return;
    out->is_socket = S_ISSOCK(st.st_mode);
    if (out->is_socket)
        return;
    own = open("/proc/self/fd/2", O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (own >= 0 && dup2(own, fd) == fd) {
        (void)close(own);
        return;
    }
    if (own >= 0)
        (void)close(own);
    out->may_block = !S_ISFIFO(st.st_mode) || fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

static bool wait_for_room(const struct output *o, int64_t until_ms) {
    struct pollfd p = {.fd = o->fd, .events = POLLOUT};

    return poll(&p, 1, clock_wait_ms(until_ms, INT_MAX)) == 1 && !(p.revents & (POLLERR | POLLHUP));
}

static ssize_t put_some(const struct output *o, const char *p, size_t len) {
    if (o->is_socket)
        return send(o->fd, p, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (o->may_block && !wait_for_room(o, 0)) {
        errno = EAGAIN;
        return -1;
    }
    return write(o->fd, p, len);
}

/* Returns how much went out; when it is not all, errno says why. *until_ms is 0 until it waits. */
static size_t put(const struct output *o, const char *p, size_t len, int64_t *until_ms) {
    size_t done = 0;

    while (done < len) {
        ssize_t n = put_some(o, p + done, len - done);

        if (n > 0) {
            done += (size_t)n;
        } else if (n == 0) {
            errno = ENOSPC;
            break;
        } else if (errno != EINTR &&
                   (errno != EAGAIN ||
                    !wait_for_room(o, clock_until_ms(until_ms, o->stuck ? 0 : OUTPUT_WAIT_MS)))) {
            break;
        }
    }
    return done;
}

bool output_line(struct output *o, const char *line, size_t len) {
    int64_t until = 0;
    size_t done = 0;

    if (o->torn && put(o, "\n", 1, &until) == 1)
        o->torn = false;
    if (!o->torn) {
        done = put(o, line, len, &until);
        o->torn = done > 0 && done < len;
    }
    o->stuck = done < len;
    if (o->stuck && count_lost)
        count_lost(o->kind);
    return !o->stuck;
}
