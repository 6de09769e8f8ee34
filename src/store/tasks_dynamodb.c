/* Private part of tasks.h: records of tasks as items of a DynamoDB table. Key: `taskId`. DynamoDB
 * deletes items whose `ttl` has passed, but days late, so reading checks it too.
 *
 * A try whose answer is lost may have been carried out. So each write draws an `attempt` at random,
 * by which the next try recognizes the item as its own. */

#include "crypto/digest.h"
#include "store/table.h"
#include "store/tasks.h"

#define ATTEMPT_BYTES 16
#define RENEWAL_MS 5000 /* a cancellation that another host has written is noticed within this */
#define POLL_MS 2000    /* each poll is a DynamoDB call */

struct dynamodb_tasks {
    struct task_store base;
    struct table table;
};

static struct dynamodb_tasks *dynamodb_of(struct task_store *s) {
    return (struct dynamodb_tasks *)(void *)s;
}

/* ---- the operations ---- */

static enum rc put(struct dynamodb_tasks *t, const struct task_record *in, struct err *e) {
    static const char *const used[] = {"taskId", "attempt", NULL};
    struct arena *a = t->table.scratch;
    struct expression x =
        expression_new(a, "attribute_not_exists(#taskId) OR #attempt = :attempt", used);
    struct json *item = item_key(&t->table, a, in->id);
    const char *attempt = random_text(a, ATTEMPT_BYTES);
    struct dynamodb_result r;
    enum rc rc;

    item_put_number(a, item, "v", TASK_RECORD_VERSION);
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
    struct arena *a = t->table.scratch;
    struct expression x = expression_new(
        a, "#v = :v AND (#version = :old OR (#version = :new AND #attempt = :attempt))", used);
    struct dynamodb_result r;
    enum rc rc;

    item_put_number(a, x.values, ":v", TASK_RECORD_VERSION);
    item_put_number(a, x.values, ":old", in->version);
    item_put_number(a, x.values, ":new", in->version + 1);
    item_put_number(a, x.values, ":ttl", in->ttl);
    item_put_number(a, x.values, ":lease", in->lease);
    item_put_text(a, x.values, ":attempt", random_text(a, ATTEMPT_BYTES));
    if (whole) {
        item_put_text(a, x.values, ":record", in->sealed);
        json_put_str(x.names, "#record", "record");
    }
    json_put(x.input, "Key", item_key(&t->table, a, in->id));
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
    return in->version ? update(dynamodb_of(s), in, true, e) : put(dynamodb_of(s), in, e);
}

static enum rc renew(struct task_store *s, const struct task_record *in, struct err *e) {
    return update(dynamodb_of(s), in, false, e);
}

static enum rc decode(struct dynamodb_tasks *t, struct arena *a, const struct json *item,
                      struct task_record *out, struct err *e) {
    const char *id = item_id(&t->table, item), *sealed = item_text(item, "record");
    int64_t v;

    if (!item)
        return err_set(e, ERR_MISSING, "there is no such task");
    if (!item_number(item, "v", &v) || v != TASK_RECORD_VERSION)
        return item_damaged(&t->table, "is of a version that this program does not know", e);
    if (!id || !sealed || !item_number(item, "version", &out->version) ||
        !item_number(item, "ttl", &out->ttl) || !item_number(item, "lease", &out->lease))
        return item_damaged(&t->table, "lacks an attribute", e);
    if (out->ttl <= clock_now_s(t->base.clock))
        return err_set(e, ERR_MISSING, "the task has expired");
    out->id = arena_strdup(a, id);
    out->sealed = arena_strdup(a, sealed);
    return OK;
}

static enum rc get(struct task_store *s, struct arena *a, const char *id, struct task_record *out,
                   struct err *e) {
    struct dynamodb_tasks *t = dynamodb_of(s);
    struct arena *scratch = t->table.scratch;
    const struct json *item;
    enum rc rc = table_get(&t->table, scratch, item_key(&t->table, scratch, id), &item, e);

    if (!rc)
        rc = decode(t, a, item, out, e);
    arena_reset(scratch);
    return rc;
}

/* ---- opening and closing ---- */

static void close_store(struct task_store *s) {
    table_close(&dynamodb_of(s)->table);
    free(dynamodb_of(s));
}

static const struct table_kind tasks_table = {"task store", "taskId", "TASK_TABLE_NAME",
                                              offsetof(struct config, task_table_name),
                                              "cache/task-calls"};

static enum rc open_store(const struct store_options *o, struct task_store **out, struct err *e) {
    struct dynamodb_tasks *t = xcalloc(1, sizeof *t);

    t->base = (struct task_store){&task_store_dynamodb, o->clock, RENEWAL_MS, POLL_MS};
    if (table_open(&tasks_table, o, &t->table, e)) {
        free(t);
        return e->code;
    }
    *out = &t->base;
    return OK;
}

const struct task_store_ops task_store_dynamodb = {&tasks_table, open_store, get,
                                                   write,        renew,      close_store};
