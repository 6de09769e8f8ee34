/* One daemon for one STATE_DIR: the files in it would bear two, but not what they count and say.
 * The lock is the process's own (fcntl(2)): children do not inherit it, and however the master
 * ends, the next one can start while its workers still finish. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "server/master.h"

#define LOCK_NAME "lock"
#define WAIT_MS 2000 /* for one that is about to stop */
#define STEP_MS 20

static enum rc in_use(struct err *e, int fd, const char *dir) {
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

    (void)fcntl(fd, F_GETLK, &l);
    return err_set(
        e, ERR_MISCONFIGURED,
        "another mcp-authd, process %d, runs with STATE_DIR=%s: stop it, or give this one a "
        "folder of its own",
        l.l_type == F_UNLCK ? 0 : (int)l.l_pid, dir);
}

static enum rc take(int fd, const char *dir, struct err *e) {
    const struct timespec step = {0, STEP_MS * 1000000L};
    const int64_t end_ms = clock_monotonic_ms() + WAIT_MS;
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

    while (fcntl(fd, F_SETLK, &l)) {
        if (errno != EACCES && errno != EAGAIN && errno != EINTR)
            return err_set(e, ERR_MISCONFIGURED, "STATE_DIR %s cannot be locked: %s", dir,
                           strerror(errno));
        if (clock_monotonic_ms() >= end_ms)
            return in_use(e, fd, dir);
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
        return OK; /* it keeps nothing */
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
