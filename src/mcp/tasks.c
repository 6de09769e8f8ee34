#include "mcp/tasks.h"

#include <string.h>

#include "base/log.h"
#include "host/host.h"
#include "mcp/resume.h"
#include "mcp/session.h"

#define ID_BYTES 18

static bool client_has_tasks(const struct mcp_call *c) {
    return json_is_object(json_get(json_get(c->capabilities, "extensions"), TASKS_EXTENSION));
}

static enum rc require_extension(struct mcp_call *c, struct err *e) {
    struct json *required = json_new_object(c->arena), *extensions = json_new_object(c->arena);

    if (client_has_tasks(c))
        return OK;
    json_put(extensions, TASKS_EXTENSION, json_new_object(c->arena));
    json_put(required, "extensions", extensions);
    c->error_data = json_new_object(c->arena);
    json_put(c->error_data, "requiredCapabilities", required);
    return err_set(e, ERR_RPC_MISSING_CAPABILITY, "This request needs the extension %s",
                   TASKS_EXTENSION);
}

enum rc task_wanted(struct mcp_call *c, const struct tool *tool, bool *wanted, struct err *e) {
    bool able = c->era == ERA_MODERN && c->cx->host && client_has_tasks(c);

    *wanted = false;
    if (tool->task == TASK_NEVER)
        return OK;
    if (!able && tool->task == TASK_REQUIRED)
        return require_extension(c, e);
    /* Some tools gather their input first, by multi round-trip requests. */
    *wanted = able && (!tool->task_after_input || json_has(c->msg.params, "inputResponses"));
    return OK;
}

/* What clients see of a task. `whole` adds what tasks/get has besides. */
static struct json *view(struct mcp_call *c, const struct task *t, bool whole) {
    static const char *const always[] = {"status", "createdAt", "lastUpdatedAt", NULL};
    struct json *v = json_new_object(c->arena);

    json_put_str(v, "taskId", t->id);
    for (const char *const *m = always; *m; m++)
        json_put(v, *m, json_get(t->record, *m));
    json_put_int(v, "ttlMs", (int64_t)TASK_TTL_S * 1000);
    json_put_int(v, "pollIntervalMs", TASK_POLL_MS);
    if (whole && task_is(t, "completed"))
        json_put(v, "result", json_get(t->record, "result"));
    if (whole && task_is(t, "failed"))
        json_put(v, "error", json_get(t->record, "error"));
    if (whole && task_is(t, "input_required"))
        json_put(v, "inputRequests", json_get(t->record, "inputRequests"));
    return v;
}

enum rc task_create(struct mcp_call *c, const struct tool *tool, struct json *arguments,
                    struct err *e) {
    struct task t = {.id = random_text(c->arena, ID_BYTES), .record = json_new_object(c->arena)};
    struct json *result;
    enum rc rc;

    json_put_str(t.record, "sub", c->claims->sub);
    json_put_str(t.record, "client", c->claims->client_id);
    json_put_str(t.record, "tool", tool->name);
    json_put(t.record, "arguments", arguments);
    json_put_str(t.record, "createdAt", task_time(c->arena, clock_now_s(&c->cx->clock)));
    if (json_is_object(json_get(c->msg.params, "inputResponses")))
        json_put(t.record, "inputResponses", json_get(c->msg.params, "inputResponses"));
    rc = task_start(c, tool, &t, e);
    if (rc)
        return rc;
    result = view(c, &t, false);
    json_put_str(result, "resultType", "task");
    mcp_call_finish(c, result);
    log_info("task_created", kv("request", c->rq->id), kv("task", t.id), kv("tool", tool->name),
             kv("sub", c->claims->sub), kv("client_id", c->claims->client_id));
    return OK;
}

static enum rc find(struct mcp_call *c, struct task *t, struct err *e) {
    const char *id = json_get_str(c->msg.params, "taskId");
    enum rc rc = require_extension(c, e);

    if (rc)
        return rc;
    if (!id)
        return err_set(e, ERR_RPC_INVALID_PARAMS, "Invalid params: taskId must be a string");
    return task_load(c, id, t, e);
}

enum rc mcp_tasks_get(struct mcp_call *c, struct err *e) {
    struct task t;
    enum rc rc = find(c, &t, e);

    if (!rc)
        mcp_call_finish(c, view(c, &t, true));
    return rc;
}

enum rc mcp_tasks_cancel(struct mcp_call *c, struct err *e) {
    struct task t;
    enum rc rc = find(c, &t, e);

    if (!rc && !task_has_ended(&t)) {
        task_status(c, &t, "cancelled");
        rc = task_save(c, &t, e); /* first: who runs it looks here when it is stopped */
        if (!rc)
            task_stop(c, &t);
    }
    if (!rc)
        mcp_call_finish(c, json_new_object(c->arena));
    return rc;
}

/* Takes over the answers that are waited for; others are passed over. */
static enum rc take_answers(struct mcp_call *c, struct task *t, const struct json *given,
                            struct err *e) {
    struct json *pending = json_get(t->record, "inputRequests"), *left = json_new_object(c->arena);
    struct json *answers = json_get(t->record, "inputResponses");
    struct json_member m;

    if (!answers)
        answers = json_new_object(c->arena);
    for (bool more = json_first(pending, &m); more; more = json_next(&m)) {
        struct json *answer = json_get(given, m.key);

        if (json_has(given, m.key) && !json_is_object(answer))
            return err_set(e, ERR_RPC_INVALID_PARAMS,
                           "Invalid params: inputResponses must be an object of objects");
        json_put(answer ? answers : left, m.key, answer ? answer : m.value);
    }
    json_put(t->record, "inputResponses", answers);
    json_put(t->record, "inputRequests", left);
    return OK;
}

enum rc mcp_tasks_update(struct mcp_call *c, struct err *e) {
    const struct json *given = json_get(c->msg.params, "inputResponses");
    const struct tool *tool;
    struct task t;
    enum rc rc = find(c, &t, e);

    if (!rc && !json_is_object(given))
        rc = err_set(e, ERR_RPC_INVALID_PARAMS, "Invalid params: inputResponses must be an object");
    if (!rc && task_is(&t, "input_required")) {
        rc = take_answers(c, &t, given, e);
        tool = tool_find(c->cx->tools, json_get_str(t.record, "tool"));
        if (!rc && json_size(json_get(t.record, "inputRequests")))
            rc = task_save(c, &t, e);
        else if (!rc && tool)
            rc = task_start(c, tool, &t, e);
        else if (!rc)
            rc = err_set(e, ERR_RPC_INTERNAL, "Internal error: the tool is not there any more");
    }
    if (!rc)
        mcp_call_finish(c, json_new_object(c->arena));
    return rc;
}

void mcp_sweep(struct context *cx) {
    int64_t now_s = clock_now_s(&cx->clock);

    host_cache_sweep(cx->host, TASK_KEY_PREFIX, TASK_TTL_S + TASK_TIMEOUT_MS_MAX / 1000, now_s);
    host_cache_sweep(cx->host, SESSION_NOTE_PREFIX, SESSION_MAX_S, now_s);
    resume_sweep(cx);
}
