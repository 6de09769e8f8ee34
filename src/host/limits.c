/* A bucket is one number, the time at which it will be full again (GCRA, the "virtual scheduling"
 * form of the leaky bucket): taking one moves that time by the interval between two. It lies with
 * a tag of its key in 64 bits, so that one compare-and-exchange changes it. The buckets of a set
 * share a cache line. One that is full is as good as none, so it may give way. */
#include "host/limits.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/encode.h"
#include "crypto/crypto.h"
#include "host/damaged.h"

#define SETS 8192
#define WAYS 8
#define TIME_BITS 40 /* of milliseconds since the epoch below: until 2059 */
#define TIME_MASK ((UINT64_C(1) << TIME_BITS) - 1)
#define EPOCH_MS INT64_C(1735689600000) /* 2025-01-01 */
#define MINUTE_MS 60000
#define TRIES 64 /* when other workers change the same bucket at the same time */

static const char magic[8] = "limits1";

/* The file, as it is mapped. */
struct table {
    char magic[sizeof magic];
    uint8_t secret[32]; /* so that nobody can choose keys that meet in one set */
    _Alignas(64) _Atomic uint64_t buckets[SETS][WAYS];
};

struct limits {
    char *path;
    int fd;
    struct table *table; /* NULL: the file cannot be had now */
};

static enum rc failed(struct err *e, const char *path, const char *why) {
    return err_set(
        e, ERR_STORE,
        "%s cannot be used: %s. Its folder must be one that the service's user can write", path,
        why);
}

/* Whoever has the lock first fills it in. ERR_CONFLICT: it is no file of ours. */
static enum rc prepare(int fd, const char *path, struct err *e) {
    struct table head = {.magic = ""};
    struct stat st;
    int code;

    if (flock(fd, LOCK_EX) || fstat(fd, &st))
        return failed(e, path, strerror(errno));
    if (st.st_size != 0 && st.st_size != sizeof(struct table))
        return err_set(e, ERR_CONFLICT, "%s has another size", path);
    code = posix_fallocate(fd, 0, sizeof(struct table)); /* no hole that a full disk leaves open */
    if (code)
        return failed(e, path, strerror(code));
    if (pread(fd, head.magic, sizeof head.magic, 0) != sizeof head.magic)
        return failed(e, path, strerror(errno));
    if (!memcmp(head.magic, magic, sizeof magic))
        return OK;
    if (memcmp(head.magic, (char[sizeof magic]){0}, sizeof magic) != 0)
        return err_set(e, ERR_CONFLICT, "%s has another head", path);
    memcpy(head.magic, magic, sizeof magic);
    random_bytes(head.secret, sizeof head.secret);
    if (pwrite(fd, &head, offsetof(struct table, buckets), 0) !=
        (ssize_t)offsetof(struct table, buckets))
        return failed(e, path, strerror(errno));
    return OK;
}

static enum rc open_once(struct limits *l, struct err *e) {
    void *map;

    l->fd = open(l->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (l->fd < 0)
        return failed(e, l->path, strerror(errno));
    if (prepare(l->fd, l->path, e))
        return e->code;
    map = mmap(NULL, sizeof(struct table), PROT_READ | PROT_WRITE, MAP_SHARED, l->fd, 0);
    (void)flock(l->fd, LOCK_UN);
    if (map == MAP_FAILED)
        return failed(e, l->path, strerror(errno));
    l->table = map;
    return OK;
}

static void close_file(struct limits *l) {
    if (l->table)
        (void)munmap(l->table, sizeof *l->table);
    if (l->fd >= 0)
        (void)close(l->fd);
    l->table = NULL;
    l->fd = -1;
}

/* What is not as we left it is replaced, once. */
static enum rc open_file(struct limits *l, struct err *e) {
    enum rc rc = open_once(l, e);

    if (rc == ERR_CONFLICT) { /* still locked, so that of several one renames it */
        damaged_set_aside(l->path, l->fd);
        close_file(l);
        rc = open_once(l, e);
    }
    if (rc)
        close_file(l);
    return rc == ERR_CONFLICT ? failed(e, l->path, "it is damaged") : rc;
}

enum rc limits_open(const char *path, struct limits **out, struct err *e) {
    struct limits *l = xcalloc(1, sizeof *l);

    l->path = xstrdup(path);
    l->fd = -1;
    *out = l;
    return open_file(l, e);
}

void limits_close(struct limits *l) {
    if (!l)
        return;
    close_file(l);
    free(l->path);
    free(l);
}

/* Of a file that somebody has cut nothing may be touched (SIGBUS). */
static bool is_whole(struct limits *l) {
    struct stat st;
    struct err ignored;

    if (l->table && !fstat(l->fd, &st) && st.st_size >= (off_t)sizeof *l->table)
        return true;
    close_file(l);
    return !open_file(l, &ignored);
}

/* The bucket's set and its tag. */
static _Atomic uint64_t *set_of(struct limits *l, const char *key, uint64_t *tag) {
    uint8_t mac[SHA256_LEN];
    uint32_t set;

    hmac_sha256(l->table->secret, sizeof l->table->secret, key, strlen(key), mac);
    memcpy(&set, mac, sizeof set);
    memcpy(tag, mac + sizeof set, sizeof *tag);
    *tag &= ~TIME_MASK;
    return l->table->buckets[set % SETS];
}

/* The bucket with this tag, else the one that is full first. */
static _Atomic uint64_t *find(_Atomic uint64_t *set, uint64_t tag, uint64_t *value) {
    _Atomic uint64_t *fullest = &set[0];

    *value = atomic_load(fullest);
    for (int i = 0; i < WAYS; i++) {
        uint64_t v = atomic_load(&set[i]);

        if (v && (v & ~TIME_MASK) == tag) {
            *value = v;
            return &set[i];
        }
        if ((v & TIME_MASK) < (*value & TIME_MASK)) {
            fullest = &set[i];
            *value = v;
        }
    }
    return fullest;
}

int64_t limits_take(struct limits *l, const char *key, unsigned per_minute, int64_t now_ms) {
    const int64_t interval = MINUTE_MS / per_minute, now = now_ms - EPOCH_MS;
    uint64_t tag, value;
    _Atomic uint64_t *set;

    if (!is_whole(l))
        return 0;
    set = set_of(l, key, &tag);
    for (int i = 0; i < TRIES; i++) {
        _Atomic uint64_t *bucket = find(set, tag, &value);
        int64_t full = (int64_t)(value & TIME_MASK), wait;

        /* Another's that gives way; full already; or of a clock that was set back since. */
        if ((value & ~TIME_MASK) != tag || full < now || full > now + MINUTE_MS + interval)
            full = now;
        wait = full - now + interval - MINUTE_MS;
        if (wait > 0)
            return wait;
        if (atomic_compare_exchange_strong(bucket, &value,
                                           tag | ((uint64_t)(full + interval) & TIME_MASK)))
            return 0;
    }
    return 0;
}

const char *limits_address(struct arena *a, const char *address) {
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    char plain[INET6_ADDRSTRLEN];
    size_t len = strcspn(address, "%"); /* RFC 4007 §11: a zone */
    uint8_t ip[16];

    if (len >= sizeof plain)
        return NULL;
    memcpy(plain, address, len);
    plain[len] = 0;
    if (inet_pton(AF_INET, plain, ip) == 1)
        return hex_encode(a, ip, 4);
    if (inet_pton(AF_INET6, plain, ip) != 1)
        return NULL;
    return memcmp(ip, mapped, sizeof mapped) ? hex_encode(a, ip, 8) : hex_encode(a, ip + 12, 4);
}
