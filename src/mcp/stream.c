#include "mcp/stream.h"

#include <limits.h>
#include <poll.h>

#include "mcp/accept.h"
#include "mcp/call.h"
#include "mcp/replay.h"
#include "mcp/rpc.h"
#include "web/sse.h"

#define GONE_MS 2       /* so soon a web server reports that a client has disconnected */
#define GONE_COMMENTS 2 /* Apache notices on the second write */

bool mcp_stream_possible(const struct mcp_call *c) {
    return c->x->rp->sink && !c->msg.in_batch && mcp_accepts(c->x->rq, "text/event-stream");
}

void mcp_stream_headers(struct reply *rp) {
    rp->status = 200;
    reply_header(rp, "Content-Type", "text/event-stream");
    reply_header(rp, "Cache-Control", "no-store");
    reply_header(rp, "X-Accel-Buffering", "no"); /* makes proxies forward each event at once */
}

void mcp_stream_write(struct mcp_call *c, struct text events) {
    struct reply *rp = c->x->rp;

    if (events.len && !c->stream.gone && !rp->ended && reply_stream_write(rp, events.p, events.len))
        c->stream.gone = true;
    c->stream.sent_ms = clock_monotonic_ms();
}

void mcp_stream_begin(struct mcp_call *c) {
    struct text priming;

    mcp_stream_headers(c->x->rp);
    replay_begin(c, &priming);
    if (reply_stream_begin(c->x->rp))
        c->stream.gone = true;
    mcp_stream_write(c, priming);
}

void mcp_stream_send(struct mcp_call *c, struct arena *a, struct json *message) {
    struct text t;

    if (!mcp_stream_possible(c))
        return;
    if (!c->x->rp->streaming)
        mcp_stream_begin(c);
    t.p = json_text(a, message, &t.len);
    mcp_stream_write(c, replay_event(c, a, t));
}

void mcp_stream_notify(struct mcp_call *c, struct arena *a, const char *method,
                       struct json *params) {
    mcp_stream_send(c, a, rpc_notification(a, method, params));
}

void mcp_stream_answer(struct mcp_call *c, struct text answer) {
    if (!answer.p)
        return;
    c->x->rp->sink->last = true;
    mcp_stream_write(c, replay_event(c, c->arena, answer));
}

void mcp_stream_notify_paced(struct mcp_call *c, struct arena *a, const char *method,
                             struct json *params) {
    int64_t now = clock_monotonic_ms();

    if (c->stream.paced_ms < now)
        c->stream.paced_ms = now;
    if (c->stream.paced_ms - now > (STREAM_NOTIFY_BURST - 1) * STREAM_NOTIFY_MS) {
        c->stream.dropped++;
        return;
    }
    c->stream.paced_ms += STREAM_NOTIFY_MS;
    mcp_stream_notify(c, a, method, params);
}

void mcp_stream_comment(struct mcp_call *c) {
    mcp_stream_write(c, TEXT_LITERAL(SSE_COMMENT));
}

bool mcp_stream_is_abandoned(struct mcp_call *c) {
    if (!c->x->rq->waited || c->msg.protocol != PROTOCOL_STATELESS || !mcp_stream_possible(c))
        return false;
    if (!c->x->rp->streaming)
        mcp_stream_begin(c);
    for (int i = 0; i < GONE_COMMENTS && !c->stream.gone; i++) {
        struct pollfd peer = {.fd = c->x->rp->sink->fd, .events = POLLIN};

        mcp_stream_comment(c);
        c->stream.gone = c->stream.gone || poll(&peer, 1, GONE_MS) > 0;
    }
    return c->stream.gone;
}

int mcp_stream_keep_alive(void *call) {
    struct mcp_call *c = call;
    int64_t every_ms = (int64_t)c->x->site->config->stream_keep_alive_s * 1000, left;

    if (!mcp_stream_possible(c) || c->x->rp->ended)
        return INT_MAX;
    left = c->stream.sent_ms + every_ms - clock_monotonic_ms();
    if (!c->stream.gone && left <= 0) {
        if (!c->x->rp->streaming)
            mcp_stream_begin(c);
        mcp_stream_comment(c);
        left = every_ms;
    }
    if (c->stream.gone)
        return c->msg.protocol == PROTOCOL_STATELESS ? -1 : INT_MAX;
    return (int)left;
}

void mcp_stream_close(struct mcp_call *c) {
    if (!mcp_stream_possible(c))
        return;
    if (!c->x->rp->streaming)
        mcp_stream_begin(c);
    if (c->stream.replay)
        reply_stream_end(c->x->rp);
}

const int *mcp_stream_watch(const struct mcp_call *c) {
    if (c->cancel.watch)
        return c->cancel.watch;
    return c->msg.protocol == PROTOCOL_STATELESS && c->x->rp->sink ? &c->x->rp->sink->fd : NULL;
}
