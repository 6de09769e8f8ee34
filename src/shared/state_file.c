#include "shared/state_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/random.h"
#include "metrics/metrics.h"

/* ---- damaged files ---- */

void damaged_report(const char *dir, const char *file) {
    char path[PATH_MAX];

    (void)snprintf(path, sizeof path, "%s%s", dir, file);
    metrics_count(METRIC_DAMAGED_FILES, 0);
    log_error("file_damaged", kv("file", path),
              kv("hint", "a new one was made; the damaged one is kept beside it with "
                         "the ending " DAMAGED_SUFFIX " and may be deleted; look at the disk"));
}

void damaged_set_aside(const char *path, int fd) {
    char aside[PATH_MAX];
    int n = snprintf(aside, sizeof aside, "%s" DAMAGED_SUFFIX, path);
    struct stat ours, there;

    if (n > 0 && n < (int)sizeof aside && !fstat(fd, &ours) && !stat(path, &there) &&
        ours.st_ino == there.st_ino && ours.st_dev == there.st_dev && !rename(path, aside))
        damaged_report(path, "");
}

/* ---- mapped files ---- */

static enum rc failed(struct err *e, const char *path, const char *why) {
    return err_set(
        e, ERR_STORE,
        "%s cannot be used: %s. Its folder must be one that the service's user can write", path,
        why);
}

/* Checks the file's head; the process that finds a new file writes the head, with the file locked.
 * ERR_CONFLICT: the file is damaged. */
static enum rc prepare(const struct mapped *m, struct err *e) {
    struct mapped_head head = {.magic = ""};
    struct stat st;
    int code;

    if (flock(m->fd, LOCK_EX) || fstat(m->fd, &st))
        return failed(e, m->path, strerror(errno));
    if (st.st_size != 0 && (size_t)st.st_size != m->size)
        return err_set(e, ERR_CONFLICT, "%s has another size", m->path);
    /* Allocated now: on a full disk, writing to a hole would end the process (SIGBUS). */
    code = posix_fallocate(m->fd, 0, (off_t)m->size);
    if (code)
        return failed(e, m->path, strerror(code));
    if (pread(m->fd, head.magic, sizeof head.magic, 0) != sizeof head.magic)
        return failed(e, m->path, strerror(errno));
    if (!memcmp(head.magic, m->magic, sizeof head.magic))
        return OK;
    if (memcmp(head.magic, (char[sizeof head.magic]){0}, sizeof head.magic) != 0)
        return err_set(e, ERR_CONFLICT, "%s has another head", m->path);
    memcpy(head.magic, m->magic, sizeof head.magic);
    random_bytes(head.secret, sizeof head.secret);
    if (pwrite(m->fd, &head, sizeof head, 0) != (ssize_t)sizeof head)
        return failed(e, m->path, strerror(errno));
    return OK;
}

static enum rc open_once(struct mapped *m, struct err *e) {
    void *map;

    m->fd = open(m->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (m->fd < 0)
        return failed(e, m->path, strerror(errno));
    if (prepare(m, e))
        return e->code;
    map = mmap(NULL, m->size, PROT_READ | PROT_WRITE, MAP_SHARED, m->fd, 0);
    (void)flock(m->fd, LOCK_UN);
    if (map == MAP_FAILED)
        return failed(e, m->path, strerror(errno));
    m->at = map;
    return OK;
}

static void close_file(struct mapped *m) {
    if (m->at)
        (void)munmap(m->at, m->size);
    if (m->fd >= 0)
        (void)close(m->fd);
    m->at = NULL;
    m->fd = -1;
}

/* Replaces a damaged file, once. */
static enum rc open_file(struct mapped *m, struct err *e) {
    enum rc rc = open_once(m, e);

    if (rc == ERR_CONFLICT) { /* still locked, so that only one process renames it */
        damaged_set_aside(m->path, m->fd);
        close_file(m);
        rc = open_once(m, e);
    }
    if (rc)
        close_file(m);
    return rc == ERR_CONFLICT ? failed(e, m->path, "it is damaged") : rc;
}

enum rc mapped_open(struct mapped *m, const char *path, const char magic[8], size_t size,
                    struct err *e) {
    *m = (struct mapped){.path = xstrdup(path), .magic = magic, .size = size, .fd = -1};
    return open_file(m, e);
}

void mapped_close(struct mapped *m) {
    close_file(m);
    free(m->path);
}

bool mapped_is_whole(struct mapped *m) {
    struct stat st;
    struct err ignored;

    if (m->at && !fstat(m->fd, &st) && (size_t)st.st_size >= m->size)
        return true;
    close_file(m);
    return !open_file(m, &ignored);
}
