#include "server/metrics_export.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "base/output.h"
#include "metrics/metrics.h"
#include "server/listener.h"

static bool listen_for_metrics(struct metrics_export *x, const char *address) {
    struct err e = {.code = OK};
    enum listener_source source; /* always bound here: the daemon's own socket is open by now */

    if (listener_open(address, &x->listener, &source, &e)) {
        log_error("metrics_listen_failed", kv("why", e.text), kv("key", "METRICS_LISTEN"));
        return false;
    }
    x->address = xstrdup(address);
    return true;
}

bool metrics_export_open(struct metrics_export *x, const struct config *config) {
    if (!metrics_open(WORKER_SLOTS)) {
        log_error("start_failed", kv("why", strerror(errno)));
        return false;
    }
    metrics_gauge(METRIC_START_TIME, 0, (uint64_t)time(NULL));
    x->emf = metrics_emf_new();
    x->emf_ms = clock_monotonic_ms() + config->metrics_interval_s * INT64_C(1000);
    return !*config->metrics_listen || listen_for_metrics(x, config->metrics_listen);
}

/* false: with the reason in `e`. The file is opened anew each time, so that it can be
 * rotated at any time. Lines that it does not take are counted as lost. */
static bool write_lines(const char *path, const char *text, size_t len, struct err *e) {
    struct output to = {.fd = -1};
    bool opened = !*path || !output_open(path, OUTPUT_METRICS, &to, e), good = opened;

    for (const char *end = text + len, *line = text, *next; line < end; line = next) {
        next = (const char *)memchr(line, '\n', (size_t)(end - line)) + 1;
        if (!opened)
            metrics_count(METRIC_LINES_LOST, OUTPUT_METRICS);
        else if (!*path)
            (void)log_line(line, (size_t)(next - line));
        else if (!output_line(&to, line, (size_t)(next - line)) && good)
            good = !err_set(e, ERR_MISCONFIGURED, "%s: %s", path, strerror(errno));
    }
    output_close(&to);
    return good;
}

static void write_emf(struct metrics_export *x, const char *path) {
    struct err e = {.code = OK};
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);
    bool good;

    if (!f)
        return;
    metrics_emf_write(x->emf, clock_realtime_ms(), f);
    (void)fclose(f); /* each line ends with a newline */
    good = write_lines(path, text, len, &e);
    if (!good && !x->emf_warned)
        log_warn("metrics_not_written", kv("why", e.text),
                 kv("hint", "let this user write to it, or change METRICS_EMF_FILE"));
    x->emf_warned = !good;
    free(text);
}

/* Logs how many lines all processes have lost since it was logged last. */
static void report_lost_lines(struct metrics_export *x) {
    for (unsigned i = 0; i < OUTPUT_KINDS; i++) {
        uint64_t n = metrics_value(METRIC_LINES_LOST, i, 0);

        if (n != x->lost[i] &&
            log_error("lines_lost",
                      kv("output", metric_table[METRIC_LINES_LOST].labels[0]->values[i]),
                      kvn("lines", (int64_t)(n - x->lost[i])), kvn("since_start", (int64_t)n)))
            x->lost[i] = n;
    }
}

void metrics_export_tick(struct metrics_export *x, const struct config *config,
                         const unsigned workers[SLOT_STATES], int64_t now) {
    report_lost_lines(x);
    if (!x->address && !config->metrics_emf)
        return;
    for (unsigned state = SLOT_STARTING; state < SLOT_STATES; state++)
        metrics_gauge(METRIC_WORKERS, state - SLOT_STARTING, workers[state]);
    metrics_gauge(METRIC_WORKERS_MAX, 0, config->workers_max);
    if (config->metrics_emf && now >= x->emf_ms) {
        write_emf(x, config->metrics_emf_file);
        x->emf_ms = now + config->metrics_interval_s * INT64_C(1000);
    }
}

void metrics_export_close(struct metrics_export *x, const struct config *config) {
    /* What happened since the last lines must not be lost with this process. */
    if (x->emf && config->metrics_emf)
        write_emf(x, config->metrics_emf_file);
    if (x->address)
        listener_close(x->address, x->listener, LISTENER_BOUND);
    free(x->address);
    metrics_emf_free(x->emf);
    metrics_close();
}
