#include "aws/dynamodb.h"

#include <sys/param.h>

#include "aws/endpoint.h"
#include "aws/sigv4.h"
#include "metrics/metrics.h"

#define ARENA_MAX 65536 /* what lives as long as the client: endpoint, region */
#define TARGET_PREFIX "DynamoDB_20120810."
#define CAPACITY_UNITS_MAX 1e6 /* of one call; more is no figure to add up */

struct dynamodb {
    struct arena *arena;
    struct dynamodb_options options;
    const char *region;
    struct aws_endpoint endpoint;
    struct aws_credentials_source *credentials;
    int64_t skew_s; /* AWS's clock less ours, once AWS has refused us for it */
};

/* ---- making one ---- */

/* arn:partition:dynamodb:REGION:account:table/NAME; NULL for a plain name. */
static const char *region_of_arn(struct arena *a, const char *table) {
    const char *p = table;

    if (strncmp(table, "arn:", 4) != 0)
        return NULL;
    for (int colons = 0; colons < 3; colons++) {
        p = strchr(p, ':');
        if (!p++)
            return NULL;
    }
    return arena_strndup(a, p, strcspn(p, ":"));
}

static enum rc find_service(struct dynamodb *d, struct arena *scratch, struct err *e) {
    const struct dynamodb_options *o = &d->options;
    const char *region = region_of_arn(scratch, o->table);
    struct aws_endpoint endpoint;

    if (!region && aws_region(scratch, o->env, o->region, &region, e))
        return e->code;
    d->region = arena_strdup(d->arena, region);
    if (aws_endpoint(scratch, &(struct aws_lookup){o->env, region, "dynamodb"}, &endpoint, e))
        return e->code;
    d->endpoint = (struct aws_endpoint){arena_strdup(d->arena, endpoint.url),
                                        arena_strdup(d->arena, endpoint.host),
                                        arena_strdup(d->arena, endpoint.path)};
    return aws_credentials_new(
        &(struct aws_credentials_options){o->env, d->region, o->http, o->clock}, &d->credentials,
        e);
}

enum rc dynamodb_new(const struct dynamodb_options *options, struct dynamodb **out, struct err *e) {
    struct dynamodb *d = xcalloc(1, sizeof *d);
    struct arena *scratch = arena_new(AWS_SCRATCH_MAX);
    enum rc rc;

    d->arena = arena_new(ARENA_MAX);
    d->options = *options;
    rc = find_service(d, scratch, e);
    arena_free(scratch);
    if (rc) {
        dynamodb_free(d);
        d = NULL;
    }
    *out = d;
    return rc;
}

void dynamodb_free(struct dynamodb *d) {
    if (!d)
        return;
    aws_credentials_free(d->credentials);
    arena_free(d->arena);
    free(d);
}

const char *dynamodb_url(const struct dynamodb *d) {
    return d->endpoint.url;
}

struct aws_credentials_source *dynamodb_credentials(struct dynamodb *d) {
    return d->credentials;
}

/* ---- what an answer means ---- */

enum meaning {
    DONE,
    CONDITION_FAILED,
    REFUSED,          /* trying again would not help */
    NOT_NOW,          /* was not carried out; may be tried again */
    UNKNOWN,          /* may have been carried out; may be tried again */
    WRONG_TIME,       /* refused, perhaps because our clock is wrong */
    WRONG_CREDENTIALS /* refused, perhaps because they have been replaced */
};

