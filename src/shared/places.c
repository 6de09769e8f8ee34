/* A place is a locked byte of a file. The lock is the open file's (fcntl(2), "Open file description
 * locks"), so that a process which is forked keeps it when its parent closes the descriptor. Whose
 * a place is stands in the file; it counts only while the byte is locked. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "crypto/digest.h"
#include "shared/shared.h"

#define GUARD (HOST_PLACES_MAX + 1) /* the byte that is locked while somebody looks */
#define GUARD_MS 1000               /* looking takes less than a millisecond */

static bool lock(int fd, int byte, short type) {
    struct flock l = {.l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};

    return !fcntl(fd, F_OFD_SETLK, &l);
}

static bool is_locked(int fd, int byte) {
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};

    return !fcntl(fd, F_OFD_GETLK, &l) && l.l_type != F_UNLCK;
}

static bool lock_guard(int fd) {
    int64_t until = clock_monotonic_ms() + GUARD_MS;
    struct timespec pause = {0, 1000000};

    while (!lock(fd, GUARD, F_WRLCK)) {
        if (clock_monotonic_ms() >= until)
            return false;
        (void)nanosleep(&pause, NULL);
    }
    return true;
}

/* With the guard held: a free place, if the owner may have one more. */
static enum rc find(int fd, const struct host_places *p, const uint8_t owner[SHA256_LEN],
                    int *place, struct err *e) {
    uint8_t other[SHA256_LEN];
    unsigned own = 0;

    *place = -1;
    for (int i = 0; i < (int)p->all; i++) {
        if (!is_locked(fd, i))
            *place = *place < 0 ? i : *place;
        else if (pread(fd, other, sizeof other, (off_t)i * SHA256_LEN) == (ssize_t)sizeof other &&
                 !memcmp(other, owner, sizeof other))
            own++;
    }
    if (own >= p->each)
        return err_set(e, ERR_EXISTS, "this owner has all the places that it may have");
    return *place < 0 ? err_set(e, ERR_TOO_LARGE, "all places are taken") : OK;
}

static enum rc take(int fd, const struct host_places *p, const char *owner, struct err *e) {
    uint8_t digest[SHA256_LEN];
    int place;
    enum rc rc;

    sha256(owner, strlen(owner), digest);
    rc = find(fd, p, digest, &place, e);
    if (rc)
        return rc;
    if (pwrite(fd, digest, sizeof digest, (off_t)place * SHA256_LEN) != (ssize_t)sizeof digest ||
        !lock(fd, place, F_WRLCK))
        return err_set(e, ERR_STORE, "%s cannot be written: %s", p->path, strerror(errno));
    return OK;
}

enum rc host_place_take(const struct host_places *p, const char *owner, int *out, struct err *e) {
    int fd = open(p->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    enum rc rc;

    *out = -1;
    if (fd < 0)
        return err_set(e, ERR_STORE, "%s cannot be opened: %s. The service's user must own it",
                       p->path, strerror(errno));
    rc = lock_guard(fd) ? take(fd, p, owner, e)
                        : err_set(e, ERR_STORE, "%s is held by somebody else", p->path);
    (void)lock(fd, GUARD, F_UNLCK);
    if (rc)
        (void)close(fd);
    else
        *out = fd;
    return rc;
}
