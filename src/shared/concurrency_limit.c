/* A limit is a file that all workers map. A pending call has a slot: a locked byte, and the time of
 * its start. Times are of the monotonic clock; a time from an earlier boot lies in the future and
 * is ignored. */
#include "shared/concurrency_limit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/digest.h"

#define STEP_MS 10
#define EXCLUSIVE_STEP_MS 1
/* Bytes of the file that are locked: first one for each slot, then one for each place in the queue,
 * then the one that callers with options.exclusive lock one after the other. */
#define QUEUE_START CONCURRENCY_MAX
#define EXCLUSIVE_BYTE (2 * CONCURRENCY_MAX)

struct slots {
    _Atomic int64_t slow_until_ms;
    _Atomic int64_t success_ms; /* of the last call that succeeded in time */
    _Atomic int64_t since_ms[CONCURRENCY_MAX];
};

struct concurrency_limit {
    struct concurrency_options options;
    int fd;
    int held;          /* the slot that this process has; -1: none */
    bool is_exclusive; /* it has also locked the byte EXCLUSIVE_BYTE */
    struct slots *slots;
};

/* ---- locks on single bytes of a file ---- */

/* A lock belongs to the open file description (fcntl(2), "Open file description locks"): it ends
 * when all processes have closed the description, which the kernel does at the end of a process. */
static bool set_byte_lock(int fd, int byte, short type) {
    struct flock l = {.l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};

    return !fcntl(fd, F_OFD_SETLK, &l);
}

/* Locks the first byte of [from, from + count) that no other description has locked, and returns
 * it; -1 if there is none. Bytes that this description has locked count as free. */
static int byte_lock_take(int fd, int from, int count) {
    for (int byte = from; byte < from + count; byte++)
        if (set_byte_lock(fd, byte, F_WRLCK))
            return byte;
    return -1;
}

static void byte_lock_release(int fd, int byte) {
    (void)set_byte_lock(fd, byte, F_UNLCK);
}

/* Has another open file description locked this byte? */
static bool byte_lock_is_taken(int fd, int byte) {
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};

    return !fcntl(fd, F_OFD_GETLK, &l) && l.l_type != F_UNLCK;
}

/* Waits until the byte is locked; false if another description still has it at end_ms. */
static bool byte_lock_wait(int fd, int byte, int64_t end_ms) {
    while (byte_lock_take(fd, byte, 1) < 0) {
        if (clock_monotonic_ms() >= end_ms)
            return false;
        clock_sleep_ms(EXCLUSIVE_STEP_MS);
    }
    return true;
}

/* ---- limits for a service ---- */

struct concurrency_options concurrency_of_service(unsigned workers, int slow_ms) {
    const unsigned quarter = workers < 8 ? 1 : workers / 4;

    return (struct concurrency_options){.limit = workers > quarter ? workers - quarter : 1,
                                        .slow_limit = quarter,
                                        .queue = workers / 4,
                                        .slow_ms = slow_ms,
                                        .wait_ms = slow_ms,
                                        .proceed_when_full = true};
}

struct concurrency_options concurrency_exclusive(unsigned workers, int slow_ms) {
    struct concurrency_options o = concurrency_of_service(workers, slow_ms);

    o.slow_limit = 1;
    o.queue = 0;
    o.wait_ms = slow_ms / 2;
    o.proceed_when_full = false;
    o.exclusive = true;
    return o;
}

static enum rc failed(struct err *e, const char *path, int code) {
    return err_set(e, ERR_STORE, "%s cannot be used: %s. The service's user must own it", path,
                   strerror(code));
}

enum rc concurrency_limit_open(const char *path, const struct concurrency_options *options,
                               struct concurrency_limit **out, struct err *e) {
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600), code;
    void *map;

    *out = NULL;
    if (fd < 0)
        return failed(e, path, errno);
    code = posix_fallocate(fd, 0, sizeof(struct slots)); /* a hole on a full disk: SIGBUS */
    map = code ? MAP_FAILED
               : mmap(NULL, sizeof(struct slots), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) {
        code = code ? code : errno;
        (void)close(fd);
        return failed(e, path, code);
    }
    *out = xcalloc(1, sizeof **out);
    **out = (struct concurrency_limit){.options = *options, .fd = fd, .held = -1, .slots = map};
    return OK;
}

void concurrency_limit_close(struct concurrency_limit *l) {
    if (!l)
        return;
    (void)munmap(l->slots, sizeof *l->slots);
    (void)close(l->fd);
    free(l);
}

/* Extends a truncated file with zeros. false: it must not be read, since that would end the process
 * (SIGBUS). */
static bool is_whole(const struct concurrency_limit *l) {
    struct stat st;

    return !fstat(l->fd, &st) && (st.st_size >= (off_t)sizeof(struct slots) ||
                                  !posix_fallocate(l->fd, 0, sizeof(struct slots)));
}