/* "Error handling with DynamoDB" and "Common errors" in AWS's documents. */
static const struct fault {
    const char *type;
    enum meaning meaning;
    const char *advice; /* what an admin does if no retry helps; NULL: nothing is known */
} faults[] = {
    {"AccessDeniedException", REFUSED, "see the policies in docs/dynamodb.md"},
    {"ConditionalCheckFailedException", CONDITION_FAILED, NULL},
    {"ProvisionedThroughputExceededException", NOT_NOW, NULL},
    {"ThrottlingException", NOT_NOW, NULL},
    {"Throttling", NOT_NOW, NULL},
    {"RequestLimitExceeded", NOT_NOW, NULL},
    {"TransactionConflictException", NOT_NOW, NULL},
    {"ServiceUnavailable", UNKNOWN, NULL},
    {"InternalServerError", UNKNOWN, NULL},
    {"InternalFailure", UNKNOWN, NULL},
    {"RequestTimeTooSkewed", WRONG_TIME, NULL},
    {"RequestExpired", WRONG_TIME, NULL},
    {"InvalidSignatureException", WRONG_TIME, "the secret access key is wrong"},
    {"SignatureDoesNotMatch", WRONG_TIME, NULL},
    {"ExpiredTokenException", WRONG_CREDENTIALS, "the session token has expired"},
    {"ExpiredToken", WRONG_CREDENTIALS, NULL},
    {"UnrecognizedClientException", WRONG_CREDENTIALS, "AWS does not know the access key"},
    {"InvalidClientTokenId", WRONG_CREDENTIALS, NULL},
};

/* NULL: the type is not among them. */
static const struct fault *find_fault(const char *type) {
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        if (!strcmp(faults[i].type, type))
            return &faults[i];
    return NULL;
}

/* Four bits at a time: the polynomial 0xEDB88320 (reflected) for each value of them. */
static const uint32_t crc32_table[16] = {
    0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
    0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c};

uint32_t dynamodb_crc32(const void *data, size_t len) {
    const uint8_t *p = data;
    uint32_t crc = 0xffffffff;

    for (size_t i = 0; i < len; i++) {
        crc ^= p[i];
        crc = crc >> 4 ^ crc32_table[crc & 15];
        crc = crc >> 4 ^ crc32_table[crc & 15];
    }
    return ~crc;
}

static bool checksum_is_right(const struct http_reply *reply) {
    const char *text = http_reply_header(reply, "x-amz-crc32");

    return !text || strtoull(text, NULL, 10) == dynamodb_crc32(reply->body, reply->body_len);
}

/* A message may repeat the canonical request, and with it the session token. */
static const char *message_of(const struct json *body, enum meaning meaning) {
    const char *text = json_get_str(body, "message");

    if (!text)
        text = json_get_str(body, "Message");
    return text && meaning != WRONG_TIME && meaning != WRONG_CREDENTIALS ? text : "";
}

static enum meaning read_fault(struct json *body, long status, struct dynamodb_result *r) {
    const char *type = json_get_str(body, "__type"), *name;
    const struct fault *known;
    enum meaning meaning;

    if (!type) /* not DynamoDB: something in between */
        type = status >= 500 ? "ServerError" : "NotUnderstood";
    name = strrchr(type, '#'); /* namespace#Name */
    name = name ? name + 1 : type;
    known = find_fault(name);
    meaning = known ? known->meaning : status >= 500 ? UNKNOWN : status == 429 ? NOT_NOW : REFUSED;
    r->fault = name;
    r->message = message_of(body, meaning);
    return meaning;
}

static enum meaning read_reply(struct arena *a, const struct http_reply *reply,
                               struct dynamodb_result *r) {
    struct json *body;

    r->date = http_reply_header(reply, "Date");
    if (!checksum_is_right(reply)) {
        r->fault = "WrongChecksum";
        return UNKNOWN;
    }
    if (json_parse(a, reply->body, reply->body_len, &body, ERR_IGNORED))
        body = NULL;
    if (reply->status != 200)
        return read_fault(body, reply->status, r);
    if (!json_is_object(body)) {
        r->fault = "NotUnderstood";
        return UNKNOWN;
    }
    r->output = body;
    return DONE;
}

/* ---- one try ---- */

struct call {
    struct dynamodb *d;
    struct arena *a;
    const char *operation, *body;
    size_t body_len;
    int64_t deadline_ms;
    bool clock_set, credentials_replaced; /* each is tried once */
};

