/* For tests, with LD_PRELOAD: while the file $TEST_DISK_FULL exists, nothing more can be written to
 * LMDB's data files, or only not to those whose path has the text of that file in it; while
 * $TEST_DISK_HANGS exists, no write of them comes to its end. The program under test knows nothing
 * of it, and needs no file system of its own. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* What is full: "" is everything. */
static bool read_flag(char *where, size_t size) {
    const char *flag = getenv("TEST_DISK_FULL");
    const int fd = flag ? open(flag, O_RDONLY | O_CLOEXEC) : -1;
    const ssize_t len = fd < 0 ? -1 : read(fd, where, size - 1);

    if (fd >= 0)
        close(fd);
    if (len < 0)
        return false;
    where[len] = 0;
    return true;
}

static bool is_full(int fd) {
    char where[256], link[64], path[4096];
    const int kept = errno;
    ssize_t len;

    if (!read_flag(where, sizeof where)) {
        errno = kept;
        return false;
    }
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    len = readlink(link, path, sizeof path - 1);
    if (len < 0)
        return false;
    path[len] = 0;
    return strstr(path, "/data.mdb") != NULL && strstr(path, where) != NULL;
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t at) {
    static ssize_t (*real)(int, const void *, size_t, off_t);

    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "pwrite");
    if (is_full(fd)) {
        errno = ENOSPC;
        return -1;
    }
    return real(fd, data, len, at);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    static ssize_t (*real)(int, const struct iovec *, int);

    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "writev");
    if (is_full(fd)) {
        errno = ENOSPC;
        return -1;
    }
    return real(fd, parts, count);
}

int fdatasync(int fd) {
    static const struct timespec step = {0, 10000000};
    static int (*real)(int);
    const char *flag = getenv("TEST_DISK_HANGS");

    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "fdatasync");
    while (flag && !access(flag, F_OK))
        nanosleep(&step, NULL);
    return real(fd);
}
