/* Private part of concurrency_limit.h: limits for each owner. Running work has a slot, which is a
 * locked byte of the file; a forked process keeps the lock when its parent closes the descriptor.
 * The file has the owner's digest, which counts only while the byte is locked. */
#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "base/base.h"
#include "crypto/digest.h"
#include "shared/byte_lock.h"
#include "shared/concurrency_limit.h"

#define GUARD (CONCURRENCY_SHARE_MAX + 1) /* the byte that is locked during a search */
#define GUARD_MS 1000                     /* a search takes less than a millisecond */

static bool lock_guard(int fd) {
    int64_t until = clock_monotonic_ms() + GUARD_MS;
    const struct timespec pause = {0, 1000000};

    while (byte_lock_take(fd, GUARD, 1) < 0) {
        if (clock_monotonic_ms() >= until)
            return false;
        (void)nanosleep(&pause, NULL);
    }
    return true;
}

/* While GUARD is locked: finds a free slot, if the owner may have one more. */
static enum rc find(int fd, const struct concurrency_share *s, const uint8_t owner[SHA256_LEN],
                    int *slot, struct err *e) {
    uint8_t other[SHA256_LEN];
    unsigned own = 0;

    *slot = -1;
    for (int i = 0; i < (int)s->all; i++) {
        if (!byte_lock_is_taken(fd, i))
            *slot = *slot < 0 ? i : *slot;
        else if (pread(fd, other, sizeof other, (off_t)i * SHA256_LEN) == (ssize_t)sizeof other &&
                 !memcmp(other, owner, sizeof other))
            own++;
    }
    if (own >= s->each)
        return err_set(e, ERR_EXISTS, "this owner has its share");
    return *slot < 0 ? err_set(e, ERR_TOO_LARGE, "as many run as may") : OK;
}

static enum rc take(int fd, const struct concurrency_share *s, const char *owner, struct err *e) {
    uint8_t digest[SHA256_LEN];
    int slot;
    enum rc rc;

    sha256(owner, strlen(owner), digest);
    rc = find(fd, s, digest, &slot, e);
    if (rc)
        return rc;
    if (pwrite(fd, digest, sizeof digest, (off_t)slot * SHA256_LEN) != (ssize_t)sizeof digest ||
        byte_lock_take(fd, slot, 1) < 0)
        return err_set(e, ERR_STORE, "%s cannot be written: %s", s->path, strerror(errno));
    return OK;
}

enum rc concurrency_share_take(const struct concurrency_share *s, const char *owner, int *out,
                               struct err *e) {
    int fd = open(s->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    enum rc rc;

    *out = -1;
    if (fd < 0)
        return err_set(e, ERR_STORE, "%s cannot be opened: %s. The service's user must own it",
                       s->path, strerror(errno));
    rc = lock_guard(fd) ? take(fd, s, owner, e)
                        : err_set(e, ERR_STORE, "%s is held by somebody else", s->path);
    byte_lock_release(fd, GUARD);
    if (rc)
        (void)close(fd);
    else
        *out = fd;
    return rc;
}