static enum meaning send_signed(struct call *c, const struct aws_credentials *credentials,
                                struct dynamodb_result *r) {
    struct dynamodb *d = c->d;
    const char *const headers[] = {
        "Content-Type: application/x-amz-json-1.0",
        arena_printf(c->a, "X-Amz-Target: " TARGET_PREFIX "%s", c->operation), NULL};
    const struct aws_sign_request sign = {
        .method = "POST",
        .host = d->endpoint.host,
        .path = d->endpoint.path,
        .headers = headers,
        .body = c->body,
        .body_len = c->body_len,
        .region = d->region,
        .service = "dynamodb",
        .credentials = credentials,
        .time_s = clock_now_s(d->options.clock) + d->skew_s,
    };
    int64_t left_ms = c->deadline_ms - clock_monotonic_ms();
    const struct http_request rq = {
        .method = "POST",
        .url = d->endpoint.url,
        .headers = sigv4_sign(c->a, &sign).lines,
        .body = c->body,
        .body_len = c->body_len,
        .max_reply_bytes = DYNAMODB_REPLY_MAX,
        .timeout_ms = (long)(left_ms < DYNAMODB_TRY_MS ? left_ms : DYNAMODB_TRY_MS),
    };
    struct http_reply reply;
    enum rc failed;
    struct err e;

    failed = http_fetch(d->options.http, c->a, &rq, &reply, &e);
    if (reply.times_sent > 1)
        metrics_add(METRIC_RETRIES, UPSTREAM_DYNAMODB, 0, reply.times_sent - 1);
    if (failed) {
        r->fault = "NoAnswer";
        r->message = arena_strdup(c->a, *e.detail ? e.detail : e.text);
        return UNKNOWN;
    }
    r->unsure = r->unsure || reply.times_sent > 1;
    return read_reply(c->a, &reply, r);
}

static enum meaning attempt(struct call *c, struct dynamodb_result *r) {
    struct aws_credentials credentials;
    struct err e;

    r->tries++;
    if (aws_credentials_get(c->d->credentials, c->a, c->deadline_ms, &credentials, &e)) {
        r->fault = "NoCredentials";
        r->message = arena_printf(c->a, "%s%s%s", e.text, *e.detail ? ": " : "", e.detail);
        return e.code == ERR_UPSTREAM ? NOT_NOW : REFUSED;
    }
    if (clock_monotonic_ms() >= c->deadline_ms) {
        r->fault = "NoTimeLeft";
        return NOT_NOW;
    }
    return send_signed(c, &credentials, r);
}

/* ---- again, or not ---- */

/* AWS signs its answers with its own time: with that, the same request may be accepted. */
static bool set_clock(struct call *c, const struct dynamodb_result *r) {
    int64_t answer_s = http_date(r->date), skew_s = answer_s - clock_now_s(c->d->options.clock);
    int64_t change_s = skew_s - c->d->skew_s;

    if (c->clock_set || !answer_s || llabs(change_s) < DYNAMODB_SKEW_MIN_S)
        return false;
    c->clock_set = true;
    c->d->skew_s = skew_s;
    log_warn("clock_differs_from_aws", kvn("seconds", skew_s),
             kv("hint", "set this host's clock (NTP)"));
    return true;
}

/* Is another try worth it? UNKNOWN and NOT_NOW pause before it. */
static bool may_try_again(struct call *c, enum meaning meaning, const struct dynamodb_result *r) {
    switch (meaning) {
    case NOT_NOW:
    case UNKNOWN:
        return true;
    case WRONG_TIME:
        return set_clock(c, r);
    case WRONG_CREDENTIALS:
        if (c->credentials_replaced)
            return false;
        c->credentials_replaced = true;
        aws_credentials_refused(c->d->credentials);
        return true;
    default:
        return false;
    }
}

/* Exponential back-off with full jitter: any time up to the limit of this try. false: the deadline
 * would pass. */
static bool pause_before(const struct call *c, unsigned tries) {
    const unsigned limit = MIN(DYNAMODB_BACKOFF_MS << (tries - 1), DYNAMODB_BACKOFF_MAX_MS);
    struct timespec ts = {.tv_nsec = (long)arc4random_uniform(limit * 1000) * 1000};

    if (clock_monotonic_ms() + clock_ms(ts) >= c->deadline_ms)
        return false;
    while (clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, &ts))
        ;
    return true;
}

