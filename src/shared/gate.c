/* A gate is a file that every worker maps, with a place for each one inside: a locked byte, and the
 * time since which it is held. Times are of the monotonic clock; one of an earlier boot is no time
 * that can be. */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "shared/byte_lock.h"
#include "shared/shared.h"

#define STEP_MS 10
#define ALONE_STEP_MS 1
/* From there on the bytes are of those who wait although the service is slow. */
#define QUEUE HOST_GATE_PLACES
#define ALONE                                                                                      \
    (2 * HOST_GATE_PLACES) /* the byte of the one who goes on, of host_gate_enter_alone            \
                            */

struct places {
    _Atomic int64_t slow_until_ms;
    _Atomic int64_t served_ms; /* when somebody was last served in time */
    _Atomic int64_t since_ms[HOST_GATE_PLACES];
};

struct host_gate {
    int fd;
    int held;   /* the place that this process has; -1: none */
    int queued; /* its place in the queue; -1: none */
    bool alone; /* it has that byte too */
    int slow_ms;
    struct places *places;
};

static enum rc failed(struct err *e, const char *path, int code) {
    return err_set(e, ERR_STORE, "%s cannot be used: %s. The service's user must own it", path,
                   strerror(code));
}

enum rc host_gate_open(const char *path, int slow_ms, struct host_gate **out, struct err *e) {
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600), code;
    void *map;

    *out = NULL;
    if (fd < 0)
        return failed(e, path, errno);
    code = posix_fallocate(fd, 0, sizeof(struct places)); /* no hole that a full disk leaves open */
    map = code ? MAP_FAILED
               : mmap(NULL, sizeof(struct places), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) {
        code = code ? code : errno;
        (void)close(fd);
        return failed(e, path, code);
    }
    *out = xcalloc(1, sizeof **out);
    **out =
        (struct host_gate){.fd = fd, .held = -1, .queued = -1, .slow_ms = slow_ms, .places = map};
    return OK;
}

void host_gate_close(struct host_gate *g) {
    if (!g)
        return;
    (void)munmap(g->places, sizeof *g->places);
    (void)close(g->fd);
    free(g);
}

/* What is missing of a file that somebody has cut is zeros again. false: nothing of it can be read,
 * since that would end the process (SIGBUS). */
static bool is_whole(const struct host_gate *g) {
    struct stat st;

    return !fstat(g->fd, &st) && (st.st_size >= (off_t)sizeof(struct places) ||
                                  !posix_fallocate(g->fd, 0, sizeof(struct places)));
}

/* How many are inside, and were by then. */
static unsigned inside(const struct host_gate *g, int64_t then_ms) {
    unsigned count = 0;

    for (int i = 0; i < HOST_GATE_PLACES; i++) {
        int64_t since = g->places->since_ms[i];

        count += since && since <= then_ms && locked_is_taken(g->fd, i);
    }
    return count;
}

/* Then the service is not slow, whoever waits: single calls that fail are no outage. */
static bool was_served_lately(const struct host_gate *g, int64_t now_ms) {
    int64_t served = g->places->served_ms;

    return served > now_ms - g->slow_ms && served <= now_ms;
}

/* Somebody has been inside for long, or was a short time ago, and nobody was served since. */
static bool is_slow(const struct host_gate *g, int64_t now_ms) {
    int64_t until = g->places->slow_until_ms;

    if (until > now_ms && until <= now_ms + HOST_GATE_REMEMBER_MS)
        return true;
    if (was_served_lately(g, now_ms))
        return false;
    return inside(g, now_ms - g->slow_ms) > 0;
}

enum host_gate_answer host_gate_enter(struct host_gate *g, unsigned few, unsigned most) {
    int64_t now_ms = clock_monotonic_ms();
    bool slow;
    int count;

    if (!g || !is_whole(g))
        return GATE_INSIDE;
    if (g->held >= 0) /* a lock of our own would not stop us */
        return GATE_FULL;
    slow = is_slow(g, now_ms);
    count = (int)(slow ? few : most);
    g->held = locked_take(g->fd, 0, count < HOST_GATE_PLACES ? count : HOST_GATE_PLACES);
    if (g->held < 0)
        return slow ? GATE_SLOW : GATE_FULL;
    g->places->since_ms[g->held] = now_ms;
    return GATE_INSIDE;
}

/* Not while many who came before it was slow are still inside. */
static bool is_queued(struct host_gate *g, unsigned few, unsigned count) {
    if (g->queued < 0 && inside(g, INT64_MAX) <= few)
        g->queued = locked_take(g->fd, QUEUE, (int)count);
    return g->queued >= 0;
}

static void leave_queue(struct host_gate *g) {
    if (!g || g->queued < 0)
        return;
    locked_give_back(g->fd, g->queued);
    g->queued = -1;
}

enum rc host_gate_enter_share(struct host_gate *g, unsigned workers) {
    const struct timespec step = {0, STEP_MS * 1000000L};
    const unsigned quarter = workers < 8 ? 1 : workers / 4, most = workers - quarter;
    int64_t end_ms = clock_monotonic_ms() + (g ? g->slow_ms : 0);
    enum host_gate_answer answer;

    while ((answer = host_gate_enter(g, quarter, most ? most : 1)) != GATE_INSIDE &&
           clock_monotonic_ms() < end_ms) {
        if (answer == GATE_SLOW && !is_queued(g, quarter, workers / 4))
            break;
        nanosleep(&step, NULL);
    }
    leave_queue(g);
    if (answer == GATE_FULL) /* by now those inside are others than at first, so it is not slow */
        answer = host_gate_enter(g, quarter, HOST_GATE_PLACES);
    return answer == GATE_INSIDE ? OK : ERR_UPSTREAM;
}

enum rc host_gate_enter_alone(struct host_gate *g, unsigned workers) {
    const struct timespec step = {0, ALONE_STEP_MS * 1000000L};
    const unsigned most = workers - (workers < 8 ? 1 : workers / 4);
    const int64_t begin_ms = clock_monotonic_ms();
    enum host_gate_answer answer;

    if (!g)
        return OK;
    while ((answer = host_gate_enter(g, 1, most ? most : 1)) == GATE_FULL &&
           clock_monotonic_ms() < begin_ms + g->slow_ms / 2)
        nanosleep(&step, NULL);
    if (answer != GATE_INSIDE)
        return ERR_UPSTREAM;
    while (g->held >= 0 && locked_take(g->fd, ALONE, 1) < 0) {
        if (clock_monotonic_ms() >= begin_ms + g->slow_ms) {
            host_gate_leave(g);
            return ERR_UPSTREAM;
        }
        nanosleep(&step, NULL);
    }
    g->alone = g->held >= 0;
    return OK;
}

static void give_back(struct host_gate *g) {
    if (g->alone)
        locked_give_back(g->fd, ALONE);
    locked_give_back(g->fd, g->held);
    g->alone = false;
    g->held = -1;
}

void host_gate_leave(struct host_gate *g) {
    int64_t now_ms = clock_monotonic_ms();

    if (!g || g->held < 0)
        return;
    if (!is_whole(g)) {
        give_back(g);
        return;
    }
    if (now_ms - g->places->since_ms[g->held] < g->slow_ms) {
        g->places->served_ms = now_ms;
        g->places->slow_until_ms = 0;
    } else if (!was_served_lately(g, now_ms)) {
        g->places->slow_until_ms = now_ms + HOST_GATE_REMEMBER_MS;
    }
    g->places->since_ms[g->held] = 0;
    give_back(g);
}
