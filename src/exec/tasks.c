#include "exec/tasks.h"

#include <unistd.h>

#include "crypto/digest.h"
#include "exec/executor.h"
#include "exec/input_required.h"
#include "exec/limits.h"
#include "mcp/access.h"
#include "mcp/stream.h"

#define ID_BYTES 18
#define OWNER_BYTES 6  /* of the common prefix of the ids of one user's tasks */
#define CHANGE_MS 3000 /* how long a change is retried after conflicts */
/* Memory of one attempt to change a task, and of the process that the attempt may start. */
#define CHANGE_BYTES_MAX (64UL << 20)

static bool client_has_tasks(const struct mcp_call *c) {
    return json_is_object(
        json_get(json_get(c->client.capabilities, "extensions"), TASKS_EXTENSION));
}

enum rc task_check_extension(struct mcp_call *c, struct err *e) {
    struct json *extensions;

    if (client_has_tasks(c))
        return OK;
    extensions = json_new_member(c->arena, TASKS_EXTENSION, json_new_object(c->arena));
    return err_missing_capability(c, json_new_member(c->arena, "extensions", extensions),
                                  "This request needs the extension " TASKS_EXTENSION, e);
}

enum rc task_wanted(struct mcp_call *c, const struct tool *tool, bool *wanted, struct err *e) {
    bool able =
        c->msg.protocol == PROTOCOL_STATELESS && c->x->site->mcp->tasks && client_has_tasks(c);

    *wanted = false;
    if (tool->task == TASK_NEVER)
        return OK;
    if (!able && tool->task == TASK_REQUIRED)
        return task_check_extension(c, e);
    /* Some tools collect their input first, by multi round-trip requests. */
    *wanted = able && (!tool->task_after_input || json_get(c->msg.params, "inputResponses"));
    return OK;
}

static enum rc take_slot(struct mcp_call *c, struct task *t, struct err *e) {
    const struct limit_share tasks = limit_of_tasks(c->x->site->config);

    return limit_share_take(c, &tasks, &t->slot, e);
}

/* Reports to the client that a record is longer than allowed; other errors stay as they are. */
static enum rc report_too_large(enum rc rc, const char *what, struct err *e) {
    if (rc != ERR_TOO_LARGE)
        return rc;
    return rpc_invalid_params(e, "the %s are too long for a task, which keeps at most %d bytes",
                              what, TASK_RECORD_MAX);
}

enum rc task_create(struct mcp_call *c, const struct tool *tool, struct json *arguments,
                    const char **refused, struct err *e) {
    _Static_assert(OWNER_BYTES * 4 / 3 == TASK_OWNER_LEN, "base64url");
    /* Ids of one user have a common prefix, so that the host's store can count them. */
    const char *owner = sha256_base64url(c->arena, c->client.claims->sub, OWNER_BYTES);
    struct task t = {.site = c->x->site,
                     .arena = c->arena,
                     .id = arena_printf(c->arena, "%s%s", owner, random_text(c->arena, ID_BYTES)),
                     .record = json_new_object(c->arena)};
    struct json *result;
    enum rc rc = take_slot(c, &t, e);

    if (rc)
        return rc;
    rc = mcp_stream_is_abandoned(c) /* the client would not learn the task's id */
             ? err_set(e, ERR_RPC_INTERNAL, "The call was cancelled")
             : quota_take(c, tool->entry.source.quota, refused, e);
    if (rc || *refused) {
        (void)close(t.slot);
        return rc;
    }
    json_put_str(t.record, "sub", c->client.claims->sub);
    json_put_str(t.record, "client", c->client.claims->client_id);
    json_put_str(t.record, "tool", tool->entry.name);
    json_put(t.record, "arguments", arguments);
    if (json_is_object(json_get(c->msg.params, "inputResponses")))
        json_put(t.record, "inputResponses", json_get(c->msg.params, "inputResponses"));
    rc = task_start(c, tool, &t, e);
    if (rc)
        return report_too_large(rc, "arguments", e);
    result = task_view(&t, false);
    json_put_str(result, "resultType", "task");
    mcp_call_finish(c, result);
    c->answer.task = t.id;
    log_info("task_created", kv("request", c->x->rq->id), kv("task", t.id),
             kv("tool", tool->entry.name), kv("sub", c->client.claims->sub),
             kv("client_id", c->client.claims->client_id));
    return OK;
}

