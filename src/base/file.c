#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int file_open(const char *path, const char **why) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
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

enum rc file_read(struct arena *a, const char *path, size_t max_len, struct text *out,
                  struct err *e) {
    const char *why;
    int fd = file_open(path, &why), error;
    ssize_t len;
    char *text;

    if (fd < 0)
        return err_set(e, ERR_MISSING, "cannot be read: %s", why);
    text = arena_alloc(a, max_len + 2);
    len = file_read_all(fd, text, max_len + 1);
    error = errno;
    (void)close(fd);
    errno = error;
    if (len < 0)
        return err_set(e, ERR_MISSING, "cannot be read: %s", strerror(error));
    if ((size_t)len > max_len)
        return err_set(e, ERR_TOO_LARGE, "is longer than %zu bytes", max_len);
    text[len] = 0;
    *out = (struct text){text, (size_t)len};
    return OK;
}

static int64_t ms_of(struct timespec t) {
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

bool file_is_newer(const struct stat *st, int64_t since_ms) {
    return ms_of(st->st_mtim) >= since_ms || ms_of(st->st_ctim) >= since_ms;
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
