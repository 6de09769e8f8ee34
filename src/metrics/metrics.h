/* Counters, gauges and histograms in memory that master and workers share. Each process writes to
 * its own slot, with plain atomic stores and no locks; readers add the slots up. Counters
 * never decrease: a rate is the difference of two readings. One table names them all, for
 * CloudWatch and for Prometheus (export.c).
 *
 *     metrics_count(METRIC_TOKEN_CACHE, CACHE_HIT);
 *     metrics_count2(METRIC_UPSTREAM_CALLS, UPSTREAM_TOKEN, OUTCOME_OK);
 *     metrics_add(METRIC_CONSUMED_READ, 0, 0, (uint64_t)(units * METRIC_UNITS_SCALE));
 *
 * Before metrics_open (unit tests, -t) counting does nothing. */
#pragma once

#include "base/base.h"
#include "base/output.h"

enum metric {
    /* per request, by endpoint: metrics_request and metrics_latency count these */
    METRIC_COUNT,
    METRIC_INVOCATIONS,
    METRIC_ERRORS,
    METRIC_THROTTLES,
    METRIC_4XX,
    METRIC_5XX,
    METRIC_DURATION,  /* histogram: the handler's time */
    METRIC_LATENCY,   /* histogram: from the web server's connection to the reply's last byte */
    METRIC_RESPONSES, /* endpoint, status */
    METRIC_DENIALS,   /* enum rc */
    /* what requests cost */
    METRIC_TOKEN_CACHE,    /* enum metric_cache */
    METRIC_UPSTREAM_CALLS, /* enum metric_upstream, enum metric_outcome */
    METRIC_RETRIES,        /* enum metric_upstream */
    METRIC_STORE_CALLS,    /* enum metric_store, enum metric_outcome */
    METRIC_CONSUMED_READ,  /* in thousandths, as DynamoDB's replies say */
    METRIC_CONSUMED_WRITE, /* in thousandths */
    METRIC_USER_ERRORS,   /* DynamoDB's 400s, but for conditions that were not met and throttling */
    METRIC_DAMAGED_FILES, /* of STATE_DIR */
    /* processes */
    METRIC_WORKER_EXITS, /* enum metric_exit */
    METRIC_WORKERS,      /* gauge; enum slot_state of server/scoreboard.h, without SLOT_FREE */
    METRIC_WORKERS_MAX,  /* gauge */
    METRIC_PARKED_CALLS, /* gauge */
    METRIC_LINES_LOST,   /* enum output_kind */
    /* of each of several sites: metrics_site; one cell for all processes */
    METRIC_SITE_REQUESTS,
    METRIC_SITE_ERRORS,
    METRIC_SITE_REFUSED,
    METRIC_SITE_LOGINS,
    METRIC_SITE_LAST,  /* gauge: when its last request ended, in seconds since 1970 */
    METRIC_START_TIME, /* gauge: when the master started, in seconds since 1970 */
    METRICS
};

/* The groups of config.h in the order of their bits, and what belongs to none. */
enum metric_endpoint {
    ENDPOINT_AUTHORIZE,
    ENDPOINT_TOKEN,
    ENDPOINT_METADATA,
    ENDPOINT_MCP,
    ENDPOINT_OTHER,
    ENDPOINTS
};
enum metric_cache { CACHE_HIT, CACHE_MISS };
enum metric_upstream {
    UPSTREAM_TOKEN,       /* the identity provider's token endpoint */
    UPSTREAM_REVOKE,      /* its revocation endpoint */
    UPSTREAM_KEYS,        /* its key set */
    UPSTREAM_DOCUMENT,    /* a client's metadata document */
    UPSTREAM_DYNAMODB,    /* the stores of sessions and tasks */
    UPSTREAM_CREDENTIALS, /* the host's or container's AWS credentials */
    UPSTREAMS
};
enum metric_outcome {
    OUTCOME_OK,
    OUTCOME_REFUSED,   /* answered, with no: a 4xx, or a condition that was not met */
    OUTCOME_THROTTLED, /* 429, or DynamoDB's exceptions of that meaning */
    OUTCOME_FAILED,    /* 5xx, no connection, an answer that makes no sense */
    OUTCOME_TIMEOUT,
    OUTCOMES
};
enum metric_store { STORE_PUT, STORE_UPDATE, STORE_GET, STORE_DELETE, STORE_OPERATIONS };
enum metric_exit { EXIT_NORMAL, EXIT_FAILED, EXIT_KILLED, EXITS };

