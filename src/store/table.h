/* A DynamoDB table as a store uses it: calls within a concurrency limit, and the attributes of an
 * item in DynamoDB's JSON form, an object of typed values. */
#pragma once

#include "aws/dynamodb.h"
#include "shared/concurrency_limit.h"
#include "store/stores.h"

/* A call pending longer than this shows that DynamoDB is slow. It is longer than one try without an
 * answer (DYNAMODB_TRY_MS) and a second one that is answered. */
#define TABLE_SLOW_MS 1400
#define TABLE_SLOW_CALL_MS 1500 /* time limit of a call while it is slow */

struct table {
    const struct table_kind *kind;
    const char *site; /* whose items they are; "": the only one's. Borrowed */
    struct dynamodb *db;
    struct http_client *own_http;    /* NULL: that of store_options */
    struct concurrency_limit *limit; /* NULL: none */
    struct arena *scratch;           /* of one operation */
};

/* Sends no request. ERR_MISCONFIGURED says what to do. */
enum rc table_open(const struct table_kind *kind, const struct store_options *o, struct table *out,
                   struct err *e) MUST_USE;
void table_close(struct table *t);
/* Checks region, endpoint and source of credentials, and sends no request. ERR_MISCONFIGURED as
 * above. */
enum rc table_check(const struct table_kind *kind, const struct config *c, struct err *e) MUST_USE;

/* dynamodb_call within the limit. ERR_STORE also if too many workers wait for the table already. */
enum rc table_call(const struct table *t, struct arena *a, const struct dynamodb_request *rq,
                   struct dynamodb_result *out, struct err *e) MUST_USE;

/* GetItem, consistent. *item is NULL if there is none with that key. */
enum rc table_get(const struct table *t, struct arena *a, struct json *key,
                  const struct json **item, struct err *e) MUST_USE;
/* ERR_STORE for an item that cannot be read; `why` continues "an item of the session store". */
enum rc item_damaged(const struct table *t, const char *why, struct err *e);

/* The key of an item, such as {"sessionId": {"S": id}}. Sites may have one table: the id comes
 * after the site's name, NAME/ID, so that none finds another's, and a policy can name those of one
 * (LeadingKeys). */
struct json *item_key(const struct table *t, struct arena *a, const char *id);
/* The id in the key of an item; NULL: it has none, or is another site's. */
const char *item_id(const struct table *t, const struct json *item);
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
