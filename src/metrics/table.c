/* Private part of metrics.h: what the metrics are called. */
#include "metrics/metrics.h"

#include <string.h>

static const char *const nothing[] = {""};
static const char *const endpoints[ENDPOINTS] = {"authorize", "token", "metadata", "mcp", "other"};
static const char *const cache[] = {"hit", "miss"};
static const char *const upstreams[UPSTREAMS] = {"token",    "revoke",   "keys",
                                                 "document", "dynamodb", "credentials"};
static const char *const outcomes[OUTCOMES] = {"ok", "refused", "throttled", "failed", "timeout"};
static const char *const operations[STORE_OPERATIONS] = {"PutItem", "UpdateItem", "GetItem",
                                                         "DeleteItem"};
static const char *const exits[EXITS] = {"normal", "failed", "killed"};
static const char *const outputs[OUTPUT_KINDS] = {"log", "audit", "metrics"};
static const char *const states[] = {"starting", "idle", "busy", "leaving"};

/* By enum rc; the rooms above know all codes. */
static const char *reasons[ERR_COUNT];

void metrics_name_reasons(const char *const names[ERR_COUNT]) {
    memcpy(reasons, names, sizeof reasons);
}

/* Statuses that the program answers with; the last one stands for all others. */
static const char *const statuses[] = {"200", "202", "204", "302", "303", "400",  "401",
                                       "403", "404", "405", "406", "413", "415",  "429",
                                       "500", "501", "502", "503", "504", "other"};
#define STATUSES (sizeof statuses / sizeof *statuses)

static const struct metric_label none = {NULL, NULL, nothing, 1};
static const struct metric_label by_endpoint = {"Endpoint", "endpoint", endpoints, ENDPOINTS};
static const struct metric_label by_status = {"Status", "status", statuses, STATUSES};
static const struct metric_label by_reason = {"Reason", "reason", reasons, ERR_COUNT};
static const struct metric_label by_result = {"Result", "result", cache, 2};
static const struct metric_label by_upstream = {"Upstream", "upstream", upstreams, UPSTREAMS};
static const struct metric_label by_outcome = {"Outcome", "outcome", outcomes, OUTCOMES};
static const struct metric_label by_operation = {"Operation", "operation", operations,
                                                 STORE_OPERATIONS};
static const struct metric_label by_exit = {"How", "how", exits, EXITS};
static const struct metric_label by_output = {"Output", "output", outputs, OUTPUT_KINDS};
static const struct metric_label by_state = {"State", "state", states, 4};

/* clang-format 14 and 19 do not agree here. */
/* clang-format off */
#define METRIC(kind, cloudwatch, unit, prometheus, first, second, scale, help)                     \
    { kind, cloudwatch, unit, "mcp_authd_" prometheus, help, {&(first), &(second)}, scale }
/* clang-format on */
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
    [METRIC_LINES_LOST] = COUNTER("LinesLost", "lines_lost_total", by_output, none,
                                  "Lines that the log, the audit log or the file of metrics did "
                                  "not take."),
    [METRIC_START_TIME] =
        GAUGE(NULL, "start_time_seconds", none, "When the master started, in seconds since 1970."),
};

unsigned metrics_status_index(int status) {
    unsigned i;

    for (i = 0; i < STATUSES - 1; i++) {
        const char *s = statuses[i];

        if (status == (s[0] - '0') * 100 + (s[1] - '0') * 10 + (s[2] - '0'))
            break;
    }
    return i;
}
