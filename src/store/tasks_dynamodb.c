/* Private part of tasks.h: records of tasks as items of a DynamoDB table. Key: `taskId`. DynamoDB
 * deletes items whose `ttl` has passed, but days late, so reading checks it too.
 *
 * A try whose answer is lost may have been carried out, and the next one must not take that for
 * someone else's doing: each write draws an `attempt` at random, and an item that has it is ours.
 */

#include "base/base.h"
#include "crypto/random.h"
#include "store/table.h"
#include "store/tasks.h"

#define ATTEMPT_BYTES 16
#define SCRATCH_MAX (16U << 20)
#define LOOK_MS 5000 /* a cancellation that another host has written is noticed within this */
#define POLL_MS 2000 /* each poll is a DynamoDB call */

struct dynamodb_tasks {
    struct task_store base;
    struct dynamodb_options options;
    struct http_client *http;
    struct table table;
    struct arena *scratch; /* of one operation */
};

static struct dynamodb_tasks *self(struct task_store *s) {
    return (struct dynamodb_tasks *)(void *)s;
}

/* ---- the operations ---- */

static enum rc put(struct dynamodb_tasks *t, const struct task_record *in, struct err *e) {
    static const char *const used[] = {"taskId", "attempt", NULL};
    struct arena *a = t->scratch;
    struct expression x =
        expression_new(a, "attribute_not_exists(#taskId) OR #attempt = :attempt", used);
    struct json *item = json_new_object(a);
    const char *attempt = random_text(a, ATTEMPT_BYTES);
    struct dynamodb_result r;
    enum rc rc;

    item_put_text(a, item, "taskId", in->id);
    item_put_number(a, item, "v", TASK_ITEM_VERSION);
    item_put_number(a, item, "version", in->version + 1);
    item_put_number(a, item, "ttl", in->ttl);
    item_put_number(a, item, "lease", in->lease);
    item_put_text(a, item, "attempt", attempt);
    item_put_text(a, item, "record", in->sealed);
    item_put_text(a, x.values, ":attempt", attempt);
    json_put(x.input, "Item", item);
    rc = table_call(&t->table, a, &(struct dynamodb_request){"PutItem", x.input, 0}, &r, e);
    arena_reset(a);
    return rc == ERR_CONFLICT ? err_set(e, ERR_EXISTS, "the task's id is taken") : rc;
}

static enum rc update(struct dynamodb_tasks *t, const struct task_record *in, bool whole,
                      struct err *e) {
    static const char *const used[] = {"version", "attempt", "ttl", "lease", "v", NULL};
    struct arena *a = t->scratch;
    struct expression x = expression_new(
        a, "#v = :v AND (#version = :old OR (#version = :new AND #attempt = :attempt))", used);
    struct json *key = json_new_object(a);
    struct dynamodb_result r;
    enum rc rc;

    item_put_text(a, key, "taskId", in->id);
    item_put_number(a, x.values, ":v", TASK_ITEM_VERSION);
    item_put_number(a, x.values, ":old", in->version);
    item_put_number(a, x.values, ":new", in->version + 1);
    item_put_number(a, x.values, ":ttl", in->ttl);
    item_put_number(a, x.values, ":lease", in->lease);
    item_put_text(a, x.values, ":attempt", random_text(a, ATTEMPT_BYTES));
    if (whole) {
        item_put_text(a, x.values, ":record", in->sealed);
        json_put_str(x.names, "#record", "record");
    }
    json_put(x.input, "Key", key);
    json_put_str(x.input, "UpdateExpression",
                 whole ? "SET #version = :new, #attempt = :attempt, #ttl = :ttl, #lease = :lease, "
                         "#record = :record"
                       : "SET #version = :new, #attempt = :attempt, #ttl = :ttl, #lease = :lease");
    rc = table_call(&t->table, a, &(struct dynamodb_request){"UpdateItem", x.input, 0}, &r, e);
    arena_reset(a);
    return rc == ERR_CONFLICT ? err_set(e, ERR_CONFLICT, "the task was changed meanwhile") : rc;
}

