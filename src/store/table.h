/* A DynamoDB table as a store uses it: calls within a concurrency limit, and the attributes of an
 * item in DynamoDB's JSON form, an object of typed values. */
#pragma once

#include "aws/dynamodb.h"
#include "shared/concurrency_limit.h"

/* A call pending longer than this shows that DynamoDB is slow. It is longer than one try without an
 * answer (DYNAMODB_TRY_MS) and a second one that is answered. */
#define TABLE_SLOW_MS 1400
#define TABLE_SLOW_CALL_MS 1500 /* time limit of a call while it is slow */

struct table {
    struct dynamodb *db;
    struct concurrency_limit *limit; /* NULL: none */
};
/* dynamodb_call within the limit. ERR_STORE also if too many workers wait for the table already. */
enum rc table_call(const struct table *t, struct arena *a, const struct dynamodb_request *rq,
                   struct dynamodb_result *out, struct err *e) MUST_USE;

void item_put_text(struct arena *a, struct json *into, const char *name, const char *text);
void item_put_number(struct arena *a, struct json *into, const char *name, int64_t n);
const char *item_text(const struct json *item, const char *name); /* NULL: it has no such text */
bool item_number(const struct json *item, const char *name,
                 int64_t *out); /* false: it has no such number */

/* A request with a condition: its input, and the ExpressionAttributeNames and -Values of the
 * condition and of an update. Each name has the placeholder #NAME, since `ttl`, `state` and others
 * are reserved words. */
struct expression {
    struct json *input, *names, *values;
};
/* `attributes` ends with NULL. */
struct expression expression_new(struct arena *a, const char *condition,
                                 const char *const *attributes);
