/* Private part of store.h: sessions as items of a DynamoDB table. Key: `sessionId`. DynamoDB
 * deletes items whose `ttl` has passed, but days late, so every operation checks it too.
 *
 * A try whose answer is lost may have been carried out, and the next one must not take that for
 * someone else's doing:
 * - PutItem: `attempt` is drawn at random for each call. The item may be new, or pending with our
 *   own attempt. (Pending, because a try that arrives very late must not undo the callback.)
 * - UpdateItem: the caller's `attempt` may have been set already. So one request may come several
 *   times, in one call or because the user reloads the page, with one outcome.
 * - DeleteItem leaves no trace. If the item is gone after a try without an answer, this call may
 *   have deleted it or another, so it returns ERR_STORE, and the caller decides by what else it
 * knows (oauth/token_endpoint.c). ERR_CONFLICT means that this call has not deleted it. */

#include "base/base.h"
#include "crypto/random.h"
#include "store/store.h"
#include "store/table.h"

#define ATTEMPT_BYTES 16
#define SCRATCH_MAX (2U << 20)

struct dynamodb_store {
    struct store base;
    struct table table;
    struct arena *scratch; /* for operations that get no arena */
};

static struct dynamodb_store *self(struct store *s) {
    return (struct dynamodb_store *)(void *)s;
}

static const char state_pending[] = "pending", state_authorized[] = "authorized";

/* ---- items ---- */

static struct json *key_of(struct arena *a, const char *id) {
    struct json *key = json_new_object(a);

    item_put_text(a, key, "sessionId", id);
    return key;
}

static struct json *encode(struct arena *a, const struct session *in, const char *attempt) {
    struct json *item = key_of(a, in->id);

    item_put_number(a, item, "v", SESSION_RECORD_VERSION);
    item_put_number(a, item, "ttl", in->ttl);
    item_put_text(a, item, "state", state_pending);
    item_put_text(a, item, "attempt", attempt);
    item_put_text(a, item, "browser", in->browser);
    item_put_text(a, item, "login", in->login);
    return item;
}

static enum rc damaged(struct err *e, const char *what) {
    (void)err_set(e, ERR_STORE, "the session store is not available");
    err_detail(e, "a session item %s", what);
    return e->code;
}

static enum rc decode(const struct json *item, struct session *out, struct err *e) {
    const char *state = item_text(item, "state"), *grant = item_text(item, "grant");
    const char *attempt = item_text(item, "attempt");
    int64_t version;

    if (!item_number(item, "v", &version) || version < SESSION_RECORD_VERSION_OLDEST ||
        version > SESSION_RECORD_VERSION)
        return damaged(e, "is of a version that this program does not know");
    out->id = item_text(item, "sessionId");
    out->browser = item_text(item, "browser");
    out->login = item_text(item, "login");
    out->grant = grant ? grant : "";
    out->attempt = attempt ? attempt : ""; /* version 1 had none */
    if (!out->id || !state || !out->browser || !out->login || !item_number(item, "ttl", &out->ttl))
        return damaged(e, "lacks an attribute");
    if (strcmp(state, state_pending) != 0 && strcmp(state, state_authorized) != 0)
        return damaged(e, "has an unknown state");
    out->state = strcmp(state, state_pending) ? SESSION_AUTHORIZED : SESSION_PENDING;
    return OK;
}

/* ---- the operations ---- */

static enum rc session_put(struct store *s, const struct session *in, struct err *e) {
    static const char *const used[] = {"sessionId", "attempt", "state", NULL};
    struct dynamodb_store *ds = self(s);
    struct arena *a = ds->scratch;
    const char *attempt = random_text(a, ATTEMPT_BYTES);
    struct dynamodb_result r;
    struct expression x;
    enum rc rc;

    x = expression_new(
        a, "attribute_not_exists(#sessionId) OR (#attempt = :attempt AND #state = :pending)", used);
    item_put_text(a, x.values, ":attempt", attempt);
    item_put_text(a, x.values, ":pending", state_pending);
    json_put(x.input, "Item", encode(a, in, attempt));
    rc = table_call(&ds->table, a, &(struct dynamodb_request){"PutItem", x.input, 0}, &r, e);
    arena_reset(a);
    return rc == ERR_CONFLICT ? err_set(e, ERR_EXISTS, "the session's id is taken") : rc;
}