static enum rc write(struct task_store *s, const struct task_record *in, struct err *e) {
    if (strlen(in->sealed) > TASK_SEALED_MAX)
        return err_set(e, ERR_TOO_LARGE, "the task's record is too long");
    return in->version ? update(self(s), in, true, e) : put(self(s), in, e);
}

static enum rc renew(struct task_store *s, const struct task_record *in, struct err *e) {
    return update(self(s), in, false, e);
}

static enum rc damaged(struct err *e, const char *what) {
    (void)err_set(e, ERR_STORE, "the task store is not available");
    err_detail(e, "a task item %s", what);
    return e->code;
}

static enum rc decode(struct arena *a, const struct json *item, int64_t now_s,
                      struct task_record *out, struct err *e) {
    const char *id = item_text(item, "taskId");
    const char *sealed = item_text(item, "record");
    int64_t form;

    if (!item)
        return err_set(e, ERR_MISSING, "there is no such task");
    if (!item_number(item, "v", &form) || form != TASK_ITEM_VERSION)
        return damaged(e, "is of a version that this program does not know");
    if (!id || !sealed || !item_number(item, "version", &out->version) ||
        !item_number(item, "ttl", &out->ttl) || !item_number(item, "lease", &out->lease))
        return damaged(e, "lacks an attribute");
    if (out->ttl <= now_s)
        return err_set(e, ERR_MISSING, "the task has expired");
    out->id = arena_strdup(a, id);
    out->sealed = arena_strdup(a, sealed);
    return OK;
}

static enum rc get(struct task_store *s, struct arena *a, const char *id, struct task_record *out,
                   struct err *e) {
    struct dynamodb_tasks *t = self(s);
    struct json *input = json_new_object(t->scratch), *key = json_new_object(t->scratch);
    struct dynamodb_result r;
    enum rc rc;

    item_put_text(t->scratch, key, "taskId", id);
    json_put(input, "Key", key);
    json_put_bool(input, "ConsistentRead", true);
    rc = table_call(&t->table, t->scratch, &(struct dynamodb_request){"GetItem", input, 0}, &r, e);
    if (!rc)
        rc = decode(a, json_get(r.output, "Item"), clock_now_s(s->clock), out, e);
    arena_reset(t->scratch);
    return rc;
}

/* ---- opening and closing ---- */

static void close_dynamodb(struct task_store *s) {
    struct dynamodb_tasks *t = self(s);

    dynamodb_free(t->table.db);
    http_client_free(t->http);
    concurrency_limit_close(t->table.limit);
    arena_free(t->scratch);
    free(t);
}

/* A task's process is not a worker, and needs no limit. */
static enum rc again(const struct task_store *s, struct cache *cache, struct task_store **out,
                     struct err *e) {
    const struct dynamodb_tasks *t = (const struct dynamodb_tasks *)(const void *)s;

    (void)cache;
    return task_store_dynamodb_open(&t->options, NULL, 0, out, e);
}

enum rc task_store_dynamodb_open(const struct dynamodb_options *options, const char *limit_file,
                                 unsigned workers, struct task_store **out, struct err *e) {
    static const struct task_store_ops ops = {get, write, renew, again, close_dynamodb};
    const struct concurrency_options limit = concurrency_of_service(workers, TABLE_SLOW_MS);
    struct dynamodb_tasks *t = xcalloc(1, sizeof *t);

    *out = NULL;
    t->base = (struct task_store){&ops, options->clock, LOOK_MS, POLL_MS};
    t->options = *options;
    t->scratch = arena_new(SCRATCH_MAX);
    if (!http_client_new(&http_options_open, &t->http, e)) {
        t->options.http = t->http;
        if (!dynamodb_new(&t->options, &t->table.db, e)) {
            if (limit_file && concurrency_limit_open(limit_file, &limit, &t->table.limit, e))
                log_error("state_unavailable", kv("why", e->text)); /* then there is no limit */
            *out = &t->base;
            return OK;
        }
    }
    close_dynamodb(&t->base);
    return e->code;
}
