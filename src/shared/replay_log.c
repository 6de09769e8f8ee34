/* A replay log is a file that its writer keeps locked. The kernel releases the lock when the writer
 * ends, and readers then know that the log is complete. The file begins with the number of complete
 * bytes: a writer may have died while it added what follows them. */
#include "shared/replay_log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

struct replay_log {
    int fd;
    uint64_t len;
};
#define HEADER_LEN sizeof(uint64_t)

/* Opens the directory, but follows no symbolic link; -1 with errno. */
static int open_dir(const char *dir, bool make) {
    if (make && mkdir(dir, 0700) && errno != EEXIST)
        return -1;
    return open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

static bool is_name(const char *name) {
    size_t len = strlen(name);

    return len && len <= REPLAY_LOG_NAME_MAX && *name != '.' && !strchr(name, '/');
}

struct log_tally {
    size_t count;
    struct timespec written; /* of the log that was written to longest ago */
    char oldest[REPLAY_LOG_NAME_MAX + 1];
};

static void count_log(struct log_tally *tally, const char *name, const struct timespec *written) {
    if (tally->count++ && !clock_is_later(tally->written, *written))
        return;
    tally->written = *written;
    memcpy(tally->oldest, name, strlen(name) + 1);
}

/* Deletes old logs, and counts the others: all, and those of the owner of `name`. */
static void sweep(int dir_fd, const char *name, int64_t now_s, struct log_tally *all,
                  struct log_tally *own) {
    const size_t owner_len = strcspn(name, ":");
    /* Another open file description: readdir's position in dir_fd is not changed. */
    int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry;
    struct stat st;

    *all = *own = (struct log_tally){0};
    if (!d) {
        descriptor_close(fd);
        return;
    }
    while ((entry = readdir(d))) {
        if (!is_name(entry->d_name) || fstatat(dir_fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW))
            continue;
        if (now_s - st.st_mtime > REPLAY_LOG_KEEP_S) {
            (void)unlinkat(dir_fd, entry->d_name, 0);
            continue;
        }
        count_log(all, entry->d_name, &st.st_mtim);
        if (!strncmp(entry->d_name, name, owner_len + 1))
            count_log(own, entry->d_name, &st.st_mtim);
    }
    (void)closedir(d);
}

void replay_log_sweep(const char *dir, int64_t now_s) {
    int fd = open_dir(dir, false);
    struct log_tally all, own;

    if (fd < 0)
        return;
    sweep(fd, "", now_s, &all, &own);
    (void)close(fd);
}

/* Makes room for one more log. A writer may still have a deleted one open; what it adds is lost. */
static void make_room(int dir_fd, const char *name, int64_t now_s) {
    struct log_tally all, own;

    sweep(dir_fd, name, now_s, &all, &own);
    if (own.count >= REPLAY_LOGS_OWNER_MAX)
        (void)unlinkat(dir_fd, own.oldest, 0);
    else if (all.count >= REPLAY_LOGS_MAX)
        (void)unlinkat(dir_fd, all.oldest, 0);
}

static enum rc failed(struct err *e, const char *what) {
    (void)err_set(e, ERR_STORE, "the stream cannot be kept");
    return err_detail(e, "%s: %s", what, strerror(errno));
}

struct replay_log *replay_log_adopt(int fd, size_t len) {
    struct replay_log *r = xmalloc(sizeof *r);

    *r = (struct replay_log){fd, len};
    return r;
}

int replay_log_fd(const struct replay_log *r) {
    return r->fd;
}

enum rc replay_log_create(const char *dir, const char *name, int64_t now_s, struct replay_log **out,
                          struct err *e) {
    int dir_fd = open_dir(dir, true), fd = -1;

    *out = NULL;
    if (dir_fd < 0)
        return failed(e, dir);
    make_room(dir_fd, name, now_s);
    if (is_name(name))
        fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    descriptor_close(dir_fd);
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB)) {
        descriptor_close(fd);
        return failed(e, "replay log");
    }
    *out = replay_log_adopt(fd, 0);
    return OK;
}

enum rc replay_log_add(struct replay_log *r, const void *data, size_t len, struct err *e) {
    uint64_t all = r->len + len;

    if (len > REPLAY_LOG_BYTES_MAX - r->len)
        return err_set(e, ERR_TOO_LARGE, "the stream is too long to be kept");
    if (!file_write_all(r->fd, data, len, (off_t)(HEADER_LEN + r->len)) ||
        !file_write_all(r->fd, &all, HEADER_LEN, 0))
        return failed(e, "replay log");
    r->len = all;
    return OK;
}

size_t replay_log_len(const struct replay_log *r) {
    return r->len;
}

enum rc replay_log_open(const char *dir, const char *name, struct replay_log **out, struct err *e) {
    int dir_fd = open_dir(dir, false);
    int fd =
        dir_fd < 0 || !is_name(name) ? -1 : openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    *out = NULL;
    descriptor_close(dir_fd);
    if (fd < 0)
        return err_set(e, ERR_MISSING, "there is no such stream");
    *out = replay_log_adopt(fd, 0);
    return OK;
}

size_t replay_log_read(struct replay_log *r, size_t at, void *into, size_t room) {
    uint64_t all;
    ssize_t n;

    if (pread(r->fd, &all, HEADER_LEN, 0) != (ssize_t)HEADER_LEN || all > REPLAY_LOG_BYTES_MAX ||
        at >= all)
        return 0;
    if (room > all - at)
        room = all - at;
    n = pread(r->fd, into, room, (off_t)(HEADER_LEN + at));
    return n > 0 ? (size_t)n : 0;
}

bool replay_log_has_ended(struct replay_log *r) {
    if (flock(r->fd, LOCK_SH | LOCK_NB))
        return false;
    (void)flock(r->fd, LOCK_UN);
    return true;
}

void replay_log_close(struct replay_log *r) {
    if (r)
        (void)close(r->fd);
    free(r);
}
