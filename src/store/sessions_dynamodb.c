/* Private part of sessions.h: sessions as items of a DynamoDB table. Key: `sessionId`. DynamoDB
 * deletes items whose `ttl` has passed, but days late, so every operation checks it too.
 *
 * A try whose answer is lost may have been carried out, and the next one must not mistake that for
 * another caller's work:
 * - PutItem: `attempt` is drawn at random for each call. The item may be new, or pending with our
 *   own attempt. (Pending, because a try that arrives very late must not undo the callback.)
 * - UpdateItem: the caller's `attempt` may have been set already. So one request may come several
 *   times, in one call or because the user reloads the page, with one outcome.
 * - DeleteItem leaves no trace. If the item is gone after a try without an answer, this call may
 *   have deleted it or another, so it returns ERR_STORE, and the caller decides by what else it
 *   knows (oauth/token.c). ERR_CONFLICT means that this call has not deleted it. */

#include "crypto/digest.h"
#include "store/sessions.h"
#include "store/table.h"

#define ATTEMPT_BYTES 16

struct dynamodb_sessions {
    struct session_store base;
    struct table table;
};

static struct dynamodb_sessions *dynamodb_of(struct session_store *s) {
    return (struct dynamodb_sessions *)(void *)s;
}

static const char state_pending[] = "pending", state_authorized[] = "authorized";

/* ---- items ---- */

static struct json *encode(const struct table *t, struct arena *a, const struct session *in,
                           const char *attempt) {
    struct json *item = item_key(t, a, in->id);

    item_put_number(a, item, "v", SESSION_RECORD_VERSION);
    item_put_number(a, item, "ttl", in->ttl);
    item_put_text(a, item, "state", state_pending);
    item_put_text(a, item, "attempt", attempt);
    item_put_text(a, item, "browser", in->browser);
    item_put_text(a, item, "login", in->login);
    return item;
}

static enum rc decode(const struct table *t, const struct json *item, struct session *out,
                      struct err *e) {
    const char *state = item_text(item, "state"), *grant = item_text(item, "grant");
    const char *attempt = item_text(item, "attempt");
    int64_t version;

    if (!item_number(item, "v", &version) || version < SESSION_RECORD_VERSION_OLDEST ||
        version > SESSION_RECORD_VERSION)
        return item_damaged(t, "is of a version that this program does not know", e);
    out->id = item_id(t, item);
    out->browser = item_text(item, "browser");
    out->login = item_text(item, "login");
    out->grant = grant ? grant : "";
    out->attempt = attempt ? attempt : ""; /* version 1 had none */
    if (!out->id || !state || !out->browser || !out->login || !item_number(item, "ttl", &out->ttl))
        return item_damaged(t, "lacks an attribute", e);
    if (strcmp(state, state_pending) != 0 && strcmp(state, state_authorized) != 0)
        return item_damaged(t, "has an unknown state", e);
    out->state = strcmp(state, state_pending) ? SESSION_AUTHORIZED : SESSION_PENDING;
    return OK;
}

/* ---- the operations ---- */

static enum rc put(struct session_store *s, const struct session *in, struct err *e) {
    static const char *const used[] = {"sessionId", "attempt", "state", NULL};
    struct dynamodb_sessions *ds = dynamodb_of(s);
    struct arena *a = ds->table.scratch;
    const char *attempt = random_text(a, ATTEMPT_BYTES);
    struct dynamodb_result r;
    struct expression x;
    enum rc rc;

    x = expression_new(
        a, "attribute_not_exists(#sessionId) OR (#attempt = :attempt AND #state = :pending)", used);
    item_put_text(a, x.values, ":attempt", attempt);
    item_put_text(a, x.values, ":pending", state_pending);
    json_put(x.input, "Item", encode(&ds->table, a, in, attempt));
    rc = table_call(&ds->table, a, &(struct dynamodb_request){"PutItem", x.input, 0}, &r, e);
    arena_reset(a);
    return rc == ERR_CONFLICT ? err_set(e, ERR_EXISTS, "the session's id is taken") : rc;
}

static struct expression update_of(const struct session_store *s, struct arena *a,
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

static enum rc authorize(struct session_store *s, struct arena *a, const struct session *want,
                         struct session *out, struct err *e) {
    const struct expression x = update_of(s, a, want);
    struct dynamodb_result r;
    enum rc rc;

    json_put(x.input, "Key", item_key(&dynamodb_of(s)->table, a, want->id));
    json_put_str(x.input, "ReturnValues", "ALL_NEW");
    rc = table_call(&dynamodb_of(s)->table, a, &(struct dynamodb_request){"UpdateItem", x.input, 0},
                    &r, e);
    if (rc == ERR_CONFLICT)
        return err_set(e, ERR_CONFLICT, "the login is over or another browser's");
    return rc ? rc : decode(&dynamodb_of(s)->table, json_get(r.output, "Attributes"), out, e);
}

static enum rc get(struct session_store *s, struct arena *a, const char *id, struct session *out,
                   struct err *e) {
    struct table *t = &dynamodb_of(s)->table;
    const struct json *item;

    if (table_get(t, a, item_key(t, a, id), &item, e))
        return e->code;
    if (!item)
        return err_set(e, ERR_MISSING, "there is no such login");
    if (decode(t, item, out, e))
        return e->code;
    return out->ttl > clock_now_s(s->clock) ? OK : err_set(e, ERR_MISSING, "the login has expired");
}

static enum rc delete_session(struct session_store *s, struct arena *a, const char *id,
                              struct err *e) {
    static const char *const used[] = {"state", "ttl", NULL};
    struct dynamodb_result r;
    struct expression x;
    enum rc rc;

    x = expression_new(a, "#state = :authorized AND #ttl > :now", used);
    item_put_text(a, x.values, ":authorized", state_authorized);
    item_put_number(a, x.values, ":now", clock_now_s(s->clock));
    json_put(x.input, "Key", item_key(&dynamodb_of(s)->table, a, id));
    rc = table_call(&dynamodb_of(s)->table, a, &(struct dynamodb_request){"DeleteItem", x.input, 0},
                    &r, e);
    if (rc == ERR_CONFLICT && !r.unsure)
        return err_set(e, ERR_CONFLICT, "the login is over");
    if (rc == ERR_CONFLICT) {
        (void)err_set(e, ERR_STORE, "the session store is not available");
        return err_detail(e, "DynamoDB DeleteItem: gone after a try without an answer (%s)",
                          r.fault);
    }
    return rc;
}

static void close_store(struct session_store *s) {
    table_close(&dynamodb_of(s)->table);
    free(dynamodb_of(s));
}

static const struct table_kind sessions_table = {"session store", "sessionId", "SESSION_TABLE_NAME",
                                                 offsetof(struct config, session_table_name),
                                                 "session-calls"};

static enum rc open_store(const struct store_options *o, struct session_store **out,
                          struct err *e) {
    struct dynamodb_sessions *ds = xcalloc(1, sizeof *ds);

    ds->base = (struct session_store){&session_store_dynamodb, o->clock};
    if (table_open(&sessions_table, o, &ds->table, e)) {
        free(ds);
        return e->code;
    }
    *out = &ds->base;
    return OK;
}

const struct session_store_ops session_store_dynamodb = {
    &sessions_table, open_store, put, authorize, get, delete_session, NULL, close_store};
