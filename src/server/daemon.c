#include "server/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define LOCK_NAME "lock"
#define LOCK_WAIT_MS 2000 /* for a daemon that is about to stop */
#define LOCK_STEP_MS 20
#define MESSAGE_MAX 512

bool daemon_open_log(void) {
    int fd;

    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd > STDERR_FILENO)
        close(fd);
    if (fd >= 0)
        log_open();
    return fd >= 0;
}

void daemon_forbid_dumps(void) {
    struct rlimit core;

#ifndef WITH_SANITIZERS /* LeakSanitizer traces its own process */
    (void)prctl(PR_SET_DUMPABLE, 0);
#endif
    if (getrlimit(RLIMIT_CORE, &core))
        return;
    core.rlim_cur = 0;
    (void)setrlimit(RLIMIT_CORE, &core);
}

/* ---- the lock on STATE_DIR ---- */

static enum rc lock_file(int fd, const char *dir, struct err *e) {
    const struct flock wanted = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    const int64_t end_ms = clock_monotonic_ms() + LOCK_WAIT_MS;

    while (fcntl(fd, F_SETLK, &wanted)) {
        struct flock held = wanted;
        char process[32] = "";

        if (errno != EACCES && errno != EAGAIN && errno != EINTR)
            return misconfigured(e, "STATE_DIR %s cannot be locked: %s", dir, strerror(errno));
        if (clock_monotonic_ms() >= end_ms && !fcntl(fd, F_GETLK, &held) &&
            held.l_type != F_UNLCK) {
            if (held.l_pid > 0) /* otherwise it is in another PID namespace */
                (void)snprintf(process, sizeof process, ", process %d,", (int)held.l_pid);
            return misconfigured(
                e,
                "another mcp-authd%s runs with STATE_DIR=%s: stop it, or give this one a "
                "folder of its own",
                process, dir);
        }
        clock_sleep_ms(LOCK_STEP_MS);
    }
    return OK;
}

enum rc state_lock(const struct config *config, int *fd, struct err *e) {
    const char *dir = config->state_dir;
    int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    *fd = dir_fd < 0 ? -1
                     : openat(dir_fd, LOCK_NAME, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    descriptor_close(dir_fd);
    if (*fd < 0 && config->endpoints == GROUP_METADATA)
        return OK; /* this service stores nothing */
    if (*fd < 0)
        return misconfigured(e,
                             "%s/" LOCK_NAME " cannot be written: %s. STATE_DIR must be a folder "
                             "that the service's user can write, and own all that is in it",
                             dir, strerror(errno));
    return lock_file(*fd, dir, e);
}

/* ---- notifications to systemd ---- */

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

/* MONOTONIC_USEC is when the reload began; READY=1 ends it. */
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
