/* Private part of master.h: the status file, which has what the master knows, as JSON, for
 * `mcp-authd status` (doctor/status.h) and for monitoring. It is written when something has
 * changed, at most once a second, and removed at the end. */
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
    pid_t holder = m->children[STREAM_HOLDER].pids[0];
    int silent = heartbeat_silent_ms(m, holder);

    workers_count(m, n);
    return snprintf(
        text, STATUS_BYTES_MAX,
        "{\"version\":\"%s\",\"pid\":%d,\"started\":%" PRId64 ",\"state\":\"%s\",\"generation\":%u,"
        "\"workers\":{\"alive\":%u,\"idle\":%u,\"busy\":%u,\"starting\":%u,\"leaving\":%u,\"in_"
        "call\":%u,"
        "\"min\":%u,\"max\":%u,\"started\":%" PRIu64 ",\"failed\":%" PRIu64 "},"
        "\"requests\":%" PRIu64 ",\"errors\":%" PRIu64 ",\"reloads\":%" PRIu64
        ",\"reloads_refused\":%" PRIu64
        ",\"streams\":%u,\"parked_calls\":%u,\"stream_holder\":{\"pid\":%d,\"silent_s\":%d},"
        "\"runner\":{\"pid\":%d,\"connector\":%d},"
        "\"token_cache\":{\"hits\":%" PRIu64 ",\"misses\":%" PRIu64
        "},\"lines_lost\":{\"log\":%" PRIu64 ",\"audit\":%" PRIu64 ",\"metrics\":%" PRIu64 "}}\n",
        MCP_AUTHD_VERSION, (int)getpid(), m->started_s, state_name(m), m->now.number,
        workers_running(m), n[SLOT_IDLE], n[SLOT_BUSY], n[SLOT_STARTING], n[SLOT_LEAVING],
        n[SLOT_CALL], m->now.config->workers_min, m->now.config->workers_max, t.workers_started,
        t.workers_failed, t.requests, t.errors, t.reloads, t.reloads_refused, m->board->streams,
        m->board->parked, (int)holder, silent < SILENT_SHOWN_MS ? 0 : silent / 1000,
        (int)m->children[RUNNER].pids[0], m->runner_connector,
        metrics_value(METRIC_TOKEN_CACHE, CACHE_HIT, 0),
        metrics_value(METRIC_TOKEN_CACHE, CACHE_MISS, 0),
        metrics_value(METRIC_LINES_LOST, OUTPUT_LOG, 0),
        metrics_value(METRIC_LINES_LOST, OUTPUT_AUDIT, 0),
        metrics_value(METRIC_LINES_LOST, OUTPUT_METRICS, 0));
}

/* Written under another name and renamed, so that a reader never finds half of it. *st is that of
 * the new file. */
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

/* Removed, or changed by another program. */
static bool is_damaged(const struct status_file *f) {
    const struct stat *w = &f->written;
    struct stat st;

    if (stat(f->path, &st))
        return errno == ENOENT;
    return is_ours(f, &st) && (st.st_size != w->st_size || st.st_mtim.tv_sec != w->st_mtim.tv_sec ||
                               st.st_mtim.tv_nsec != w->st_mtim.tv_nsec);
}

/* Takes the text, which is malloc'ed. */
static void write_changed(struct status_file *f, char *text, size_t len) {
    bool good;

    if (f->text && !strcmp(text, f->text) && !f->warned && !is_damaged(f)) {
        free(text);
        return;
    }
    free(f->text);
    f->text = text;
    good = replace(f->path, text, len, &f->written);
    if (!good && !f->warned)
        log_info("status_not_written", kv("file", f->path), kv("why", strerror(errno)));
    f->warned = !good;
}

/* ---- of several sites: of each that has been called ---- */

/* The numbers of sites, once for each worker that has it open, or that runs a call of it. */
struct site_uses {
    uint32_t *all;
    size_t count;
};

static int by_number(const void *a, const void *b) {
    const uint32_t *const both[] = {a, b};

    return *both[0] < *both[1] ? -1 : *both[0] > *both[1];
}

static void add_use(struct site_uses *u, uint32_t site) {
    if (site)
        u->all[u->count++] = site;
}