#define METRIC_UNITS_SCALE 1000
#define METRIC_NAMESPACE "mcp-authd"

/* Shared with all processes forked afterwards. Slot `slots` is the caller's own. false: errno. */
bool metrics_open(unsigned slots) MUST_USE;
void metrics_close(void);
void metrics_use_slot(unsigned slot); /* in a worker, after the fork */
void metrics_use_shared_slot(void);   /* in a process that is neither master nor worker */

void metrics_add(enum metric m, unsigned a, unsigned b, uint64_t n);
static inline void metrics_count(enum metric m, unsigned label) {
    metrics_add(m, label, 0, 1);
}
static inline void metrics_count2(enum metric m, unsigned label, unsigned second) {
    metrics_add(m, label, second, 1);
}
void metrics_time(enum metric m, unsigned label, uint64_t us);
/* By one process only, except of a site. */
void metrics_gauge(enum metric m, unsigned label, uint64_t value);

/* ---- sites: each has a number among the metrics as long as the daemon runs ---- */

#define METRIC_SITES_MAX 4096 /* with later ones, all are METRIC_SITE_OTHER */
#define METRIC_SITE_OTHER 0
#define METRIC_SITE_HOST "mcp-authd.conf" /* what the site of that file is called */
#define METRIC_SITE_NAME_MAX 63
/* Its number; of a new name the next one. In the master, before it forks those who count. */
unsigned metrics_site(const char *name);
/* So many of the first numbers have a label of their own; all others are exported as "other". */
void metrics_show_sites(unsigned count);

/* How many cells a slot has, with those that all processes share, and in which of them a
 * combination of labels begins: a histogram has one for each bucket and one for its sum. 0 before
 * metrics_open. */
size_t metrics_cells(void);
size_t metrics_cell(enum metric m, unsigned a, unsigned b);

uint64_t metrics_now_us(void); /* monotonic */
/* The endpoint of a route's group bit (config.h); 0: none. */
enum metric_endpoint metrics_endpoint(unsigned group);
/* All that one request counts. invoked: a handler ran, for so long. */
void metrics_request(enum metric_endpoint endpoint, bool invoked, int status, uint64_t us);
void metrics_latency(uint64_t us); /* of the request that was counted last */

/* The sum over all slots. Of a histogram, b is a bucket, whose count this is, or METRIC_SUM, for
 * the sum in microseconds. */
uint64_t metrics_value(enum metric m, unsigned a, unsigned b);
/* The same; of METRIC_SITE_OTHER with all sites that have no label: counters added up, of gauges
 * the largest. */
uint64_t metrics_exported(enum metric m, unsigned a, unsigned b);

/* Upper bounds in microseconds; the last bucket has none. */
#define METRIC_BOUNDS 38
#define METRIC_BUCKETS (METRIC_BOUNDS + 1)
#define METRIC_SUM METRIC_BUCKETS
extern const uint64_t metric_bounds[METRIC_BOUNDS];

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

struct metric_label {
    const char *dimension;     /* CloudWatch's name; NULL: this label is not there */
    const char *label;         /* Prometheus's */
    const char *const *values; /* NULL among them: this value is never counted */
    unsigned count;            /* at least 1 */
    bool of_sites;             /* the values are the names of sites; `values` is NULL */
};
/* NULL: this value is never exported. */
const char *metrics_label(const struct metric_label *l, unsigned value);

struct metric_info {
    enum metric_kind kind;
    const char *cloudwatch; /* NULL: not sent there */
    const char *unit;       /* CloudWatch's */
    const char *prometheus;
    const char *help;
    const struct metric_label *labels[2]; /* never NULL */
    unsigned scale;                       /* the number is in such parts of the unit */
};
extern const struct metric_info metric_table[METRICS];
unsigned metrics_status_index(int status); /* of METRIC_RESPONSES */
/* What METRIC_DENIALS calls each error code; names NULL where a code is never counted. */
void metrics_name_reasons(const char *const names[ERR_COUNT]);

/* ---- export.c ---- */
void metrics_text(FILE *out); /* Prometheus text exposition format 0.0.4 */

/* CloudWatch embedded metric format: a line for each set of dimensions where something has happened
 * since the last time; gauges always. `cells` (metrics_cells of them, zero at first) has what was
 * written last. After metrics_open. */
void metrics_emf_write(uint64_t *cells, int64_t now_ms, FILE *out);