static struct expression update_of(const struct store *s, struct arena *a,
                                   const struct session *want) {
    static const char *const used[] = {"browser", "ttl", "state", "attempt", "v", "grant", NULL};
    struct expression x =
        expression_new(a,
                       "#browser = :browser AND #ttl > :now AND #v BETWEEN :oldest AND :v AND "
                       "(#state = :pending OR #attempt = :attempt)",
                       used);

    item_put_text(a, x.values, ":browser", want->browser);
    item_put_text(a, x.values, ":pending", state_pending);
    item_put_text(a, x.values, ":authorized", state_authorized);
    item_put_text(a, x.values, ":attempt", want->attempt);
    item_put_number(a, x.values, ":now", clock_now_s(s->clock));
    item_put_number(a, x.values, ":ttl", want->ttl);
    item_put_number(a, x.values, ":v", SESSION_RECORD_VERSION);
    item_put_number(a, x.values, ":oldest", SESSION_RECORD_VERSION_OLDEST);
    if (*want->grant)
        item_put_text(a, x.values, ":grant", want->grant);
    /* Older versions of DynamoDB do not accept empty strings. */
    json_put_str(x.input, "UpdateExpression",
                 arena_printf(a,
                              "SET #state = :authorized, #ttl = :ttl, #attempt = :attempt, "
                              "#v = :v%s",
                              *want->grant ? ", #grant = :grant" : " REMOVE #grant"));
    return x;
}

static enum rc session_authorize(struct store *s, struct arena *a, const struct session *want,
                                 struct session *out, struct err *e) {
    const struct expression x = update_of(s, a, want);
    struct dynamodb_result r;
    enum rc rc;

    json_put(x.input, "Key", key_of(a, want->id));
    json_put_str(x.input, "ReturnValues", "ALL_NEW");
    rc =
        table_call(&self(s)->table, a, &(struct dynamodb_request){"UpdateItem", x.input, 0}, &r, e);
    if (rc == ERR_CONFLICT)
        return err_set(e, ERR_CONFLICT, "the login is over or another browser's");
    return rc ? rc : decode(json_get(r.output, "Attributes"), out, e);
}

static enum rc session_get(struct store *s, struct arena *a, const char *id, struct session *out,
                           struct err *e) {
    struct json *input = json_new_object(a), *item;
    struct dynamodb_result r;

    json_put(input, "Key", key_of(a, id));
    json_put_bool(input, "ConsistentRead", true);
    if (table_call(&self(s)->table, a, &(struct dynamodb_request){"GetItem", input, 0}, &r, e))
        return e->code;
    item = json_get(r.output, "Item");
    if (!item)
        return err_set(e, ERR_MISSING, "there is no such login");
    if (decode(item, out, e))
        return e->code;
    return out->ttl > clock_now_s(s->clock) ? OK : err_set(e, ERR_MISSING, "the login has expired");
}

static enum rc session_delete(struct store *s, struct arena *a, const char *id, struct session *out,
                              struct err *e) {
    static const char *const used[] = {"state", "ttl", NULL};
    struct dynamodb_result r;
    struct expression x;
    enum rc rc;

    x = expression_new(a, "#state = :authorized AND #ttl > :now", used);
    item_put_text(a, x.values, ":authorized", state_authorized);
    item_put_number(a, x.values, ":now", clock_now_s(s->clock));
    json_put(x.input, "Key", key_of(a, id));
    json_put_str(x.input, "ReturnValues", "ALL_OLD");
    rc =
        table_call(&self(s)->table, a, &(struct dynamodb_request){"DeleteItem", x.input, 0}, &r, e);
    if (rc == ERR_CONFLICT && !r.unsure)
        return err_set(e, ERR_CONFLICT, "the login is over");
    if (rc == ERR_CONFLICT) {
        (void)err_set(e, ERR_STORE, "the session store is not available");
        err_detail(e, "DynamoDB DeleteItem: gone after a try without an answer (%s)", r.fault);
        return e->code;
    }
    return rc ? rc : decode(json_get(r.output, "Attributes"), out, e);
}

static void dynamodb_store_close(struct store *s) {
    arena_free(self(s)->scratch);
    free(self(s));
}

struct store *store_dynamodb_open(struct dynamodb *db, struct concurrency_limit *limit,
                                  const struct clock *clock) {
    static const struct store_ops ops = {
        session_put, session_authorize, session_get, session_delete, NULL, dynamodb_store_close};
    struct dynamodb_store *ds = xcalloc(1, sizeof *ds);

    ds->base = (struct store){&ops, clock};
    ds->table = (struct table){db, limit};
    ds->scratch = arena_new(SCRATCH_MAX);
    return &ds->base;
}
