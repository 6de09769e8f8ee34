#include "server/systemd_notify.h"

#include <errno.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MESSAGE_MAX 512

/* WATCHDOG_USEC counts only for the process that WATCHDOG_PID names (sd_watchdog_enabled(3)). */
static int64_t watchdog_interval_ms(void) {
    const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    unsigned long long n = usec ? strtoull(usec, NULL, 10) : 0;

    if (!n || (pid && strtol(pid, NULL, 10) != getpid()))
        return 0;
    n /= 2000; /* twice in the time allowed */
    return n > INT32_MAX ? INT32_MAX : n ? (int64_t)n : 1;
}

void systemd_notify_open(struct systemd_notify *n) {
    const char *path = getenv("NOTIFY_SOCKET");
    size_t len = path ? strlen(path) : 0;

    *n = (struct systemd_notify){.fd = -1, .to.sun_family = AF_UNIX};
    if (len > 1 && len < sizeof n->to.sun_path && (*path == '/' || *path == '@')) {
        memcpy(n->to.sun_path, path, len);
        if (*path == '@') /* an abstract socket, unix(7): its name is as long as it is */
            n->to.sun_path[0] = 0;
        n->to_len =
            (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (*path == '/' ? 1 : 0));
        n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        n->watchdog_ms = watchdog_interval_ms();
    }
    if (path && n->fd < 0)
        log_warn("notify_failed", kv("why", "NOTIFY_SOCKET cannot be used"));
    /* Not for workers and the programs that they start. */
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
}

void systemd_notify_close(struct systemd_notify *n) {
    if (n->fd >= 0)
        close(n->fd);
    n->fd = -1;
}

void systemd_notify_send(const struct systemd_notify *n, const char *format, ...) {
    char text[MESSAGE_MAX];
    va_list args;
    int len;

    if (n->fd < 0)
        return;
    va_start(args, format);
    len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (len > 0 && len < (int)sizeof text &&
        sendto(n->fd, text, (size_t)len, MSG_NOSIGNAL, (const struct sockaddr *)&n->to, n->to_len) <
            0)
        log_warn("notify_failed", kv("why", strerror(errno)));
}

/* MONOTONIC_USEC is the moment from which the reload counts; `ready` ends it. */
void systemd_notify_reloading(const struct systemd_notify *n) {
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    systemd_notify_send(n,
                        "RELOADING=1\nMONOTONIC_USEC=%lld\nSTATUS=reading the configuration again",
                        (long long)t.tv_sec * 1000000 + t.tv_nsec / 1000);
}

void systemd_notify_watchdog(struct systemd_notify *n, int64_t now) {
    if (!n->watchdog_ms || now < n->next_ms)
        return;
    systemd_notify_send(n, "WATCHDOG=1");
    n->next_ms = now + n->watchdog_ms;
}
