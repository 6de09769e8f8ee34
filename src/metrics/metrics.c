#include "metrics/metrics.h"

#include <stdatomic.h>
#include <sys/mman.h>

/* By enum rc; the modules above know all codes. */
static const char *reasons[ERR_COUNT];

void metrics_name_reasons(const char *const names[ERR_COUNT]) {
    memcpy(reasons, names, sizeof reasons);
}

/* Statuses that the program answers with; the last one stands for all others. */
static const char *const statuses[] = {"200", "202", "204", "302", "303", "400",  "401",
                                       "403", "404", "405", "406", "413", "415",  "429",
                                       "500", "501", "502", "503", "504", "other"};
#define STATUSES (sizeof statuses / sizeof *statuses)

/* clang-format 14 and 19 do not agree here. */
/* clang-format off */
#define LABEL(count, dimension, label, ...)                                                        \
    { dimension, label, (const char *const[count]){__VA_ARGS__}, count, false }
#define METRIC(kind, cloudwatch, unit, prometheus, first, second, scale, help)                     \
    { kind, cloudwatch, unit, "mcp_authd_" prometheus, help, {&(first), &(second)}, scale }
/* clang-format on */

static const struct metric_label none = LABEL(1, NULL, NULL, "");
static const struct metric_label by_endpoint =
    LABEL(ENDPOINTS, "Endpoint", "endpoint", "authorize", "token", "metadata", "mcp", "other");
static const struct metric_label by_status = {"Status", "status", statuses, STATUSES, false};
static const struct metric_label by_reason = {"Reason", "reason", reasons, ERR_COUNT, false};
static const struct metric_label by_site = {"Site", "site", NULL, METRIC_SITES_MAX + 1, true};
static const struct metric_label by_result = LABEL(2, "Result", "result", "hit", "miss");
static const struct metric_label by_upstream =
    LABEL(UPSTREAMS, "Upstream", "upstream", "token", "revoke", "keys", "document", "dynamodb",
          "credentials");
static const struct metric_label by_outcome =
    LABEL(OUTCOMES, "Outcome", "outcome", "ok", "refused", "throttled", "failed", "timeout");
static const struct metric_label by_operation = LABEL(
    STORE_OPERATIONS, "Operation", "operation", "PutItem", "UpdateItem", "GetItem", "DeleteItem");
static const struct metric_label by_exit = LABEL(EXITS, "How", "how", "normal", "failed", "killed");
static const struct metric_label by_output =
    LABEL(OUTPUT_KINDS, "Output", "output", "log", "audit", "metrics");
static const struct metric_label by_state =
    LABEL(5, "State", "state", "starting", "idle", "busy", "leaving", "in_call");

#define COUNTER(cloudwatch, prometheus, first, second, help)                                       \
    METRIC(METRIC_COUNTER, cloudwatch, "Count", prometheus, first, second, 1, help)
#define UNITS(cloudwatch, prometheus, help)                                                        \
    METRIC(METRIC_COUNTER, cloudwatch, "Count", prometheus, none, none, METRIC_UNITS_SCALE, help)
#define GAUGE(cloudwatch, prometheus, first, help)                                                 \
    METRIC(METRIC_GAUGE, cloudwatch, "Count", prometheus, first, none, 1, help)
#define HISTOGRAM(cloudwatch, prometheus, first, help)                                             \
    METRIC(METRIC_HISTOGRAM, cloudwatch, "Milliseconds", prometheus, first, none, 1, help)