static void find_uses(const struct scoreboard *board, struct site_uses *open,
                      struct site_uses *calls) {
    const unsigned used = board->slots_used;

    open->all = xcalloc((size_t)used * OPEN_SITES_MAX, sizeof *open->all);
    calls->all = xcalloc(used, sizeof *calls->all);
    for (unsigned i = 0; i < used; i++) {
        const int state = board->slots[i].state;

        for (unsigned n = 0; state != SLOT_FREE && n < OPEN_SITES_MAX; n++)
            add_use(open, board->open_sites[i][n]);
        if (state == SLOT_CALL)
            add_use(calls, board->slots[i].site);
    }
    qsort(open->all, open->count, sizeof *open->all, by_number);
    qsort(calls->all, calls->count, sizeof *calls->all, by_number);
}

static unsigned uses_of(const struct site_uses *u, uint32_t site) {
    size_t low = 0, high = u->count;
    unsigned n = 0;

    while (low < high) {
        const size_t middle = (low + high) / 2;

        if (u->all[middle] < site)
            low = middle + 1;
        else
            high = middle;
    }
    while (low + n < u->count && u->all[low + n] == site)
        n++;
    return n;
}

/* Names of sites need no escapes. */
static void render_site(const struct config_site *s, const struct site_uses *open,
                        const struct site_uses *calls, FILE *out) {
    const char *name = s->config->site;

    (void)fprintf(
        out,
        "{\"site\":\"%s\",\"requests\":%" PRIu64 ",\"errors\":%" PRIu64 ",\"refused\":%" PRIu64
        ",\"logins\":%" PRIu64 ",\"calls\":%u,\"workers\":%u,\"last_request\":%" PRIu64 "}",
        *name ? name : METRIC_SITE_HOST, metrics_value(METRIC_SITE_REQUESTS, s->metrics, 0),
        metrics_value(METRIC_SITE_ERRORS, s->metrics, 0),
        metrics_value(METRIC_SITE_REFUSED, s->metrics, 0),
        metrics_value(METRIC_SITE_LOGINS, s->metrics, 0), uses_of(calls, s->number),
        uses_of(open, s->number), metrics_value(METRIC_SITE_LAST, s->metrics, 0));
}

static void write_sites(struct master *m) {
    const struct config_sites *sites = m->now.sites->config;
    struct site_uses open = {0}, calls = {0};
    const char *comma = "\n";
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    if (!out)
        return;
    find_uses(m->board, &open, &calls);
    (void)fprintf(out, "{\"pid\":%d,\"sites\":[", (int)getpid());
    for (size_t i = 0; i < sites->count; i++) {
        const unsigned site = sites->all[i].metrics;

        if (site == METRIC_SITE_OTHER || !metrics_value(METRIC_SITE_REQUESTS, site, 0))
            continue;
        (void)fputs(comma, out);
        render_site(&sites->all[i], &open, &calls, out);
        comma = ",\n";
    }
    (void)fputs("]}\n", out);
    free(open.all);
    free(calls.all);
    if (fclose(out))
        free(text);
    else
        write_changed(&m->site_status, text, len);
}

/* ---- both ---- */

void status_open(struct master *m, const char *path) {
    m->status.path = xstrdup(path);
    if (asprintf(&m->site_status.path, "%s" CONFIG_STATUS_SITES_END, path) < 0)
        out_of_memory("path", strlen(path));
}

void status_write(struct master *m, int64_t now) {
    char *text;
    int len;

    if (now < m->status_due_ms)
        return;
    m->status_due_ms = now + STATUS_EVERY_MS;
    text = xmalloc(STATUS_BYTES_MAX);
    len = render(m, text);
    if (len > 0 && len < STATUS_BYTES_MAX)
        write_changed(&m->status, text, (size_t)len);
    else
        free(text);
    if (m->now.sites->entries)
        write_sites(m);
}

static void remove_file(const struct status_file *f) {
    struct stat st;

    if (!stat(f->path, &st) && is_ours(f, &st))
        (void)unlink(f->path);
}

void status_remove(const struct master *m) {
    remove_file(&m->status);
    remove_file(&m->site_status);
}

void status_close(struct master *m) {
    free(m->status.path);
    free(m->status.text);
    free(m->site_status.path);
    free(m->site_status.text);
}
