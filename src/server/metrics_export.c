/* Private part of master.h: the metrics of the master, which are the counters' memory and lines in
 * CloudWatch's embedded metric format (EMF), and GET /metrics for Prometheus. The latter is a
 * process of its own, since the master reads no data from clients. It serves one connection at a
 * time, and reads only the request line. */
#include "server/master.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "metrics/metrics.h"

#define REQUEST_LINE_MAX 512
#define DRAIN_MAX 16384  /* of what follows the request line */
#define EXCHANGE_MS 3000 /* for one connection in all */
#define PAUSE_US 100000

/* ---- the master's part ---- */

bool metrics_export_open(struct master *m) {
    const struct config *config = m->now.config;
    struct metrics_export *x = &m->metrics;
    struct err e = {.code = OK};
    enum listener_source source; /* always bound here: the daemon's own socket is open by now */

    if (!metrics_open(WORKER_SLOTS)) {
        log_error("start_failed", kv("why", strerror(errno)));
        return false;
    }
    metrics_gauge(METRIC_START_TIME, 0, (uint64_t)time(NULL));
    x->emf = xcalloc(metrics_cells(), sizeof *x->emf);
    x->emf_ms = clock_monotonic_ms() + config->metrics_interval_s * INT64_C(1000);
    if (!*config->metrics_listen)
        return true;
    if (listener_open("METRICS_LISTEN", config->metrics_listen, &x->listener, &source, &e)) {
        log_error("metrics_listen_failed", kv("why", e.text));
        return false;
    }
    x->address = xstrdup(config->metrics_listen);
    return true;
}

/* false: with the reason in `e`. The file is opened each time, so that it can be rotated at any
 * time. Lines that cannot be written are counted as lost. */
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
            good = !misconfigured(e, "%s: %s", path, strerror(errno));
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

void metrics_export_tick(struct master *m, int64_t now) {
    const struct config *config = m->now.config;
    struct metrics_export *x = &m->metrics;
    unsigned workers[SLOT_STATES] = {0};

    report_lost_lines(x);
    if (!x->address && !config->metrics_emf)
        return;
    workers_count(m, workers);
    for (unsigned state = SLOT_STARTING; state < SLOT_STATES; state++)
        metrics_gauge(METRIC_WORKERS, state - SLOT_STARTING, workers[state]);
    metrics_gauge(METRIC_WORKERS_MAX, 0, config->workers_max);
    metrics_gauge(METRIC_PARKED_CALLS, 0, m->board->parked);
    if (config->metrics_emf && now >= x->emf_ms) {
        write_emf(x, config->metrics_emf_file);
        x->emf_ms = now + config->metrics_interval_s * INT64_C(1000);
    }
}

void metrics_export_close(struct master *m) {
    struct metrics_export *x = &m->metrics;

    if (x->emf && m->now.config->metrics_emf) /* what was counted since the last lines */
        write_emf(x, m->now.config->metrics_emf_file);
    if (x->address)
        listener_close(x->address, x->listener, LISTENER_BOUND);
    free(x->address);
    free(x->emf);
    metrics_close();
}

/* ---- the process that answers GET /metrics ---- */

struct scrape {
    int fd;
    int64_t until; /* monotonic milliseconds */
};

/* The first line, without its end; false if there is none of a sane length. */
static bool read_line(const struct scrape *x, char line[REQUEST_LINE_MAX]) {
    size_t len = 0;

    while (len < REQUEST_LINE_MAX - 1 && descriptor_wait(x->fd, POLLIN, x->until)) {
        ssize_t n = recv(x->fd, line + len, REQUEST_LINE_MAX - 1 - len, MSG_DONTWAIT);

        if (n <= 0)
            return false;
        len += (size_t)n;
        line[len] = 0;
        if (strchr(line, '\n')) {
            line[strcspn(line, "\r\n")] = 0;
            return true;
        }
    }
    return false;
}

static void send_all(const struct scrape *x, const char *data, size_t len) {
    while (len > 0 && descriptor_wait(x->fd, POLLOUT, x->until)) {
        ssize_t n = send(x->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n < 0)
            return;
        data += n;
        len -= (size_t)n;
    }
}

/* A socket that is closed with something unread is reset, and the reply may be lost with it. */
static void finish(const struct scrape *x) {
    char rest[1024];
    size_t len = 0;
    ssize_t n;

    shutdown(x->fd, SHUT_WR);
    while (len < DRAIN_MAX && descriptor_wait(x->fd, POLLIN, x->until) &&
           (n = recv(x->fd, rest, sizeof rest, MSG_DONTWAIT)) > 0)
        len += (size_t)n;
}

static void serve(int fd) {
    static const char path[] = "/metrics";
    const struct scrape x = {fd, clock_monotonic_ms() + EXCHANGE_MS};
    const char *status = "200 OK", *headers = "";
    char line[REQUEST_LINE_MAX], header[256], *body = NULL;
    size_t len = 0;
    FILE *f;

    if (!read_line(&x, line)) {
        status = "400 Bad Request";
    } else if (strncmp(line, "GET ", 4) != 0) {
        status = "405 Method Not Allowed";
        headers = "Allow: GET\r\n";
    } else if (strcspn(line + 4, " ?") != sizeof path - 1 ||
               strncmp(line + 4, path, sizeof path - 1) != 0) {
        status = "404 Not Found";
    } else if ((f = open_memstream(&body, &len))) {
        headers = "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n";
        metrics_text(f);
        (void)fclose(f);
    } else {
        status = "503 Service Unavailable";
    }
    (void)snprintf(header, sizeof header,
                   "HTTP/1.0 %s\r\n%sContent-Length: %zu\r\nConnection: close\r\n\r\n", status,
                   headers, len);
    send_all(&x, header, strlen(header));
    send_all(&x, body, len);
    free(body);
    finish(&x);
}

_Noreturn void metrics_server_main(int listener) {
    struct pollfd p = {.fd = listener, .events = POLLIN};

    (void)signal(SIGPIPE, SIG_IGN);
    for (;;) {
        int ready = poll(&p, 1, WATCHDOG_INTERVAL_MS), fd;

        watchdog_heartbeat();
        if (ready != 1)
            continue;
        fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
            serve(fd);
            close(fd);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            usleep(PAUSE_US);
        }
    }
}