/* Number of other processes' calls that began at then_ms or earlier and are still pending. */
static unsigned count_pending(const struct concurrency_limit *l, int64_t then_ms) {
    unsigned count = 0;

    for (int i = 0; i < CONCURRENCY_MAX; i++) {
        int64_t since = l->slots->since_ms[i];

        count += since && since <= then_ms && byte_lock_is_taken(l->fd, i);
    }
    return count;
}

/* If so, the service is not slow, even if calls are pending: single failures are no outage. */
static bool has_succeeded_lately(const struct concurrency_limit *l, int64_t now_ms) {
    int64_t success = l->slots->success_ms;

    return success > now_ms - l->options.slow_ms && success <= now_ms;
}

static bool is_slow(const struct concurrency_limit *l, int64_t now_ms) {
    int64_t until = l->slots->slow_until_ms;

    if (until > now_ms && until <= now_ms + CONCURRENCY_SLOW_FOR_MS)
        return true;
    return !has_succeeded_lately(l, now_ms) && count_pending(l, now_ms - l->options.slow_ms) > 0;
}

bool concurrency_limit_is_slow(struct concurrency_limit *l) {
    return l && is_whole(l) && is_slow(l, clock_monotonic_ms());
}

static enum concurrency_answer try_with(struct concurrency_limit *l, unsigned limit) {
    int64_t now_ms = clock_monotonic_ms();
    bool slow;

    if (!l || !is_whole(l))
        return CONCURRENCY_ENTERED;
    if (l->held >= 0) /* this process's own lock would not stop it */
        return CONCURRENCY_FULL;
    slow = is_slow(l, now_ms);
    if (slow)
        limit = l->options.slow_limit;
    l->held = byte_lock_take(l->fd, 0, limit < CONCURRENCY_MAX ? (int)limit : CONCURRENCY_MAX);
    if (l->held < 0)
        return slow ? CONCURRENCY_SLOW : CONCURRENCY_FULL;
    l->slots->since_ms[l->held] = now_ms;
    return CONCURRENCY_ENTERED;
}

enum concurrency_answer concurrency_limit_try(struct concurrency_limit *l) {
    return try_with(l, l ? l->options.limit : 0);
}

/* Returns the byte of the queue that it locked. -1: the queue is full, or more calls than
 * slow_limit are still pending, which began before the service was slow. */
static int enter_queue(struct concurrency_limit *l) {
    return count_pending(l, INT64_MAX) <= l->options.slow_limit
               ? byte_lock_take(l->fd, QUEUE_START, (int)l->options.queue)
               : -1;
}

static enum concurrency_answer wait_to_enter(struct concurrency_limit *l, int64_t end_ms) {
    enum concurrency_answer answer;
    int queued = -1;

    while ((answer = concurrency_limit_try(l)) != CONCURRENCY_ENTERED &&
           clock_monotonic_ms() < end_ms) {
        if (answer == CONCURRENCY_SLOW && queued < 0 && (queued = enter_queue(l)) < 0)
            break;
        clock_sleep_ms(l->options.exclusive ? EXCLUSIVE_STEP_MS : STEP_MS);
    }
    if (queued >= 0)
        byte_lock_release(l->fd, queued);
    /* The limit is reached, but calls end and others begin: the service is not slow. */
    if (answer == CONCURRENCY_FULL && l->options.proceed_when_full)
        answer = try_with(l, CONCURRENCY_MAX);
    return answer;
}

static void give_back(struct concurrency_limit *l) {
    if (l->is_exclusive)
        byte_lock_release(l->fd, EXCLUSIVE_BYTE);
    byte_lock_release(l->fd, l->held);
    l->is_exclusive = false;
    l->held = -1;
}

enum rc concurrency_limit_enter(struct concurrency_limit *l) {
    const int64_t begin_ms = clock_monotonic_ms();

    if (!l)
        return OK;
    if (wait_to_enter(l, begin_ms + l->options.wait_ms) != CONCURRENCY_ENTERED)
        return ERR_UPSTREAM;
    if (!l->options.exclusive || l->held < 0)
        return OK;
    if (!byte_lock_wait(l->fd, EXCLUSIVE_BYTE, begin_ms + l->options.slow_ms)) {
        concurrency_limit_leave(l, false);
        return ERR_UPSTREAM;
    }
    l->is_exclusive = true;
    return OK;
}

void concurrency_limit_leave(struct concurrency_limit *l, bool success) {
    int64_t now_ms = clock_monotonic_ms();

    if (!l || l->held < 0)
        return;
    if (is_whole(l)) {
        if (success && now_ms - l->slots->since_ms[l->held] < l->options.slow_ms) {
            l->slots->success_ms = now_ms;
            l->slots->slow_until_ms = 0;
        } else if (!has_succeeded_lately(l, now_ms)) {
            l->slots->slow_until_ms = now_ms + CONCURRENCY_SLOW_FOR_MS;
        }
        l->slots->since_ms[l->held] = 0;
    }
    give_back(l);
}

