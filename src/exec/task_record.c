/* Private part of tasks.h: the record of a task. */
#include "exec/tasks.h"

#include "base/watchdog.h"
#include "crypto/digest.h"
#include "runner/relay.h"
#include "shared/message_socket.h"

#define PURPOSE "task"    /* of the seal, which is also bound to the id */
#define LOST_TRIES 4      /* to record that a task is lost */
#define BACKOFF_MAX_MS 20 /* random, so that two writers do not collide again */
#define RUN_BYTES 12      /* of the random name of one run */
#define SAVE_ARENA_MAX (8U << 20)

static int64_t now_s(const struct task *t) {
    return clock_now_s(&t->site->clock);
}

bool task_is(const struct task *t, const char *status) {
    return json_get_is(t->record, "status", status);
}

bool task_has_ended(const struct task *t) {
    return task_is(t, "completed") || task_is(t, "failed") || task_is(t, "cancelled");
}

void task_set_status(struct task *t, const char *status) {
    /* A task that has ended needs no arguments; its result may use their space. */
    static const char *const input[] = {
        "arguments", "inputRequests", "inputResponses", "state", "names", "asked", NULL};

    json_put_str(t->record, "status", status);
    if (!json_has(t->record, "created")) {
        json_put_int(t->record, "created", now_s(t));
        json_put_str(t->record, "createdAt", text_rfc3339(t->arena, now_s(t)));
    }
    json_put_str(t->record, "lastUpdatedAt", text_rfc3339(t->arena, now_s(t)));
    t->ttl = now_s(t) + TASK_TTL_S;
    t->lease = 0;
    for (const char *const *m = input; *m && task_has_ended(t); m++)
        json_del(t->record, *m);
}

void task_fail(struct task *t, const char *text) {
    json_put(t->record, "error", relay_error(t->arena, -32603, text));
    json_del(t->record, "result");
    task_set_status(t, "failed");
}

struct json *task_view(const struct task *t, bool detailed) {
    static const char *const always[] = {"status", "createdAt", "lastUpdatedAt", NULL};
    struct json *v = json_new_object(t->arena);
    int64_t created = 0;

    json_put_str(v, "taskId", t->id);
    for (const char *const *m = always; *m; m++)
        json_put(v, *m, json_get(t->record, *m));
    (void)json_get_int(t->record, "created", &created);
    json_put_int(v, "ttlMs", (t->ttl - created) * 1000);
    json_put_int(v, "pollIntervalMs", t->site->mcp->tasks->poll_ms);
    if (detailed && task_is(t, "completed"))
        json_put(v, "result", json_get(t->record, "result"));
    if (detailed && task_is(t, "failed")) {
        json_put(v, "error", json_get(t->record, "error"));
        json_put_str(v, "statusMessage", json_get_str(json_get(t->record, "error"), "message"));
    }
    if (detailed && task_is(t, "input_required"))
        json_put(v, "inputRequests", json_get(t->record, "inputRequests"));
    return v;
}

/* ---- the socket of the process that runs it ---- */

/* The name depends on the run of the task, and on STATE_DIR: another daemon of this host has
 * another STATE_DIR and another store. */
static const char *socket_name(const struct task *t) {
    const char *run = json_get_str(t->record, "run");
    const char *text = arena_printf(t->arena, "task\n%s\n%s\n%s", t->site->config->state_dir, t->id,
                                    run ? run : "");

    return sha256_base64url(t->arena, text, SHA256_LEN);
}

static const char *daemon_name(struct arena *a) {
    return arena_printf(a, "%016llx", (unsigned long long)watchdog_instance());
}

void task_socket_open(struct task *t) {
    struct err e;

    json_put_str(t->record, "run", random_text(t->arena, RUN_BYTES));
    json_del(t->record, "daemon");
    if (message_socket_open(socket_name(t), &t->socket, &e))
        log_warn("task_has_no_socket", kv("task", t->id), kv("why", e.detail));
    else if (watchdog_instance())
        json_put_str(t->record, "daemon", daemon_name(t->arena));
}

void task_socket_wake(const struct task *t) {
    if (!message_socket_send(socket_name(t), "", 0))
        log_debug("task_not_here",
                  kv("task", t->id)); /* on another host, or its program has ended */
}

