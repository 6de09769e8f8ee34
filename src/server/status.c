/* Private part of master.h: the status file, which has what the master knows, as JSON, for
 * `mcp-authd status` and for monitoring. It is written when something has changed, at most once a
 * second, and removed at the end. */
#include "base/base.h"
#include "server/master.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

#include "metrics/metrics.h"

#define STATUS_EVERY_MS 1000
#define SILENT_SHOWN_MS 2000 /* less is usual */
#define PATH_BYTES_MAX 4096

/* Of workers that have ended and of those that run. */
static struct tally sum(const struct master *m) {
    struct tally t = m->tally;

    for (unsigned i = 0; i < WORKER_SLOTS; i++) {
        if (!m->workers[i].pid)
            continue;
        t.requests += m->board->slots[i].requests;
        t.errors += m->board->slots[i].errors;
    }
    return t;
}

static const char *state_name(const struct master *m) {
    if (m->stopping)
        return "stopping";
    if (!m->now.ready)
        return "starting";
    return m->next.config ? "reloading" : "ready";
}

static int render(const struct master *m, char text[STATUS_BYTES_MAX]) {
    unsigned n[SLOT_STATES] = {0};
    struct tally t = sum(m);
    int silent = liveness_silent_ms(m, m->stream_holder);

    workers_count(m, n);
    return snprintf(
        text, STATUS_BYTES_MAX,
        "{\"version\":\"%s\",\"pid\":%d,\"started\":%" PRId64 ",\"state\":\"%s\",\"generation\":%u,"
        "\"workers\":{\"alive\":%u,\"idle\":%u,\"busy\":%u,\"starting\":%u,\"leaving\":%u,"
        "\"min\":%u,\"max\":%u,\"started\":%" PRIu64 ",\"failed\":%" PRIu64 "},"
        "\"requests\":%" PRIu64 ",\"errors\":%" PRIu64 ",\"reloads\":%" PRIu64
        ",\"reloads_refused\":%" PRIu64
        ",\"streams\":%u,\"stream_holder\":{\"pid\":%d,\"silent_s\":%d},"
        "\"token_cache\":{\"hits\":%" PRIu64 ",\"misses\":%" PRIu64
        "},\"lines_lost\":{\"log\":%" PRIu64 ",\"audit\":%" PRIu64 ",\"metrics\":%" PRIu64 "}}\n",
        MCP_AUTHD_VERSION, (int)getpid(), m->started_s, state_name(m), m->now.number,
        workers_alive(m), n[SLOT_IDLE], n[SLOT_BUSY], n[SLOT_STARTING], n[SLOT_LEAVING],
        m->now.config->workers_min, m->now.config->workers_max, t.workers_started, t.workers_failed,
        t.requests, t.errors, t.reloads, t.reloads_refused, m->board->streams,
        (int)m->stream_holder, silent < SILENT_SHOWN_MS ? 0 : silent / 1000,
        metrics_value(METRIC_TOKEN_CACHE, CACHE_HIT, 0),
        metrics_value(METRIC_TOKEN_CACHE, CACHE_MISS, 0),
        metrics_value(METRIC_LINES_LOST, OUTPUT_LOG, 0),
        metrics_value(METRIC_LINES_LOST, OUTPUT_AUDIT, 0),
        metrics_value(METRIC_LINES_LOST, OUTPUT_METRICS, 0));
}

/* Written under another name and renamed, so that a reader never finds half of it. *st: the new
 * file's. */
static bool replace(const char *path, const char *text, size_t len, struct stat *st) {
    char name[PATH_BYTES_MAX];
    int fd, n = snprintf(name, sizeof name, "%s.new", path);
    bool good;

    if (n < 0 || n >= (int)sizeof name)
        return false;
    fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0644);
    if (fd < 0)
        return false;
    good = write(fd, text, len) == (ssize_t)len && !fstat(fd, st);
    close(fd);
    return good && rename(name, path) == 0;
}

/* The file that we have written, and not another daemon's. */
static bool is_ours(const struct status_file *f, const struct stat *st) {
    return st->st_ino == f->written.st_ino && st->st_dev == f->written.st_dev;
}

/* Removed, or written to by somebody. */
static bool is_damaged(const struct status_file *f) {
    const struct stat *w = &f->written;
    struct stat st;

    if (stat(f->path, &st))
        return errno == ENOENT;
    return is_ours(f, &st) && (st.st_size != w->st_size || st.st_mtim.tv_sec != w->st_mtim.tv_sec ||
                               st.st_mtim.tv_nsec != w->st_mtim.tv_nsec);
}

void status_write(struct master *m, int64_t now) {
    struct status_file *f = &m->status;
    char text[STATUS_BYTES_MAX];
    bool good;
    int len;

    if (now < f->due_ms)
        return;
    f->due_ms = now + STATUS_EVERY_MS;
    len = render(m, text);
    if (len <= 0 || len >= (int)sizeof text ||
        (!strcmp(text, f->text) && !f->warned && !is_damaged(f)))
        return;
    memcpy(f->text, text, (size_t)len + 1);
    good = replace(f->path, text, (size_t)len, &f->written);
    if (!good && !f->warned)
        log_info("status_not_written", kv("file", f->path), kv("why", strerror(errno)));
    f->warned = !good;
}

void status_remove(const struct status_file *f) {
    struct stat st;

    if (!stat(f->path, &st) && is_ours(f, &st))
        (void)unlink(f->path);
}
