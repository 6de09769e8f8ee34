#include "mcp/stream.h"

#include <limits.h>
#include <math.h>
#include <poll.h>

#include "crypto/digest.h"
#include "mcp/call.h"
#include "mcp/headers.h"
#include "mcp/session.h"
#include "shared/replay_log.h"
#include "web/sse.h"

/* How a web server is asked whether the client has disconnected: comments are written, with a wait
 * after each. Apache notices on the second write. */
#define DISCONNECT_WAIT_MS 2
#define DISCONNECT_COMMENTS 2
#define STREAM_ID_BYTES 12

static const char *replay_log_dir(struct arena *a, const struct site *site) {
    return arena_printf(a, "%s/streams", site->config->state_dir);
}

/* Contains the digests of the user and of the session's id, so it is bound to both. */
static const char *replay_log_name(const struct mcp_call *c, const char *stream) {
    return arena_printf(c->arena, "%s.%s", c->client.session->id, stream);
}

bool mcp_stream_has_ids(const struct mcp_call *c) {
    return c->client.session && c->msg.version && !strcmp(c->msg.version, MCP_VERSION_HANDSHAKE);
}

/* The priming event of a stream that begins, which gives the client an id before any message; empty
 * if this stream is not stored. */
static struct text replay_begin(struct mcp_call *c) {
    struct sse_id first;
    const char *stream;
    struct err e;

    if (!c->msg.id || !mcp_stream_has_ids(c)) /* a GET stream, without a request, is not stored */
        return (struct text){0};
    stream = random_text(c->x->rp->arena, STREAM_ID_BYTES); /* c->arena may end before the stream */
    if (replay_log_create(replay_log_dir(c->arena, c->x->site), replay_log_name(c, stream),
                          clock_now_s(&c->x->site->clock), &c->stream.replay, &e)) {
        log_info("replay_log_failed", kv("request", c->x->rq->id), kv("why", e.detail));
        return (struct text){0};
    }
    c->stream.id = stream;
    first = sse_id(stream, 0, SSE_UNNUMBERED);
    return sse_priming_event(c->arena, &first);
}

/* The event of a message; if the stream is stored, it has an id and is stored too. */
static struct text replay_event(struct mcp_call *c, struct arena *a, struct text message) {
    struct sse_id id;
    struct text event;
    struct err e;

    if (!c->stream.replay)
        return sse_event(a, NULL, message);
    id = sse_id(c->stream.id, 0, SSE_UNNUMBERED);
    id.at = replay_log_len(c->stream.replay) + sse_event_len(&id, message);
    event = sse_event(a, &id, message);
    if (replay_log_add(c->stream.replay, event.p, event.len, &e)) {
        log_info("replay_log_failed", kv("request", c->x->rq->id), kv("why", e.text));
        replay_end(c);
    }
    return event;
}

void replay_end(struct mcp_call *c) {
    replay_log_close(c->stream.replay);
    c->stream.replay = NULL;
}

enum rc replay_open(struct mcp_call *c, const char *stream, struct replay_log **out,
                    struct err *e) {
    return replay_log_open(replay_log_dir(c->arena, c->x->site), replay_log_name(c, stream), out,
                           e);
}

void replay_sweep(struct site *site) {
    struct arena *a = arena_new(4096);

    replay_log_sweep(replay_log_dir(a, site), clock_now_s(&site->clock));
    arena_free(a);
}

/* ---- sending ---- */

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

    if (events.len && !c->stream.disconnected && !rp->ended &&
        reply_stream_write(rp, events.p, events.len))
        c->stream.disconnected = true;
    c->stream.sent_ms = clock_monotonic_ms();
}

void mcp_stream_begin(struct mcp_call *c) {
    struct text priming;

    if (c->x->rp->streaming)
        return;
    mcp_stream_headers(c->x->rp);
    priming = replay_begin(c);
    if (reply_stream_begin(c->x->rp))
        c->stream.disconnected = true;
    mcp_stream_write(c, priming);
}

void mcp_stream_send(struct mcp_call *c, struct arena *a, struct json *message) {
    if (!mcp_stream_possible(c))
        return;
    mcp_stream_begin(c);
    mcp_stream_write(c, replay_event(c, a, json_as_text(a, message)));
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

void mcp_stream_notify_limited(struct mcp_call *c, struct arena *a, const char *method,
                               struct json *params) {
    int64_t now = clock_monotonic_ms();

    if (c->stream.rate_limit_ms < now)
        c->stream.rate_limit_ms = now;
    if (c->stream.rate_limit_ms - now > (STREAM_NOTIFY_BURST - 1) * STREAM_NOTIFY_MS) {
        c->stream.dropped++;
        return;
    }
    c->stream.rate_limit_ms += STREAM_NOTIFY_MS;
    mcp_stream_notify(c, a, method, params);
}

bool mcp_stream_is_abandoned(struct mcp_call *c) {
    if (!c->x->rq->waited || c->msg.protocol != PROTOCOL_STATELESS || !mcp_stream_possible(c))
        return false;
    mcp_stream_begin(c);
    for (int i = 0; i < DISCONNECT_COMMENTS && !c->stream.disconnected; i++) {
        struct pollfd peer = {.fd = c->x->rp->sink->fd, .events = POLLIN};

        mcp_stream_write(c, TEXT_LITERAL(SSE_COMMENT));
        c->stream.disconnected = c->stream.disconnected || poll(&peer, 1, DISCONNECT_WAIT_MS) > 0;
    }
    return c->stream.disconnected;
}

int mcp_stream_keep_alive(void *call) {
    struct mcp_call *c = call;
    int64_t every_ms = (int64_t)c->x->site->config->stream_keep_alive_s * 1000, left;

    if (!mcp_stream_possible(c) || c->x->rp->ended)
        return INT_MAX;
    left = c->stream.sent_ms + every_ms - clock_monotonic_ms();
    if (!c->stream.disconnected && left <= 0) {
        mcp_stream_begin(c);
        mcp_stream_write(c, TEXT_LITERAL(SSE_COMMENT));
        left = every_ms;
    }
    if (c->stream.disconnected)
        return c->msg.protocol == PROTOCOL_STATELESS ? -1 : INT_MAX;
    return (int)left;
}

void mcp_stream_close(struct mcp_call *c) {
    if (!mcp_stream_possible(c))
        return;
    mcp_stream_begin(c);
    if (c->stream.replay)
        reply_stream_end(c->x->rp);
}

const int *mcp_stream_watch(const struct mcp_call *c) {
    if (c->cancel.watch)
        return c->cancel.watch;
    return c->msg.protocol == PROTOCOL_STATELESS && c->x->rp->sink ? &c->x->rp->sink->fd : NULL;
}

bool mcp_stream_accept_progress(struct mcp_call *c, const struct json *value) {
    struct json_number n;

    if (!json_number(value, &n) || !isfinite(n.d) ||
        (c->stream.has_progress && json_number_compare(&n, &c->stream.progress) <= 0))
        return false;
    c->stream.has_progress = true;
    c->stream.progress = n;
    return true;
}
