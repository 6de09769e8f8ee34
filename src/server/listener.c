/* Private part of master.h: the listening socket. */
#include "server/master.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/url.h"

#define BACKLOG 4096       /* lowered to net.core.somaxconn; lighttpd answers 500 when it is full */
#define SYSTEMD_FIRST_FD 3 /* sd_listen_fds(3) */
#define SOCKET_UMASK 0117  /* makes a Unix socket rw-rw---- */

static bool is_listening(int fd) {
    int yes = 0, type = 0;
    socklen_t len = sizeof yes;

    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &yes, &len) == 0 && yes &&
           getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_STREAM;
}

/* Duplicates an inherited descriptor, with FD_CLOEXEC; the original becomes /dev/null, so that
 * descriptor 0 is never free for something else. */
static enum rc adopt(int from, int *fd, struct err *e) {
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    *fd = fcntl(from, F_DUPFD_CLOEXEC, SYSTEMD_FIRST_FD);
    if (null < 0 || *fd < 0 || dup3(null, from, from > 2 ? O_CLOEXEC : 0) < 0 ||
        fcntl(*fd, F_SETFL, fcntl(*fd, F_GETFL) | O_NONBLOCK) < 0)
        return misconfigured(e, "cannot take over the inherited socket: %s", strerror(errno));
    close(null);
    return OK;
}

/* sd_listen_fds(3): LISTEN_PID names the process that the descriptors are meant for. */
static bool systemd_gave(int *count) {
    const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
    bool ours = pid && fds && strtol(pid, NULL, 10) == getpid();

    *count = ours ? atoi(fds) : 0;
    if (ours) { /* not for the programs that we start */
        unsetenv("LISTEN_PID");
        unsetenv("LISTEN_FDS");
        unsetenv("LISTEN_FDNAMES");
    }
    return *count > 0;
}

static enum rc from_systemd(int count, int *fd, struct err *e) {
    if (count > 1)
        log_warn("extra_sockets", kv("hint", "the socket unit has more than one Listen line; only "
                                             "the first one is served"));
    if (!is_listening(SYSTEMD_FIRST_FD))
        return misconfigured(e, "the socket from systemd is not a listening stream socket: use "
                                "ListenStream= and Accept=no in the socket unit");
    return adopt(SYSTEMD_FIRST_FD, fd, e);
}

static enum rc bind_failed(struct err *e) {
    const char *hint = "";

    if (errno == EACCES)
        hint = ": let this user write to its directory";
    else if (errno == ENOENT)
        hint = ": make its directory";
    else if (errno == EADDRINUSE)
        hint = ": stop what listens there";
    return misconfigured(e, "%s%s", strerror(errno), hint);
}

/* Removes the socket of a daemon that was killed; never one that another process serves. */
static enum rc clear_path(const char *path, struct err *e) {
    struct stat st;
    int why;

    if (lstat(path, &st) != 0)
        return errno == ENOENT ? OK : bind_failed(e);
    if (!S_ISSOCK(st.st_mode))
        return misconfigured(e, "the file is there and is not a socket: remove it");
    why = unix_socket_probe(path);
    if (why != ECONNREFUSED && why != ENOENT)
        return misconfigured(e, "another process answers there%s%s: stop it",
                             why ? ", or it cannot be tried: " : "", why ? strerror(why) : "");
    return unlink(path) == 0 || errno == ENOENT ? OK : bind_failed(e);
}

static enum rc listen_unix(const char *path, int *fd, struct err *e) {
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    size_t len = strlen(path);
    mode_t before;
    int rc;

    if (len >= sizeof sa.sun_path)
        return misconfigured(e, "it is too long for the path of a socket");
    memcpy(sa.sun_path, path, len);
    if (clear_path(path, e))
        return e->code;
    *fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (*fd < 0)
        return bind_failed(e);
    /* By umask, not chmod, so that others can never connect. */
    before = umask(SOCKET_UMASK);
    rc = bind(*fd, (struct sockaddr *)&sa, sizeof sa);
    umask(before);
    return rc == 0 && listen(*fd, BACKLOG) == 0 ? OK : bind_failed(e);
}

static bool is_loopback(const struct sockaddr_storage *sa) {
    const void *any = sa;
    const struct sockaddr_in *v4 = any;
    const struct sockaddr_in6 *v6 = any;

    return sa->ss_family == AF_INET ? ntohl(v4->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET
                                    : IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

static enum rc listen_ip(const char *address, int *fd, struct err *e) {
    struct sockaddr_storage sa;
    int on = 1;

    if (!url_socket_address(address, &sa))
        return misconfigured(e, "it must be the path of a socket, or IP:PORT");
    if (!is_loopback(&sa))
        log_warn("listen_not_loopback", kv("address", address),
                 kv("hint", "FastCGI has no authentication: whoever reaches this port can send "
                            "requests that no web server has checked"));
    *fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (*fd < 0 || setsockopt(*fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(*fd, (struct sockaddr *)&sa, sizeof sa) != 0 || listen(*fd, BACKLOG) != 0)
        return bind_failed(e);
    return OK;
}

enum rc listener_open(const char *key, const char *address, int *fd, enum listener_source *source,
                      struct err *e) {
    struct err why;
    int count;
    enum rc rc;

    *fd = -1;
    *source = LISTENER_BOUND;
    if (systemd_gave(&count)) {
        *source = LISTENER_SYSTEMD;
        rc = from_systemd(count, fd, e);
    } else if (is_listening(STDIN_FILENO)) {
        *source = LISTENER_INHERITED;
        rc = adopt(STDIN_FILENO, fd, e);
    } else {
        rc = *address == '/' ? listen_unix(address, fd, &why) : listen_ip(address, fd, &why);
        if (rc)
            (void)misconfigured(e, "%s=%s: %s", key, address, why.text);
    }
    if (rc)
        descriptor_clear(fd);
    return rc;
}

void listener_close(const char *address, int fd, enum listener_source source) {
    if (source == LISTENER_BOUND && *address == '/') {
        unlink(address);
        /* unix(7) sockets: from now on connect is refused, while accept still gives what is queued.
         * Not for an inherited socket, which is not ours alone, and not for TCP, where the same
         * call resets the queue. */
        shutdown(fd, SHUT_RD);
    }
    close(fd);
}