/* ---- limits for each owner ---- */

/* Running work has a slot, which is a locked byte of the file; a forked process keeps the lock when
 * its parent closes the descriptor. The file has the owner's digest, which begins with that of the
 * group if there is one. It counts only while the byte is locked. */
#define GROUP_LEN 8
#define SEARCH_LOCK (CONCURRENCY_SHARE_MAX + 1) /* the byte that is locked during a search */
#define SEARCH_LOCK_MS 1000                     /* a search takes less than a millisecond */

typedef uint8_t owner_digest[SHA256_LEN];

struct slot_search {
    int fd;
    const struct concurrency_share *share;
    const uint8_t *owner;
    owner_digest owners[CONCURRENCY_SHARE_MAX]; /* of each slot, also of those free again */
};

/* The first free slot of those that had this owner last, or else of the others; -1: there is none.
 * Counts the owner's slots that are held in *held. */
static int find_free(const struct slot_search *q, bool own, unsigned *held) {
    int found = -1;

    for (int i = 0; i < (int)q->share->total && (own || found < 0); i++) {
        if (!memcmp(q->owners[i], q->owner, SHA256_LEN) != own)
            continue;
        if (!byte_lock_is_taken(q->fd, i))
            found = found < 0 ? i : found;
        else if (own)
            ++*held;
    }
    return found;
}

/* How many slots of the owner's group are held. */
static unsigned held_by_group(const struct slot_search *q) {
    unsigned held = 0;

    for (int i = 0; i < (int)q->share->total && held < q->share->per_group; i++)
        held += !memcmp(q->owners[i], q->owner, GROUP_LEN) && byte_lock_is_taken(q->fd, i);
    return held;
}

/* While SEARCH_LOCK is locked: finds a free slot, if the owner may have one more, and writes the
 * owner into it unless it has that already. Asking for a lock takes longer the more there are, so
 * it is asked for the owner's slots, and then until one is free. */
static enum rc find_slot(int fd, const struct concurrency_share *s, const uint8_t *owner, int *slot,
                         struct err *e) {
    struct slot_search q = {.fd = fd, .share = s, .owner = owner};
    unsigned held = 0;

    (void)!pread(fd, q.owners, s->total * sizeof *q.owners, 0);
    *slot = find_free(&q, true, &held);
    if (held >= s->per_owner)
        return err_set(e, ERR_EXISTS, "the limit of one owner is reached");
    if (s->group && held_by_group(&q) >= s->per_group)
        return err_set(e, ERR_CONFLICT, "the limit of one group is reached");
    if (*slot >= 0)
        return OK;
    *slot = find_free(&q, false, &held);
    if (*slot < 0)
        return err_set(e, ERR_TOO_LARGE, "the limit is reached");
    return pwrite(fd, owner, SHA256_LEN, (off_t)*slot * SHA256_LEN) == SHA256_LEN
               ? OK
               : err_set(e, ERR_STORE, "%s cannot be written: %s", s->path, strerror(errno));
}

static enum rc take_slot(int fd, const struct concurrency_share *s, const char *owner,
                         struct err *e) {
    uint8_t digest[SHA256_LEN], group[SHA256_LEN];
    int slot;

    sha256(owner, strlen(owner), digest);
    if (s->group) {
        sha256(s->group, strlen(s->group), group);
        memcpy(digest, group, GROUP_LEN);
    }
    if (find_slot(fd, s, digest, &slot, e))
        return e->code;
    if (byte_lock_take(fd, slot, 1) < 0)
        return err_set(e, ERR_STORE, "%s cannot be locked: %s", s->path, strerror(errno));
    return OK;
}

enum rc concurrency_share_take(const struct concurrency_share *s, const char *owner, int *out,
                               struct err *e) {
    int fd = open(s->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    enum rc rc;

    *out = -1;
    if (fd < 0)
        return failed(e, s->path, errno);
    rc = byte_lock_wait(fd, SEARCH_LOCK, clock_monotonic_ms() + SEARCH_LOCK_MS)
             ? take_slot(fd, s, owner, e)
             : err_set(e, ERR_STORE, "%s is locked by another process", s->path);
    byte_lock_release(fd, SEARCH_LOCK);
    if (rc)
        (void)close(fd);
    else
        *out = fd;
    return rc;
}

unsigned concurrency_share_used(const char *path, unsigned total) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    unsigned used = 0;

    for (int i = 0; fd >= 0 && i < (int)total; i++)
        used += byte_lock_is_taken(fd, i);
    descriptor_close(fd);
    return used;
}