/* The task should run on this host, but its process does not exist. */
static bool is_orphaned(const struct task *t) {
    return json_get_is(t->record, "daemon", daemon_name(t->arena)) &&
           !message_socket_exists(socket_name(t));
}

/* ---- reading ---- */

static bool is_id(const char *id) {
    size_t len = strlen(id);

    return len && len <= TASK_ID_MAX &&
           strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") == len;
}

static enum rc read_once(struct task *t, const char *id, struct err *e) {
    const struct seal_binding binding = {
        .keys = t->site->seal, .purpose = PURPOSE, .associated = id};
    struct task_record r;

    if (!t->site->mcp->tasks || !is_id(id))
        return err_set(e, ERR_MISSING, "there is no such task");
    if (task_store_get(t->site->mcp->tasks, t->arena, id, &r, e))
        return e->code;
    if (seal_open_json(t->arena, &binding, r.sealed, &t->record, e)) {
        (void)err_set(e, ERR_STORE, "the task store is not available");
        err_detail(e,
                   "task %s is sealed with a key that this host does not have; hosts of one table "
                   "need the same SECRET_KEY_FILE",
                   id);
        return e->code;
    }
    t->id = r.id;
    t->version = r.version;
    t->ttl = r.ttl;
    t->lease = r.lease;
    return OK;
}

enum rc task_read(struct site *site, struct arena *a, const char *id, struct task *out,
                  struct err *e) {
    enum rc rc = OK;

    for (int i = 0; i < LOST_TRIES; i++) {
        *out = (struct task){.site = site, .arena = a};
        rc = read_once(out, id, e);
        if (rc || !task_is(out, "working"))
            return rc;
        if (is_orphaned(out))
            task_fail(out, "The process that ran the task was ended");
        else if (now_s(out) > out->lease)
            task_fail(out, "The host that ran the task stopped answering");
        else
            return rc;
        rc = task_save(out, e);
        if (!rc)
            log_warn("task_lost", kv("task", id));
        if (rc != ERR_CONFLICT)
            return rc;
    }
    return err_set(e, ERR_STORE, "the task is being changed; try again in a few seconds");
}

enum rc task_read_for_caller(struct mcp_call *c, const char *id, struct task *out, struct err *e) {
    enum rc rc = task_read(c->x->site, c->arena, id, out, e);

    if (rc && rc != ERR_MISSING)
        return rc;
    if (rc || !json_get_is(out->record, "sub", c->client.claims->sub) ||
        !json_get_is(out->record, "client", c->client.claims->client_id))
        return rpc_invalid_params(e, "there is no such task");
    return OK;
}

/* ---- writing ---- */

static enum rc save_once(struct task *t, struct arena *a, struct err *e) {
    struct task_record r = {t->id, t->version, t->ttl, t->lease, NULL};
    const struct text text = json_as_text(a, t->record);
    enum rc rc;

    if (text.len > TASK_RECORD_MAX)
        return err_set(e, ERR_TOO_LARGE, "a task's record has at most %d bytes", TASK_RECORD_MAX);
    r.sealed = seal(
        a, &(struct seal_binding){.keys = t->site->seal, .purpose = PURPOSE, .associated = t->id},
        text.p, text.len);
    rc = task_store_write(t->site->mcp->tasks, &r, e);
    if (!rc)
        t->version++;
    return rc;
}

enum rc task_save(struct task *t, struct err *e) {
    struct arena *a = arena_new(SAVE_ARENA_MAX); /* a task may be saved many times */
    enum rc rc = save_once(t, a, e);

    if (rc == ERR_MISSING) { /* the file was damaged and replaced: write the record again */
        t->version = 0;
        rc = save_once(t, a, e);
    }
    arena_free(a);
    return rc;
}

enum rc task_renew_lease(struct task *t, struct err *e) {
    struct task_record r = {t->id, t->version, t->ttl, now_s(t) + TASK_LEASE_S, NULL};
    enum rc rc;

    rc = task_store_renew(t->site->mcp->tasks, &r, e);
    if (!rc)
        t->version++;
    if (rc != ERR_MISSING)
        return rc;
    t->lease = r.lease;
    return task_save(t, e);
}

bool task_backoff(int64_t until_ms) {
    clock_sleep_ms(1 + arc4random_uniform(BACKOFF_MAX_MS));
    return clock_monotonic_ms() < until_ms;
}
