/* A DynamoDB table as a store uses it: calls within a limit, and the attributes of an item as it
 * travels, an object of typed values. */
#pragma once

#include "aws/dynamodb.h"
#include "shared/concurrency_limit.h"

/* A call pending longer than this shows that DynamoDB is slow: more than one try that was not
 * answered, and another. */
#define TABLE_SLOW_MS 1400
#define TABLE_SLOW_CALL_MS 1500 /* of a call while it is slow, so that nobody waits for long */

struct table {
    struct dynamodb *db;
    struct concurrency_limit *limit; /* NULL: none */
};
/* dynamodb_call, by one of the workers that may wait for the table. ERR_STORE also if too many do.
 */
enum rc table_call(const struct table *t, struct arena *a, const struct dynamodb_request *rq,
                   struct dynamodb_result *out, struct err *e) MUST_USE;

void item_put_text(struct arena *a, struct json *into, const char *name, const char *text);
void item_put_number(struct arena *a, struct json *into, const char *name, int64_t n);
const char *item_text(const struct json *item, const char *name); /* NULL: it has no such text */
bool item_number(const struct json *item, const char *name, int64_t *out); /* false: the same */

/* A request with a condition, and the names and values that it and an update use. Every name goes
 * by a placeholder, #NAME: `ttl`, `state` and others are reserved words. */
struct expression {
    struct json *input, *names, *values;
};
/* `attributes` ends with NULL. */
struct expression expression_new(struct arena *a, const char *condition,
                                 const char *const *attributes);
