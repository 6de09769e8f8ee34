/* The record of a task: a JSON object in the host's cache. */
#include <string.h>
#include <time.h>

#include "host/host.h"
#include "mcp/tasks.h"

#define ID_MAX 64

const char *task_time(struct arena *a, int64_t seconds) {
    time_t t = (time_t)seconds;
    char text[sizeof "+999999999-12-31T23:59:59Z"];
    struct tm tm;

    if (!gmtime_r(&t, &tm) || !strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm))
        return "";
    return arena_strdup(a, text);
}

bool task_is(const struct task *t, const char *status) {
    const char *now = json_get_str(t->record, "status");

    return now && !strcmp(now, status);
}

bool task_has_ended(const struct task *t) {
    return task_is(t, "completed") || task_is(t, "failed") || task_is(t, "cancelled");
}

void task_status(struct mcp_call *c, struct task *t, const char *status) {
    json_put_str(t->record, "status", status);
    json_put_str(t->record, "lastUpdatedAt", task_time(c->arena, clock_now_s(&c->cx->clock)));
}

static enum rc unknown(struct err *e) {
    return err_set(e, ERR_RPC_INVALID_PARAMS, "Invalid params: there is no such task");
}

/* A task belongs to the user and the client that made it; to others it does not exist. */
enum rc task_load(struct mcp_call *c, const char *id, struct task *out, struct err *e) {
    const char *text, *sub, *client;
    int64_t stored_s, until;
    size_t len;

    if (!c->cx->host || strlen(id) > ID_MAX ||
        host_cache_get(c->cx->host, c->arena, arena_printf(c->arena, TASK_KEY_PREFIX "%s", id),
                       &text, &len, &stored_s, e) ||
        json_parse(c->arena, text, len, &out->record, e))
        return unknown(e);
    sub = json_get_str(out->record, "sub");
    client = json_get_str(out->record, "client");
    if (!sub || !client || strcmp(sub, c->claims->sub) != 0 ||
        strcmp(client, c->claims->client_id) != 0)
        return unknown(e);
    out->id = arena_strdup(c->arena, id);
    /* Whoever looked after it is gone, or the host was started again. */
    if (task_is(out, "working") && json_get_int(out->record, "until", &until) &&
        clock_now_s(&c->cx->clock) > until) {
        struct json *error = json_new_object(c->arena);

        json_put_int(error, "code", -32603);
        json_put_str(error, "message", "The task was lost");
        json_put(out->record, "error", error);
        task_status(c, out, "failed");
    }
    return OK;
}

enum rc task_save(struct mcp_call *c, struct task *t, struct err *e) {
    size_t len;
    const char *text = json_text(c->arena, t->record, &len);
    enum rc rc;

    rc = host_cache_put(c->cx->host, arena_printf(c->arena, TASK_KEY_PREFIX "%s", t->id), text, len,
                        clock_now_s(&c->cx->clock), e);
    return rc;
}
