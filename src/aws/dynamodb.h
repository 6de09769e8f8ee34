/* DynamoDB's JSON protocol: one signed POST per call, retried as AWS prescribes. It knows nothing
 * of sessions and tasks; what is asked with it is in store/sessions_dynamodb.c and
 * store/tasks_dynamodb.c. */
#pragma once

#include "aws/credentials.h"
#include "base/json.h"

/* Of one call with all its tries: a browser that waits for it is answered within 5 s. */
#define DYNAMODB_CALL_MS 4500
#define DYNAMODB_TRY_MS 1000    /* of one try: a stall is given up and tried again */
#define DYNAMODB_TRIES_MAX 10   /* in one call */
#define DYNAMODB_BACKOFF_MS 25U /* the first pause at most, doubled for each further one */
#define DYNAMODB_BACKOFF_MAX_MS 800U
#define DYNAMODB_REPLY_MAX 524288 /* bytes; above DynamoDB's limit for an item, 400 KB */
#define DYNAMODB_SKEW_MIN_S 60    /* a smaller difference of clocks is not why AWS refused */

struct dynamodb;
struct dynamodb_options {
    const struct aws_env *env;
    const char *region; /* if neither the table's ARN nor the environment names one; may be "" */
    const char *table;  /* its name or ARN */
    struct http_client *http; /* to any address */
    const struct clock *clock;
    const char *what;    /* as errors call it: "session store" */
    const char *setting; /* the key of the configuration that names the table */
};
/* Finds region, endpoint and source of credentials, without asking a server. Everything in the
 * options is borrowed. ERR_MISCONFIGURED, with what to do. */
enum rc dynamodb_new(const struct dynamodb_options *options, struct dynamodb **out,
                     struct err *e) MUST_USE;
void dynamodb_free(struct dynamodb *d); /* NULL is accepted */

/* How a call ended. */
struct dynamodb_result {
    struct json *output; /* of one that succeeded */
    const char *fault;   /* the error type of the last try that failed, such as
                            "AccessDeniedException"; "NoAnswer", "WrongChecksum" and the like when
                            there was none; "" if no try failed */
    const char *message; /* what AWS wrote; for people, never for a client */
    unsigned tries;
    bool unsure;      /* a try that did not get its answer may have been carried out */
    bool unavailable; /* no try got an answer that another one would not change */
    const char *date; /* that header of the last answer; NULL if there was none */
};
struct dynamodb_request {
    const char *operation;
    struct json *input; /* gets the TableName */
    int64_t until_ms; /* monotonic: no try begins or goes on after; 0: DYNAMODB_CALL_MS from now */
};
/* *out is filled in any case and lives in a.
 *   ERR_CONFLICT  ConditionalCheckFailedException
 *   ERR_STORE     it could not be done (e->detail says why); e->text may go to a client */
enum rc dynamodb_call(struct dynamodb *d, struct arena *a, const struct dynamodb_request *rq,
                      struct dynamodb_result *out, struct err *e) MUST_USE;

/* For people. */
const char *dynamodb_url(const struct dynamodb *d);
struct aws_credentials_source *dynamodb_credentials(struct dynamodb *d); /* borrowed */

/* CRC-32 as in IEEE 802.3 and zip: DynamoDB sends it of each body in x-amz-crc32. For tests too. */
uint32_t dynamodb_crc32(const void *data, size_t len);
