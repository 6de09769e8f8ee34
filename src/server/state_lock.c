#include "server/state_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "base/base.h"

#define LOCK_NAME "lock"
#define WAIT_MS 2000 /* for one that is about to stop */
#define STEP_MS 20

/* `pid` is 0 or less if the other process is in another PID namespace. */
static enum rc in_use(struct err *e, pid_t pid, const char *dir) {
    char process[32] = "";

    if (pid > 0)
        (void)snprintf(process, sizeof process, ", process %d,", (int)pid);
    return err_set(e, ERR_MISCONFIGURED,
                   "another mcp-authd%s runs with STATE_DIR=%s: stop it, or give this one a folder "
                   "of its own",
                   process, dir);
}

static enum rc take(int fd, const char *dir, struct err *e) {
    const struct timespec step = {0, STEP_MS * 1000000L};
    const struct flock wanted = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    const int64_t end_ms = clock_monotonic_ms() + WAIT_MS;

    while (fcntl(fd, F_SETLK, &wanted)) {
        struct flock held = wanted;

        if (errno != EACCES && errno != EAGAIN && errno != EINTR)
            return err_set(e, ERR_MISCONFIGURED, "STATE_DIR %s cannot be locked: %s", dir,
                           strerror(errno));
        if (clock_monotonic_ms() >= end_ms && !fcntl(fd, F_GETLK, &held) && held.l_type != F_UNLCK)
            return in_use(e, held.l_pid, dir);
        nanosleep(&step, NULL);
    }
    return OK;
}

enum rc state_lock(const struct config *config, int *fd, struct err *e) {
    const char *dir = config->state_dir;
    int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    *fd = dir_fd < 0 ? -1
                     : openat(dir_fd, LOCK_NAME, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (dir_fd >= 0)
        (void)close(dir_fd);
    if (*fd < 0 && config->endpoints == GROUP_METADATA)
        return OK; /* this service stores nothing */
    if (*fd < 0)
        return err_set(e, ERR_MISCONFIGURED,
                       "STATE_DIR %s must be a folder that the service's user can write: %s", dir,
                       strerror(errno));
    return take(*fd, dir, e);
}

void state_unlock(int *fd) {
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}
