#include "mcp/replay.h"

#include "base/base.h"
#include "crypto/random.h"
#include "mcp/call.h"
#include "mcp/protocol_version.h"
#include "mcp/session.h"
#include "shared/replay_log.h"
#include "web/sse.h"

#define STREAM_ID_BYTES 12

static const char *replay_log_dir(struct arena *a, const struct site *site) {
    return arena_printf(a, "%s/streams", site->config->state_dir);
}

/* c->client.session->id is made of digests of the user and of the session's id. */
static const char *replay_log_name(const struct mcp_call *c, const char *stream) {
    return arena_printf(c->arena, "%s.%s", c->client.session->id, stream);
}

/* Older clients do not support events without data. */
static bool is_replayable(const struct mcp_call *c) {
    return c->client.session && c->msg.version && !strcmp(c->msg.version, MCP_VERSION_HANDSHAKE);
}

void replay_begin(struct mcp_call *c, struct text *event) {
    struct sse_id first;
    const char *stream;
    struct err e;

    *event = (struct text){0};
    if (!is_replayable(c))
        return;
    stream = random_text(c->x->rp->arena, STREAM_ID_BYTES); /* c->arena may end before the stream */
    if (replay_log_create(replay_log_dir(c->arena, c->x->site), replay_log_name(c, stream),
                          clock_now_s(&c->x->site->clock), &c->stream.replay, &e)) {
        log_info("stream_not_kept", kv("request", c->x->rq->id), kv("why", e.detail));
        return;
    }
    c->stream.id = stream;
    first = sse_id(stream, 0, SSE_UNNUMBERED);
    *event = sse_priming_event(c->arena, &first);
}

struct text replay_event(struct mcp_call *c, struct arena *a, struct text message) {
    struct sse_id id;
    struct text event;
    struct err e;

    if (!c->stream.replay)
        return sse_event(a, NULL, message);
    id = sse_id(c->stream.id, 0, SSE_UNNUMBERED);
    id.at = replay_log_len(c->stream.replay) + sse_event_len(&id, message);
    event = sse_event(a, &id, message);
    if (replay_log_add(c->stream.replay, event.p, event.len, &e)) {
        log_info("stream_not_kept", kv("request", c->x->rq->id), kv("why", e.text));
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