const struct metric_info metric_table[METRICS] = {
    [METRIC_COUNT] = COUNTER("Count", "requests_total", by_endpoint, none, "Requests."),
    [METRIC_INVOCATIONS] = COUNTER("Invocations", "invocations_total", by_endpoint, none,
                                   "Requests that came as far as a handler."),
    [METRIC_ERRORS] = COUNTER("Errors", "errors_total", by_endpoint, none,
                              "Invocations that failed on our side: answered with 5xx."),
    [METRIC_THROTTLES] = COUNTER("Throttles", "throttles_total", by_endpoint, none,
                                 "Requests refused for their number: answered with 429."),
    [METRIC_4XX] = COUNTER("4XXError", "client_errors_total", by_endpoint, none,
                           "Requests answered with 4xx."),
    [METRIC_5XX] = COUNTER("5XXError", "server_errors_total", by_endpoint, none,
                           "Requests answered with 5xx."),
    [METRIC_DURATION] =
        HISTOGRAM("Duration", "handler_duration_seconds", by_endpoint, "Time that handlers took."),
    [METRIC_LATENCY] = HISTOGRAM("Latency", "request_duration_seconds", by_endpoint,
                                 "Time from the web server's connection to the end of the reply."),
    [METRIC_RESPONSES] = COUNTER(NULL, "responses_total", by_endpoint, by_status, "Replies."),
    [METRIC_DENIALS] = COUNTER("Denials", "denials_total", by_reason, none,
                               "Requests that were not granted, by the reason."),
    [METRIC_TOKEN_CACHE] = COUNTER("TokenCache", "token_cache_total", by_result, none,
                                   "Access tokens looked up among those checked before."),
    [METRIC_UPSTREAM_CALLS] = COUNTER("UpstreamCalls", "upstream_calls_total", by_upstream,
                                      by_outcome, "Calls that the program made to others."),
    [METRIC_RETRIES] = COUNTER("Retries", "upstream_retries_total", by_upstream, none,
                               "Calls that were made again after a failure."),
    [METRIC_STORE_CALLS] = COUNTER("StoreCalls", "store_calls_total", by_operation, by_outcome,
                                   "Calls to the session store."),
    [METRIC_CONSUMED_READ] = UNITS("ConsumedReadCapacityUnits", "dynamodb_read_units_total",
                                   "Read units that DynamoDB's replies said were used."),
    [METRIC_CONSUMED_WRITE] = UNITS("ConsumedWriteCapacityUnits", "dynamodb_write_units_total",
                                    "Write units that DynamoDB's replies said were used."),
    [METRIC_USER_ERRORS] = COUNTER("UserErrors", "dynamodb_user_errors_total", none, none,
                                   "Calls that DynamoDB refused as wrong or not allowed."),
    [METRIC_DAMAGED_FILES] = COUNTER("DamagedFiles", "damaged_files_total", none, none,
                                     "Files of STATE_DIR that were damaged and replaced."),
    [METRIC_WORKER_EXITS] = COUNTER("WorkerExits", "worker_exits_total", by_exit, none,
                                    "Workers that ended: by themselves, with an error, by a "
                                    "signal."),
    [METRIC_WORKERS] = GAUGE("Workers", "workers", by_state, "Workers by what they do."),
    [METRIC_WORKERS_MAX] = GAUGE("WorkersMax", "workers_max", none, "WORKERS_MAX."),
    [METRIC_PARKED_CALLS] = GAUGE("ParkedCalls", "parked_calls", none,
                                  "Calls that wait for a person and hold no worker."),
    [METRIC_LINES_LOST] = COUNTER("LinesLost", "lines_lost_total", by_output, none,
                                  "Lines that the log, the audit log or the file of metrics did "
                                  "not take."),
    [METRIC_SITE_REQUESTS] = COUNTER("SiteRequests", "site_requests_total", by_site, none,
                                     "Requests to one of several sites."),
    [METRIC_SITE_ERRORS] = COUNTER("SiteErrors", "site_errors_total", by_site, none,
                                   "Those answered with 5xx, but for the refused."),
    [METRIC_SITE_REFUSED] = COUNTER("SiteRefused", "site_refused_total", by_site, none,
                                    "Those refused since the site, a user or an address had as "
                                    "many as it may."),
    [METRIC_SITE_LOGINS] =
        COUNTER("SiteLogins", "site_logins_total", by_site, none, "Logins that ended with tokens."),
    [METRIC_SITE_LAST] = GAUGE(NULL, "site_last_request_time_seconds", by_site,
                               "When the last request of a site ended, in seconds since 1970."),
    [METRIC_START_TIME] =
        GAUGE(NULL, "start_time_seconds", none, "When the master started, in seconds since 1970."),
};

/* Six steps a decade: a quantile is known to within half of itself at worst. */
#define DECADE(n) (n), 3 * (n) / 2, 2 * (n), 3 * (n), 5 * (n), 7 * (n)
const uint64_t metric_bounds[METRIC_BOUNDS] = {50,
                                               70,
                                               DECADE(100ULL),
                                               DECADE(1000ULL),
                                               DECADE(10000ULL),
                                               DECADE(100000ULL),
                                               DECADE(1000000ULL),
                                               DECADE(10000000ULL)};

#define CACHE_LINE 64
#define CELLS_A_LINE (CACHE_LINE / sizeof(uint64_t))

