#include "shared/state_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/digest.h"
#include "metrics/metrics.h"

/* ---- damaged files ---- */

void damaged_file_report(const char *dir, const char *file) {
    char path[PATH_MAX];

    (void)snprintf(path, sizeof path, "%s%s", dir, file);
    metrics_count(METRIC_DAMAGED_FILES, 0);
    log_error("file_damaged", kv("file", path),
              kv("hint", "a new one was made; the damaged one is kept beside it with "
                         "the ending " DAMAGED_SUFFIX " and may be deleted; look at the disk"));
}

/* Does nothing if `path` is no longer the file that is open as fd: another process may have
 * replaced it. */
static void set_aside_damaged(const char *path, int fd) {
    char aside[PATH_MAX];
    int n = snprintf(aside, sizeof aside, "%s" DAMAGED_SUFFIX, path);
    struct stat ours, there;

    if (n > 0 && n < (int)sizeof aside && !fstat(fd, &ours) && !stat(path, &there) &&
        ours.st_ino == there.st_ino && ours.st_dev == there.st_dev && !rename(path, aside))
        damaged_file_report(path, "");
}

/* ---- mapped files ---- */

static enum rc failed(struct err *e, const char *path, const char *why) {
    return err_set(
        e, ERR_STORE,
        "%s cannot be used: %s. Its folder must be one that the service's user can write", path,
        why);
}

/* Checks the file's header; the process that finds a new file writes the header, with the file
 * locked. ERR_CONFLICT: the file is damaged. */
static enum rc prepare(const struct mapped_file *m, struct err *e) {
    struct mapped_header header = {.magic = ""};
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
    if (pread(m->fd, header.magic, sizeof header.magic, 0) != sizeof header.magic)
        return failed(e, m->path, strerror(errno));
    if (!memcmp(header.magic, m->magic, sizeof header.magic))
        return OK;
    if (memcmp(header.magic, (char[sizeof header.magic]){0}, sizeof header.magic) != 0)
        return err_set(e, ERR_CONFLICT, "%s has another header", m->path);
    memcpy(header.magic, m->magic, sizeof header.magic);
    arc4random_buf(header.secret, sizeof header.secret);
    if (pwrite(m->fd, &header, sizeof header, 0) != (ssize_t)sizeof header)
        return failed(e, m->path, strerror(errno));
    return OK;
}

static enum rc open_once(struct mapped_file *m, struct err *e) {
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
    m->map = map;
    return OK;
}

static void close_file(struct mapped_file *m) {
    if (m->map)
        (void)munmap(m->map, m->size);
    descriptor_close(m->fd);
    m->map = NULL;
    m->fd = -1;
}

/* Replaces a damaged file, once. */
static enum rc open_file(struct mapped_file *m, struct err *e) {
    enum rc rc = open_once(m, e);

    if (rc == ERR_CONFLICT) { /* still locked, so that only one process renames it */
        set_aside_damaged(m->path, m->fd);
        close_file(m);
        rc = open_once(m, e);
    }
    if (rc)
        close_file(m);
    return rc == ERR_CONFLICT ? failed(e, m->path, "it is damaged") : rc;
}

enum rc mapped_file_open(struct mapped_file *m, const char *path, const char magic[8], size_t size,
                         struct err *e) {
    *m = (struct mapped_file){.path = xstrdup(path), .magic = magic, .size = size, .fd = -1};
    return open_file(m, e);
}

void mapped_file_close(struct mapped_file *m) {
    if (!m->path)
        return;
    close_file(m);
    free(m->path);
    m->path = NULL;
}

uint32_t mapped_hash(const struct mapped_header *header, const char *key, uint64_t *tag) {
    uint8_t mac[SHA256_LEN];
    uint32_t hash;

    hmac_sha256(header->secret, sizeof header->secret, key, strlen(key), mac);
    memcpy(&hash, mac, sizeof hash);
    memcpy(tag, mac + sizeof hash, sizeof *tag);
    return hash;
}

bool mapped_file_ready(struct mapped_file *m) {
    const struct mapped_header *header = m->map;
    struct stat st;

    if (header && !fstat(m->fd, &st) && (size_t)st.st_size >= m->size &&
        !memcmp(header->magic, m->magic, sizeof header->magic))
        return true;
    close_file(m);
    return !open_file(m, ERR_IGNORED);
}