static void count_try(enum meaning meaning, const struct dynamodb_result *r) {
    static const enum metric_outcome outcomes[] = {[DONE] = OUTCOME_OK,
                                                   [CONDITION_FAILED] = OUTCOME_REFUSED,
                                                   [REFUSED] = OUTCOME_REFUSED,
                                                   [NOT_NOW] = OUTCOME_THROTTLED,
                                                   [UNKNOWN] = OUTCOME_FAILED,
                                                   [WRONG_TIME] = OUTCOME_REFUSED,
                                                   [WRONG_CREDENTIALS] = OUTCOME_REFUSED};

    metrics_count2(METRIC_UPSTREAM_CALLS, UPSTREAM_DYNAMODB, outcomes[meaning]);
    if (meaning == REFUSED)
        metrics_count(METRIC_USER_ERRORS, 0);
    if (r->tries > 1)
        metrics_count(METRIC_RETRIES, UPSTREAM_DYNAMODB);
}

/* What DynamoDB says that the call cost, in capacity units. */
static void count_units(const char *operation, const struct dynamodb_result *r) {
    const struct json *spent = json_get(r->output, "ConsumedCapacity");
    struct json_number units;

    if (json_number(json_get(spent, "CapacityUnits"), &units) && units.d > 0 &&
        units.d < CAPACITY_UNITS_MAX)
        metrics_add(strcmp(operation, "GetItem") ? METRIC_CONSUMED_WRITE : METRIC_CONSUMED_READ, 0,
                    0, (uint64_t)(units.d * METRIC_UNITS_SCALE));
}

static enum meaning try_all(struct call *c, struct dynamodb_result *r) {
    enum meaning meaning;

    for (;;) {
        meaning = attempt(c, r);
        count_try(meaning, r);
        if (!may_try_again(c, meaning, r) || r->tries == DYNAMODB_TRIES_MAX)
            return meaning;
        if (meaning == UNKNOWN)
            r->unsure = true;
        if ((meaning == UNKNOWN || meaning == NOT_NOW) && !pause_before(c, r->tries))
            return meaning;
        log_debug("dynamodb_try_failed", kv("operation", c->operation), kvn("try", r->tries),
                  kv("fault", r->fault), kv("message", r->message));
    }
}

/* What an admin does about a refusal that a retry cannot cure. */
static const char *advice(const struct dynamodb *d, struct arena *a, const char *fault) {
    const struct fault *known = find_fault(fault);

    if (!strcmp(fault, "ResourceNotFoundException"))
        return arena_printf(a, "; there is no such table in this region and account: see %s",
                            d->options.setting);
    return known && known->advice ? arena_printf(a, "; %s", known->advice) : "";
}

enum rc dynamodb_call(struct dynamodb *d, struct arena *a, const struct dynamodb_request *rq,
                      struct dynamodb_result *out, struct err *e) {
    const int64_t start_ms = clock_monotonic_ms();
    struct call c = {.d = d,
                     .a = a,
                     .operation = rq->operation,
                     .deadline_ms = rq->until_ms ? rq->until_ms : start_ms + DYNAMODB_CALL_MS};
    enum meaning meaning;

    *out = (struct dynamodb_result){.fault = "", .message = ""};
    json_put_str(rq->input, "TableName", d->options.table);
    if (strstr(rq->operation, "Item"))
        json_put_str(rq->input, "ReturnConsumedCapacity", "TOTAL");
    c.body = json_text(a, rq->input, &c.body_len);
    meaning = try_all(&c, out);
    out->unsure = out->unsure || meaning == UNKNOWN;
    out->unavailable = meaning == UNKNOWN || meaning == NOT_NOW;
    if (out->tries > 1)
        log_info("dynamodb_retried", kv("operation", rq->operation), kvn("tries", out->tries),
                 kvn("ms", clock_monotonic_ms() - start_ms), kv("fault", out->fault));
    if (meaning == DONE) {
        count_units(rq->operation, out);
        return OK;
    }
    if (meaning == CONDITION_FAILED)
        return err_set(e, ERR_CONFLICT, "the condition of the %s failed", rq->operation);
    (void)err_set(e, ERR_STORE, "the %s is not available; try again in a few seconds",
                  d->options.what);
    return err_detail(e, "DynamoDB %s: %s %s%s", rq->operation, out->fault, out->message,
                      advice(d, a, out->fault));
}