/* Memory of the process tree, as the log is: set before any worker exists, and in a worker once. */
static struct {
    _Atomic uint64_t *cells, *mine; /* NULL: not open */
    unsigned slots;
    size_t slot_cells;     /* a whole number of cache lines */
    size_t common_cells;   /* of sites: behind all slots, and numbered after those of a slot */
    size_t first[METRICS]; /* the cells of each metric in a slot */
    bool sharing;          /* other processes write to `mine` too */
    struct site_names {
        _Atomic unsigned used, shown;
        char all[METRIC_SITES_MAX + 1][METRIC_SITE_NAME_MAX + 1]; /* [0]: not used */
    } * sites;
    unsigned last_site; /* the number that was asked for last */
} shm;

static enum metric_endpoint last_endpoint = ENDPOINT_OTHER;

/* The cells of one value of the first label. A histogram has one for each bucket, and one for its
 * sum; anything else has one for each value of the second label. */
static unsigned width(enum metric m) {
    return metric_table[m].kind == METRIC_HISTOGRAM ? METRIC_SUM + 1
                                                    : metric_table[m].labels[1]->count;
}

/* Places those metrics that are of sites, or those that are not, from this cell on. Returns the
 * next one. */
static size_t place(size_t cell, bool of_sites) {
    for (unsigned m = 0; m < METRICS; m++)
        if (metric_table[m].labels[0]->of_sites == of_sites) {
            shm.first[m] = cell;
            cell += (size_t)metric_table[m].labels[0]->count * width(m);
        }
    return cell;
}

static size_t cells_of_slots(void) {
    return (shm.slots + 2) * shm.slot_cells;
}

static size_t bytes(void) {
    return (cells_of_slots() + shm.common_cells) * sizeof *shm.cells + sizeof *shm.sites;
}

static void count_lost_line(enum output_kind kind) {
    metrics_count(METRIC_LINES_LOST, kind);
}

bool metrics_open(unsigned slots) {
    const size_t end = place(0, false);

    shm.slots = slots;
    shm.slot_cells = (end + CELLS_A_LINE - 1) / CELLS_A_LINE * CELLS_A_LINE;
    shm.common_cells = place(shm.slot_cells, true) - shm.slot_cells;
    shm.cells = memory_shared(bytes()); /* zero bytes: nothing has happened */
    if (!shm.cells)
        return false;
    shm.sites = (struct site_names *)(void *)(shm.cells + cells_of_slots() + shm.common_cells);
    output_on_lost(count_lost_line);
    metrics_use_slot(slots);
    return true;
}

void metrics_close(void) {
    if (shm.cells)
        munmap(shm.cells, bytes());
    shm.cells = shm.mine = NULL;
    shm.sites = NULL;
    shm.last_site = 0;
}

void metrics_use_slot(unsigned slot) {
    if (shm.cells && slot <= shm.slots)
        shm.mine = shm.cells + slot * shm.slot_cells;
}

void metrics_use_shared_slot(void) {
    if (shm.cells)
        shm.mine = shm.cells + (shm.slots + 1) * shm.slot_cells;
    shm.sharing = true;
}

size_t metrics_cells(void) {
    return shm.slot_cells + shm.common_cells;
}

/* One out of range, which would be our bug, must not become a write elsewhere: it counts as the
 * first. */
size_t metrics_cell(enum metric m, unsigned a, unsigned b) {
    size_t row = a < metric_table[m].labels[0]->count ? a : 0;

    return shm.first[m] + row * width(m) + (b < width(m) ? b : 0);
}

/* A number of metrics_cell, as this process writes to it. */
static _Atomic uint64_t *cell_at(size_t number) {
    return number < shm.slot_cells ? &shm.mine[number]
                                   : &shm.cells[cells_of_slots() + number - shm.slot_cells];
}

/* Only this process writes to the cell, unless it shares one: no locked instruction is needed. */
static void grow(size_t number, uint64_t n) {
    _Atomic uint64_t *cell = cell_at(number);

    if (shm.sharing || number >= shm.slot_cells)
        atomic_fetch_add_explicit(cell, n, memory_order_relaxed);
    else
        atomic_store_explicit(cell, atomic_load_explicit(cell, memory_order_relaxed) + n,
                              memory_order_relaxed);
}

void metrics_add(enum metric m, unsigned a, unsigned b, uint64_t n) {
    if (shm.mine)
        grow(metrics_cell(m, a, b), n);
}

