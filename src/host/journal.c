/* A journal is a file that its writer holds locked: the kernel gives the lock back when the writer
 * ends, however it ends, and that is how readers know that nothing more will come. It begins with
 * the number of bytes that were added whole: what stands behind them a writer has begun, and may
 * never end. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/host.h"

struct journal {
    int fd;
    uint64_t len;
};
#define HEAD_LEN sizeof(uint64_t)

/* The directory itself; -1 with errno. */
static int open_dir(const char *dir, bool make) {
    if (make && mkdir(dir, 0700) && errno != EEXIST)
        return -1;
    return open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

static bool is_name(const char *name) {
    size_t len = strlen(name);

    return len && len <= JOURNAL_NAME_MAX && *name != '.' && !strchr(name, '/');
}

/* Deletes the old ones, and counts those that stay. */
static size_t sweep(int dir_fd, int64_t now_s) {
    int fd =
        openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* with a position of its own */
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry;
    struct stat st;
    size_t count = 0;

    if (!d) {
        if (fd >= 0)
            (void)close(fd);
        return JOURNALS_MAX;
    }
    while ((entry = readdir(d))) {
        if (*entry->d_name == '.' || fstatat(dir_fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW))
            continue;
        if (now_s - st.st_mtime > JOURNAL_KEEP_S)
            (void)unlinkat(dir_fd, entry->d_name, 0);
        else
            count++;
    }
    (void)closedir(d);
    return count;
}

void journal_sweep(const char *dir, int64_t now_s) {
    int fd = open_dir(dir, false);

    if (fd < 0)
        return;
    (void)sweep(fd, now_s);
    (void)close(fd);
}

static enum rc failed(struct err *e, const char *what) {
    (void)err_set(e, ERR_STORE, "the stream cannot be kept");
    err_detail(e, "%s: %s", what, strerror(errno));
    return e->code;
}

static struct journal *new_journal(int fd) {
    struct journal *j = xcalloc(1, sizeof *j);

    j->fd = fd;
    return j;
}

enum rc journal_create(const char *dir, const char *name, int64_t now_s, struct journal **out,
                       struct err *e) {
    int dir_fd = open_dir(dir, true), fd = -1;

    *out = NULL;
    if (dir_fd < 0)
        return failed(e, dir);
    if (sweep(dir_fd, now_s) >= JOURNALS_MAX)
        errno = EDQUOT;
    else if (is_name(name))
        fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    (void)close(dir_fd);
    if (fd < 0)
        return failed(e, "journal");
    if (flock(fd, LOCK_EX | LOCK_NB)) {
        (void)close(fd);
        return failed(e, "journal");
    }
    *out = new_journal(fd);
    return OK;
}

static bool write_at(int fd, const void *data, size_t len, uint64_t at) {
    const char *p = data;

    while (len) {
        ssize_t n = pwrite(fd, p, len, (off_t)at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        p += n;
        at += (uint64_t)n;
        len -= (size_t)n;
    }
    return true;
}

enum rc journal_add(struct journal *j, const void *data, size_t len, struct err *e) {
    uint64_t all = j->len + len;

    if (len > JOURNAL_BYTES_MAX - j->len)
        return err_set(e, ERR_TOO_LARGE, "the stream is too long to be kept");
    if (!write_at(j->fd, data, len, HEAD_LEN + j->len) || !write_at(j->fd, &all, HEAD_LEN, 0))
        return failed(e, "journal");
    j->len = all;
    return OK;
}

size_t journal_len(const struct journal *j) {
    return j->len;
}

enum rc journal_open(const char *dir, const char *name, struct journal **out, struct err *e) {
    int dir_fd = open_dir(dir, false);
    int fd =
        dir_fd < 0 || !is_name(name) ? -1 : openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    *out = NULL;
    if (dir_fd >= 0)
        (void)close(dir_fd);
    if (fd < 0)
        return err_set(e, ERR_MISSING, "there is no such stream");
    *out = new_journal(fd);
    return OK;
}

size_t journal_read(struct journal *j, size_t at, void *into, size_t room) {
    uint64_t all;
    ssize_t n;

    if (pread(j->fd, &all, HEAD_LEN, 0) != (ssize_t)HEAD_LEN || all > JOURNAL_BYTES_MAX ||
        at >= all)
        return 0;
    if (room > all - at)
        room = all - at;
    n = pread(j->fd, into, room, (off_t)(HEAD_LEN + at));
    return n > 0 ? (size_t)n : 0;
}

bool journal_has_ended(struct journal *j) {
    if (flock(j->fd, LOCK_SH | LOCK_NB))
        return false;
    (void)flock(j->fd, LOCK_UN);
    return true;
}

void journal_close(struct journal *j) {
    if (!j)
        return;
    (void)close(j->fd);
    free(j);
}
