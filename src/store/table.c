#include "store/table.h"

#include <stdlib.h>

static void put(struct arena *a, struct json *into, const char *name, const char *type,
                const char *text) {
    struct json *v = json_new_object(a);

    json_put_str(v, type, text);
    json_put(into, name, v);
}

void item_put_text(struct arena *a, struct json *into, const char *name, const char *text) {
    put(a, into, name, "S", text);
}

void item_put_number(struct arena *a, struct json *into, const char *name, int64_t n) {
    put(a, into, name, "N", arena_printf(a, "%lld", (long long)n)); /* in JSON a number is text */
}

const char *item_text(const struct json *item, const char *name) {
    return json_get_str(json_get(item, name), "S");
}

bool item_number(const struct json *item, const char *name, int64_t *out) {
    const char *digits = json_get_str(json_get(item, name), "N");
    char *end;

    if (!digits || !*digits)
        return false;
    *out = strtoll(digits, &end, 10);
    return !*end;
}

struct expression expression_new(struct arena *a, const char *condition,
                                 const char *const *attributes) {
    struct expression x = {json_new_object(a), json_new_object(a), json_new_object(a)};

    for (; *attributes; attributes++)
        json_put_str(x.names, arena_printf(a, "#%s", *attributes), *attributes);
    json_put_str(x.input, "ConditionExpression", condition);
    json_put(x.input, "ExpressionAttributeNames", x.names);
    json_put(x.input, "ExpressionAttributeValues", x.values);
    return x;
}

/* The time of waiting for the limit counts as time of the call. */
enum rc table_call(const struct table *t, struct arena *a, const struct dynamodb_request *rq,
                   struct dynamodb_result *out, struct err *e) {
    const int64_t until_ms = clock_monotonic_ms() + DYNAMODB_CALL_MS;
    const bool is_slow = concurrency_limit_is_slow(t->limit);
    struct dynamodb_request limited = *rq;
    int64_t slow_until_ms;
    enum rc rc;

    if (concurrency_limit_enter(t->limit)) {
        (void)err_set(e, ERR_STORE, "the %s does not answer; try again later",
                      dynamodb_what(t->db));
        err_detail(e, "DynamoDB %s: not asked, since others wait for it", rq->operation);
        return e->code;
    }
    slow_until_ms = clock_monotonic_ms() + TABLE_SLOW_CALL_MS;
    limited.until_ms = is_slow && slow_until_ms < until_ms ? slow_until_ms : until_ms;
    rc = dynamodb_call(t->db, a, &limited, out, e);
    concurrency_limit_leave(t->limit, !out->unavailable);
    return rc;
}
