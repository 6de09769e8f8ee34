#include "store/table.h"

#include <unistd.h>

#include "aws/endpoint.h"

#define SCRATCH_MAX (16U << 20)

/* ---- opening and closing ---- */

static enum rc new_client(const struct table_kind *kind, const struct store_options *o,
                          struct http_client *http, struct dynamodb **out, struct err *e) {
    static struct aws_env env;

    env.vars = (const char *const *)environ;
    return dynamodb_new(&(struct dynamodb_options){.env = &env,
                                                   .region = o->config->aws_region,
                                                   .table = table_name(kind, o->config),
                                                   .http = http,
                                                   .clock = o->clock,
                                                   .what = kind->what,
                                                   .setting = kind->setting},
                        out, e);
}

enum rc table_open(const struct table_kind *kind, const struct store_options *o, struct table *out,
                   struct err *e) {
    const struct config *c = o->config;
    const struct concurrency_options limit = concurrency_of_service(c->workers_max, TABLE_SLOW_MS);
    const struct http_options options =
        aws_http_options(c->https_proxy_upstream, c->no_proxy_upstream);
    struct arena *a = arena_new(SCRATCH_MAX);

    *out = (struct table){.kind = kind, .site = c->site, .scratch = a};
    if ((!o->http && http_client_new(&options, &out->own_http, e)) ||
        new_client(kind, o, o->http ? o->http : out->own_http, &out->db, e)) {
        table_close(out);
        return e->code;
    }
    if (o->is_worker &&
        concurrency_limit_open(arena_printf(a, "%s/%s", c->state_dir, kind->limit_file), &limit,
                               &out->limit, e))
        log_error("state_unavailable", kv("why", e->text)); /* then there is no limit */
    return OK;
}

void table_close(struct table *t) {
    dynamodb_free(t->db);
    http_client_free(t->own_http);
    concurrency_limit_close(t->limit);
    arena_free(t->scratch);
}

enum rc table_check(const struct table_kind *kind, const struct config *c, struct err *e) {
    static const struct clock clock;
    struct dynamodb *db;

    if (new_client(kind, &(struct store_options){.config = c, .clock = &clock}, NULL, &db, e))
        return e->code;
    dynamodb_free(db);
    return OK;
}

/* ---- items ---- */

static void put(struct arena *a, struct json *into, const char *name, const char *type,
                const char *text) {
    struct json *v = json_new_object(a);

    json_put_str(v, type, text);
    json_put(into, name, v);
}

void item_put_text(struct arena *a, struct json *into, const char *name, const char *text) {
    put(a, into, name, "S", text);
}

struct json *item_key(const struct table *t, struct arena *a, const char *id) {
    struct json *key = json_new_object(a);

    item_put_text(a, key, t->kind->key, *t->site ? arena_printf(a, "%s/%s", t->site, id) : id);
    return key;
}

const char *item_id(const struct table *t, const struct json *item) {
    const char *id = item_text(item, t->kind->key);
    const size_t len = strlen(t->site);

    if (!id || !len)
        return id;
    return !strncmp(id, t->site, len) && id[len] == '/' ? id + len + 1 : NULL;
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

enum rc item_damaged(const struct table *t, const char *why, struct err *e) {
    (void)err_set(e, ERR_STORE, "the %s is not available", t->kind->what);
    return err_detail(e, "an item of the %s %s", t->kind->what, why);
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

/* ---- calls ---- */

/* The time of waiting for the limit counts as time of the call. */
enum rc table_call(const struct table *t, struct arena *a, const struct dynamodb_request *rq,
                   struct dynamodb_result *out, struct err *e) {
    const int64_t until_ms = clock_monotonic_ms() + DYNAMODB_CALL_MS;
    const bool is_slow = concurrency_limit_is_slow(t->limit);
    struct dynamodb_request limited = *rq;
    int64_t slow_until_ms;
    enum rc rc;

    if (concurrency_limit_enter(t->limit)) {
        (void)err_set(e, ERR_STORE, "the %s does not answer; try again later", t->kind->what);
        return err_detail(e, "DynamoDB %s: not asked, since others wait for it", rq->operation);
    }
    slow_until_ms = clock_monotonic_ms() + TABLE_SLOW_CALL_MS;
    limited.until_ms = is_slow && slow_until_ms < until_ms ? slow_until_ms : until_ms;
    rc = dynamodb_call(t->db, a, &limited, out, e);
    concurrency_limit_leave(t->limit, !out->unavailable);
    return rc;
}

enum rc table_get(const struct table *t, struct arena *a, struct json *key,
                  const struct json **item, struct err *e) {
    struct json *input = json_new_object(a);
    struct dynamodb_result r;

    json_put(input, "Key", key);
    json_put_bool(input, "ConsistentRead", true);
    if (table_call(t, a, &(struct dynamodb_request){"GetItem", input, 0}, &r, e))
        return e->code;
    *item = json_get(r.output, "Item");
    return OK;
}
