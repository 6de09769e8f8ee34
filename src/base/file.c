#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U /* Linux 6.3; older kernels do not know it */
#endif

#define OPEN_FLAGS (O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)

/* Not a FIFO, which would wait. */
static int checked(int fd, const char **why) {
    struct stat st;

    if (fd < 0) {
        *why = strerror(errno);
        return -1;
    }
    if (!fstat(fd, &st) && !S_ISFIFO(st.st_mode))
        return fd;
    (void)close(fd);
    errno = EINVAL;
    *why = "it is a FIFO and not a file";
    return -1;
}

int file_open(const char *path, const char **why) {
    return checked(open(path, OPEN_FLAGS), why);
}

int file_open_below(const char *dir, const char *path, const char **why) {
    int fd = open(dir, OPEN_FLAGS | O_DIRECTORY);

    while (fd >= 0 && *path) {
        size_t len = strcspn(path, "/");
        char name[NAME_MAX + 1];
        int parent = fd;
        bool is_name = len && len <= NAME_MAX && (len != 2 || memcmp(path, "..", 2) != 0);

        memcpy(name, path, is_name ? len : 0);
        name[is_name ? len : 0] = 0;
        path += len;
        fd = openat(parent, name, OPEN_FLAGS | O_NOFOLLOW | (*path ? O_DIRECTORY : 0));
        descriptor_close(parent);
        path += *path == '/';
    }
    return checked(fd, why);
}

ssize_t file_read_all(int fd, char *text, size_t len) {
    size_t done = 0;
    ssize_t got;

    while (done < len && (got = read(fd, text + done, len - done)) != 0) {
        if (got < 0 && errno != EINTR)
            return -1;
        done += got > 0 ? (size_t)got : 0;
    }
    return (ssize_t)done;
}

bool file_write_all(int fd, const void *data, size_t len, off_t at) {
    const char *p = data;

    for (size_t done = 0; done < len;) {
        ssize_t n = at < 0 ? write(fd, p + done, len - done)
                           : pwrite(fd, p + done, len - done, at + (off_t)done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        done += (size_t)n;
    }
    return true;
}

enum rc file_read(struct arena *a, const char *path, size_t max_len, struct text *out,
                  struct err *e) {
    const char *why;
    int fd = file_open(path, &why);
    ssize_t len;
    char *text;

    if (fd < 0)
        return err_set(e, ERR_MISSING, "cannot be read: %s", why);
    text = arena_alloc(a, max_len + 2);
    len = file_read_all(fd, text, max_len + 1);
    descriptor_close(fd);
    if (len < 0)
        return err_set(e, ERR_MISSING, "cannot be read: %s", strerror(errno));
    if ((size_t)len > max_len)
        return err_set(e, ERR_TOO_LARGE, "is longer than %zu bytes", max_len);
    text[len] = 0;
    *out = (struct text){text, (size_t)len};
    return OK;
}

int64_t file_changed_ms(const struct stat *st) {
    return clock_ms(st->st_ctim);
}

bool file_is_newer(const struct stat *st, int64_t since_ms) {
    return clock_ms(st->st_mtim) >= since_ms || clock_ms(st->st_ctim) >= since_ms;
}

bool folder_has_changed(const char *path, int64_t since_ms) {
    DIR *d = opendir(path);
    const struct dirent *entry;
    bool changed;
    struct stat st;

    if (!d)
        return false;
    changed = !fstat(dirfd(d), &st) && file_is_newer(&st, since_ms);
    while (!changed && (entry = readdir(d)))
        changed = *entry->d_name != '.' && !fstatat(dirfd(d), entry->d_name, &st, 0) &&
                  file_is_newer(&st, since_ms);
    (void)closedir(d);
    return changed;
}

/* Longer than a tick of the clock that file systems take times from. */
#define TIME_STEP_MS 50

struct file_version file_version_of(const struct stat *st) {
    if (file_is_newer(st, clock_realtime_ms() - TIME_STEP_MS))
        return (struct file_version){0};
    return (struct file_version){st->st_dev, st->st_ino, st->st_size, st->st_mtim, st->st_ctim};
}

static bool time_equal(struct timespec a, struct timespec b) {
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

bool file_version_equal(const struct file_version *a, const struct file_version *b) {
    return a->inode && a->device == b->device && a->inode == b->inode && a->size == b->size &&
           time_equal(a->modified, b->modified) && time_equal(a->changed, b->changed);
}

bool file_write_new(const char *path, const struct text *text, mode_t mode, bool exact) {
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode), why;
    bool good;

    if (fd < 0)
        return false;
    good =
        (!exact || !fchmod(fd, mode)) && file_write_all(fd, text->p, text->len, -1) && !fsync(fd);
    why = errno;
    if (close(fd) && good) {
        good = false;
        why = errno;
    }
    if (!good)
        (void)unlink(path);
    errno = why;
    return good;
}

int file_in_memory(const char *name, unsigned flags) {
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_NOEXEC_SEAL | flags);

    return fd >= 0 || errno != EINVAL ? fd : memfd_create(name, MFD_CLOEXEC | flags);
}
