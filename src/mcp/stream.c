#include "mcp/stream.h"

#include <string.h>

#include "mcp/resume.h"

int mcp_log_level(const char *name) {
    static const char *const names[] = {"debug", "info",     "notice", "warning",
                                        "error", "critical", "alert",  "emergency"};

    for (int i = 0; name && i < 8; i++)
        if (!strcmp(name, names[i]))
            return i;
    return -1;
}

bool mcp_stream_possible(const struct mcp_call *c) {
    return c->rp->sink && !c->in_batch && mcp_accepts(c->rq, "text/event-stream");
}

void mcp_stream_begin(struct mcp_call *c) {
    struct text priming;

    c->rp->status = 200;
    reply_header(c->rp, "Content-Type", "text/event-stream");
    reply_header(c->rp, "Cache-Control", "no-store");
    reply_header(c->rp, "X-Accel-Buffering", "no"); /* proxies pass each event on at once */
    resume_begin(c, &priming);
    if (reply_stream_begin(c->rp) ||
        (priming.len && reply_stream_write(c->rp, priming.p, priming.len)))
        c->gone = true;
}

/* JSON text has no line end in it, so one line of data carries it. */
struct text mcp_stream_event(struct arena *a, struct text message) {
    const size_t start = sizeof MCP_EVENT_START - 1, end = sizeof MCP_EVENT_END - 1;
    char *event = arena_alloc(a, start + message.len + end);

    memcpy(event, MCP_EVENT_START, start);
    memcpy(event + start, message.p, message.len);
    memcpy(event + start + message.len, MCP_EVENT_END, end);
    return (struct text){event, start + message.len + end};
}

static void send_event(struct mcp_call *c, struct text message) {
    struct text event = resume_event(c, message);

    if (!c->gone && !c->rp->ended && reply_stream_write(c->rp, event.p, event.len))
        c->gone = true;
}

void mcp_stream_send(struct mcp_call *c, struct json *message) {
    struct text t;

    if (!mcp_stream_possible(c))
        return;
    if (!c->rp->streaming)
        mcp_stream_begin(c);
    t.p = json_text(c->arena, message, &t.len);
    send_event(c, t);
}

void mcp_stream_notify(struct mcp_call *c, const char *method, struct json *params) {
    struct json *message = json_new_object(c->arena);

    json_put_str(message, "jsonrpc", "2.0");
    json_put_str(message, "method", method);
    json_put(message, "params", params);
    mcp_stream_send(c, message);
}

void mcp_stream_answer(struct mcp_call *c, struct text answer) {
    if (answer.p)
        send_event(c, answer);
}

void mcp_stream_close(struct mcp_call *c) {
    if (!mcp_stream_possible(c))
        return;
    if (!c->rp->streaming)
        mcp_stream_begin(c);
    if (c->journal)
        reply_stream_end(c->rp);
}

const int *mcp_stream_watch(const struct mcp_call *c) {
    if (c->watch)
        return c->watch;
    return c->era == ERA_MODERN && c->rp->sink ? &c->rp->sink->fd : NULL;
}