static unsigned bucket_of(uint64_t us) {
    unsigned low = 0, high = METRIC_BOUNDS; /* the first whose bound is not below us */

    while (low < high) {
        unsigned mid = (low + high) / 2;

        if (metric_bounds[mid] < us)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

void metrics_time(enum metric m, unsigned label, uint64_t us) {
    metrics_add(m, label, bucket_of(us), 1);
    metrics_add(m, label, METRIC_SUM, us);
}

void metrics_gauge(enum metric m, unsigned label, uint64_t value) {
    if (shm.mine)
        atomic_store_explicit(cell_at(metrics_cell(m, label, 0)), value, memory_order_relaxed);
}

uint64_t metrics_now_us(void) {
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

enum metric_endpoint metrics_endpoint(unsigned group) {
    return group ? (enum metric_endpoint)__builtin_ctz(group) : ENDPOINT_OTHER;
}

unsigned metrics_status_index(int status) {
    unsigned i = 0;

    while (i < STATUSES - 1 && atoi(statuses[i]) != status)
        i++;
    return i;
}

void metrics_request(enum metric_endpoint endpoint, bool invoked, int status, uint64_t us) {
    last_endpoint = endpoint;
    metrics_count(METRIC_COUNT, endpoint);
    metrics_count2(METRIC_RESPONSES, endpoint, metrics_status_index(status));
    if (invoked) {
        metrics_count(METRIC_INVOCATIONS, endpoint);
        metrics_time(METRIC_DURATION, endpoint, us);
    }
    if (status >= 500) {
        metrics_count(METRIC_5XX, endpoint);
        if (invoked)
            metrics_count(METRIC_ERRORS, endpoint);
    } else if (status >= 400) {
        metrics_count(METRIC_4XX, endpoint);
        if (status == 429)
            metrics_count(METRIC_THROTTLES, endpoint);
    }
}

void metrics_latency(uint64_t us) {
    metrics_time(METRIC_LATENCY, last_endpoint, us);
}

uint64_t metrics_value(enum metric m, unsigned a, unsigned b) {
    size_t cell = metrics_cell(m, a, b);
    uint64_t n = 0;

    if (shm.cells && cell >= shm.slot_cells)
        return atomic_load_explicit(cell_at(cell), memory_order_relaxed);
    for (unsigned s = 0; shm.cells && s <= shm.slots + 1; s++)
        n += atomic_load_explicit(&shm.cells[s * shm.slot_cells + cell], memory_order_relaxed);
    return n;
}

/* ---- sites ---- */

/* Names come in the order in which they came before, so each is searched for behind the last. */
unsigned metrics_site(const char *name) {
    const unsigned used = shm.sites ? shm.sites->used : 0;

    for (unsigned i = 0; i < used; i++) {
        const unsigned n = (shm.last_site + i) % used + 1;

        if (!strcmp(shm.sites->all[n], name))
            return shm.last_site = n;
    }
    if (!shm.sites || used == METRIC_SITES_MAX || strlen(name) > METRIC_SITE_NAME_MAX)
        return METRIC_SITE_OTHER;
    memcpy(shm.sites->all[used + 1], name, strlen(name));
    shm.sites->used = used + 1;
    return shm.last_site = used + 1;
}

void metrics_show_sites(unsigned count) {
    if (shm.sites)
        shm.sites->shown = count;
}

static const char other_site[] = "other";

/* A site of that name is one of the others. */
static const char *site_label(unsigned number) {
    if (number == METRIC_SITE_OTHER)
        return other_site;
    if (!shm.sites || number > shm.sites->shown || number > shm.sites->used ||
        !strcmp(shm.sites->all[number], other_site))
        return NULL;
    return shm.sites->all[number];
}

const char *metrics_label(const struct metric_label *l, unsigned value) {
    return l->of_sites ? site_label(value) : l->values[value];
}

uint64_t metrics_exported(enum metric m, unsigned a, unsigned b) {
    const struct metric_info *i = &metric_table[m];
    uint64_t all = metrics_value(m, a, b), one;

    if (!i->labels[0]->of_sites || a != METRIC_SITE_OTHER || !shm.sites)
        return all;
    for (unsigned n = 1; n <= shm.sites->used; n++) {
        if (site_label(n))
            continue;
        one = metrics_value(m, n, b);
        all = i->kind == METRIC_COUNTER ? all + one : one > all ? one : all;
    }
    return all;
}