static enum rc find_task(struct mcp_call *c, struct task *t, struct err *e) {
    const char *id = json_get_str(c->msg.params, "taskId");

    if (task_check_extension(c, e))
        return e->code;
    if (!id)
        return rpc_invalid_params(e, "taskId must be a string");
    return task_read_for_caller(c, id, t, e);
}

enum rc mcp_tasks_get(struct mcp_call *c, struct err *e) {
    struct task t;
    enum rc rc = find_task(c, &t, e);

    if (!rc)
        mcp_call_finish(c, task_view(&t, true));
    return rc;
}

/* Reads the task and changes it; repeats that if another process has changed it meanwhile. Each
 * attempt has its own memory, since records are long and there may be many attempts. */
static enum rc change(struct mcp_call *c, enum rc (*change_once)(struct mcp_call *c, struct err *e),
                      struct err *e) {
    int64_t until_ms = clock_monotonic_ms() + CHANGE_MS;
    struct mcp_call attempt = *c;
    enum rc rc = task_check_extension(c, e);

    if (rc)
        return rc;
    do {
        attempt.arena = arena_new(CHANGE_BYTES_MAX);
        rc = change_once(&attempt, e);
        arena_free(attempt.arena);
    } while (rc == ERR_CONFLICT && task_backoff(until_ms));
    if (rc == ERR_CONFLICT)
        return err_set(e, ERR_STORE, "the task is being changed; try again in a few seconds");
    if (!rc)
        mcp_call_finish(c, json_new_object(c->arena));
    return rc;
}

static enum rc cancel_once(struct mcp_call *c, struct err *e) {
    struct task t;
    enum rc rc = find_task(c, &t, e);

    if (rc || task_has_ended(&t))
        return rc;
    task_set_status(&t, "cancelled");
    rc = task_save(&t, e); /* first: the task's process reads the record when it is woken */
    if (!rc)
        task_socket_wake(&t);
    return rc;
}

enum rc mcp_tasks_cancel(struct mcp_call *c, struct err *e) {
    return change(c, cancel_once, e);
}

/* Takes the answers that the task waits for; others are ignored. */
static enum rc take_answers(struct task *t, const struct json *given, bool *any, struct err *e) {
    struct json *pending = json_get(t->record, "inputRequests"), *left = json_new_object(t->arena);
    struct json *answers = json_ensure_object(t->arena, t->record, "inputResponses");

    *any = false;
    for (struct json_member m = json_first(pending); m.key; json_next(&m)) {
        struct json *answer = json_get(given, m.key);

        if (json_has(given, m.key) &&
            client_answer_check(t->arena, m.key, client_answer_expected(t->arena, m.value, true),
                                answer, e))
            return e->code;
        json_put(answer ? answers : left, m.key, answer ? answer : m.value);
        *any = *any || answer;
    }
    json_put(t->record, "inputRequests", left);
    return OK;
}

/* Starts the program again, after all answers have arrived: on this host, even if it ran on another
 * one before. */
static enum rc resume(struct mcp_call *c, struct task *t, struct err *e) {
    const struct tool *tool =
        catalog_tool(c->x->site->mcp->catalog, json_get_str(t->record, "tool"));
    enum rc rc;

    if (!tool || executor_of(&tool->entry.source)->is_immediate)
        return rpc_internal(e, "the tool no longer exists");
    /* The token may differ from that of the call that began the task. */
    rc = mcp_check_access(c, &tool->entry, e);
    if (!rc)
        rc = limit_rate(c, e);
    if (!rc)
        rc = take_slot(c, t, e);
    return rc ? rc : task_start(c, tool, t, e);
}

static enum rc update_once(struct mcp_call *c, struct err *e) {
    const struct json *given = json_get(c->msg.params, "inputResponses");
    struct task t;
    bool any;
    enum rc rc = find_task(c, &t, e);

    if (!rc && !json_is_object(given))
        rc = rpc_invalid_params(e, "inputResponses must be an object");
    if (rc || !task_is(&t, "input_required"))
        return rc;
    rc = take_answers(&t, given, &any, e);
    if (rc || !any)
        return rc;
    if (json_size(json_get(t.record, "inputRequests"))) {
        task_set_status(&t, "input_required");
        rc = task_save(&t, e);
    } else {
        rc = resume(c, &t, e);
    }
    return report_too_large(rc, "answers", e);
}

enum rc mcp_tasks_update(struct mcp_call *c, struct err *e) {
    return change(c, update_once, e);
}
