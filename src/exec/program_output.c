#include "exec/program_output.h"

#include "mcp/session.h"
#include "mcp/stream.h"

#define LINE_MEMORY_MAX ((size_t)64 << 20) /* bytes, for reading a line and for the result */

static void send_progress(struct line_reader *r, struct json *progress) {
    struct json *params = json_new_object(r->scratch);
    struct json *total = json_get(progress, "total"), *message = json_get(progress, "message");

    if (!r->progress_token || !mcp_stream_accept_progress(r->c, json_get(progress, "progress")))
        return;
    json_put(params, "progressToken", r->progress_token);
    json_put(params, "progress", json_get(progress, "progress"));
    if (json_is_number(total))
        json_put(params, "total", total);
    if (json_is_string(message))
        json_put(params, "message", message);
    mcp_stream_notify_limited(r->c, r->scratch, "notifications/progress", params);
}

static void send_log(struct line_reader *r, struct json *log) {
    const char *level = json_get_str(log, "level"), *logger = json_get_str(log, "logger");
    struct json *params;

    if (!json_has(log, "data") || mcp_log_level(level) < r->c->client.log_level)
        return;
    params = json_new_object(r->scratch);
    json_put_str(params, "level", level);
    json_put_str(params, "logger", logger ? logger : r->invocation->name);
    json_put(params, "data", json_get(log, "data"));
    mcp_stream_notify_limited(r->c, r->scratch, "notifications/message", params);
}

static void read_line(struct line_reader *r, const char *line, size_t len) {
    const struct json *v = len && !r->has_result ? json_of_text(r->scratch, line, len) : NULL;

    if (!v || (r->id && !json_get_is(v, "id", r->id)))
        return; /* none, or of another call */
    if (json_get(v, "progress"))
        send_progress(r, json_get(v, "progress"));
    if (json_get(v, "log"))
        send_log(r, json_get(v, "log"));
    if (json_get_bool(v, "closeStream"))
        mcp_stream_close(r->c);
    if (!json_has(v, "result") && !json_get(v, "inputRequired"))
        return;
    r->has_result = r->id != NULL; /* else the last one counts */
    arena_reset(r->result_arena);
    if (json_has(v, "result"))
        r->result = json_as_text(r->result_arena, json_get(v, "result"));
    else
        r->result = (struct text){arena_strndup(r->result_arena, line, len), len};
}

/* Uses no memory of the request for a line, since a program may print any number of lines. */
void line_reader_take(void *arg, const char *line, size_t len) {
    struct line_reader *r = arg;

    r->repaired += utf8_repair(r->scratch, &line, &len);
    read_line(r, line, len);
    arena_reset(r->scratch);
}

void line_reader_begin(struct line_reader *r) {
    int64_t integer;

    r->progress_token = json_get(json_get(r->c->msg.params, "_meta"), "progressToken");
    if (!json_is_string(r->progress_token) && !json_int(r->progress_token, &integer))
        r->progress_token = NULL; /* "Progress tokens MUST be a string or integer value" */
    r->scratch = arena_new(LINE_MEMORY_MAX);
    r->result_arena = arena_new(LINE_MEMORY_MAX);
}

void log_repaired(const struct mcp_call *c, const struct invocation *i, size_t bytes) {
    if (bytes)
        log_warn("output_repaired", kv("request", c->x->rq->id), kv(i->kind, i->name),
                 kvn("bytes", (int64_t)bytes));
}

struct text line_reader_end(struct line_reader *r) {
    struct text result = r->result;

    log_repaired(r->c, r->invocation, r->repaired);
    if (result.p)
        result.p = arena_strndup(r->c->arena, result.p, result.len);
    arena_free(r->scratch);
    arena_free(r->result_arena);
    if (r->c->stream.dropped)
        log_info("notifications_dropped", kv("request", r->c->x->rq->id),
                 kv(r->invocation->kind, r->invocation->name),
                 kvn("messages", r->c->stream.dropped));
    r->c->stream.dropped = 0;
    return result;
}
