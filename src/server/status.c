/* Private part of master.h: the status file, which has what the master knows, as JSON, for
 * `mcp-authd status` and for monitoring. It is written when something has changed, at most once a
 * second, and removed at the end. */
#include "server/master.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "base/json.h"
#include "metrics/metrics.h"
#include "server/status.h"

#define STATUS_EVERY_MS 1000
#define SILENT_SHOWN_MS 2000 /* less is usual */
#define PATH_BYTES_MAX 4096
#define STATUS_ARENA_MAX (1 << 16)
#define EXIT_NOT_RUNNING 3 /* as the `status` of init scripts has it (LSB) */

/* ---- writing it ---- */

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
    pid_t holder = m->helpers[STREAM_HOLDER].pids[0];
    int silent = liveness_silent_ms(m, holder);

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
        t.requests, t.errors, t.reloads, t.reloads_refused, m->board->streams, (int)holder,
        silent < SILENT_SHOWN_MS ? 0 : silent / 1000,
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

/* ---- what `mcp-authd status` prints ---- */

/* A file can be left behind by a daemon that was killed, and its number be another's by now. */
static bool is_alive(int64_t pid) {
    char path[64], name[32] = "";
    FILE *f;

    if (pid < 1 || pid > INT32_MAX || (kill((pid_t)pid, 0) != 0 && errno == ESRCH))
        return false;
    (void)snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
    f = fopen(path, "re");
    if (!f)
        return true; /* hidden from us (hidepid) */
    if (!fgets(name, sizeof name, f))
        name[0] = 0;
    (void)fclose(f);
    return !strcmp(name, "mcp-authd\n");
}

static int64_t number(const struct json *o, const char *key) {
    int64_t n = 0;

    (void)json_get_int(o, key, &n);
    return n;
}

static void print_streams(const struct json *s, FILE *out) {
    const struct json *holder = json_get(s, "stream_holder");
    int64_t silent_s = number(holder, "silent_s");

    (void)fprintf(out, "streams   %" PRId64 " open, waiting for changes", number(s, "streams"));
    if (!number(holder, "pid"))
        (void)fputs("; no process holds any", out);
    else if (silent_s)
        (void)fprintf(out, "; the process that holds them (%" PRId64 ") has hung for %" PRId64 " s",
                      number(holder, "pid"), silent_s);
    (void)fputc('\n', out);
}

static void print_status(const struct json *s, FILE *out) {
    const struct json *w = json_get(s, "workers"), *c = json_get(s, "token_cache");
    const struct json *lost = json_get(s, "lines_lost");
    const char *version = json_get_str(s, "version"), *state = json_get_str(s, "state");
    time_t started = (time_t)number(s, "started");
    char since[32] = "?";
    struct tm tm;

    if (localtime_r(&started, &tm))
        (void)strftime(since, sizeof since, "%F %T", &tm);
    (void)fprintf(out, "mcp-authd %s is %s (process %" PRId64 ", started %s)\n",
                  version ? version : "?", state ? state : "?", number(s, "pid"), since);
    (void)fprintf(out,
                  "workers   %" PRId64 ": %" PRId64 " idle, %" PRId64 " busy, %" PRId64
                  " starting, %" PRId64 " leaving (%" PRId64 " to %" PRId64 " allowed)\n",
                  number(w, "alive"), number(w, "idle"), number(w, "busy"), number(w, "starting"),
                  number(w, "leaving"), number(w, "min"), number(w, "max"));
    (void)fprintf(out, "          %" PRId64 " started, %" PRId64 " failed\n", number(w, "started"),
                  number(w, "failed"));
    (void)fprintf(out, "requests  %" PRId64 ", of which %" PRId64 " ended in a server error\n",
                  number(s, "requests"), number(s, "errors"));
    print_streams(s, out);
    (void)fprintf(out,
                  "tokens    %" PRId64 " looked up: %" PRId64 " known to the worker, %" PRId64
                  " verified anew\n",
                  number(c, "hits") + number(c, "misses"), number(c, "hits"), number(c, "misses"));
    (void)fprintf(out, "reloads   %" PRId64 " done, %" PRId64 " refused\n", number(s, "reloads"),
                  number(s, "reloads_refused"));
    if (number(lost, "log") + number(lost, "audit") + number(lost, "metrics"))
        (void)fprintf(out,
                      "lost      %" PRId64 " lines of the log, %" PRId64
                      " of the audit log, %" PRId64 " of metrics\n",
                      number(lost, "log"), number(lost, "audit"), number(lost, "metrics"));
}

int status_show(const char *path, bool as_json, FILE *out, FILE *errors) {
    struct arena *a = arena_new(STATUS_ARENA_MAX);
    struct json *s;
    struct err e;
    size_t len;
    int status = EXIT_NOT_RUNNING;

    if (access(path, R_OK) != 0 && errno != ENOENT) {
        (void)fprintf(errors, "%s: %s (ask as root)\n", path, strerror(errno));
        status = 1;
    } else if (!access(path, R_OK) && json_parse_file(a, path, STATUS_BYTES_MAX, &s, &e)) {
        (void)fprintf(errors, "%s: %s (a daemon that runs writes it again within a second)\n", path,
                      *e.detail ? e.detail : e.text);
        status = 1;
    } else if (access(path, R_OK) || !is_alive(number(s, "pid"))) {
        (void)fprintf(errors, "mcp-authd is not running (by %s)\n", path);
    } else {
        if (as_json)
            (void)fprintf(out, "%s\n", json_text(a, s, &len));
        else
            print_status(s, out);
        status = 0;
    }
    arena_free(a);
    return status;
}
