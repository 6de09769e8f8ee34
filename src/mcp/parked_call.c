#include "mcp/parked_call.h"

#include <inttypes.h>

#include "crypto/digest.h"
#include "shared/replay_log.h"
#include "web/sse.h"

#define CALL "call" /* our member of the state */
#define USER_DIGEST_BYTES 12
#define SLEEP_MS 250

/* As text, since a number of 64 bits must come back as it was. */
static const char *progress_text(struct arena *a, const struct json_number *n) {
    if (n->is_integer)
        return arena_printf(a, "%s%" PRIu64, n->negative ? "-" : "", n->magnitude);
    return arena_printf(a, "%.17g", n->d);
}

static struct json *save(struct mcp_call *c) {
    struct json *o = json_new_object(c->arena);
    const struct mcp_stream *s = &c->stream;

    json_put(o, "claims", token_claims_save(c->arena, c->client.claims));
    json_put_int(o, "deadline_ms", c->cancel.deadline_ms);
    json_put_int(o, "sent_ms", s->sent_ms);
    json_put_int(o, "rate_limit_ms", s->rate_limit_ms);
    json_put_bool(o, "ended", c->x->rp->ended);
    if (s->has_progress)
        json_put_str(o, "progress", progress_text(c->arena, &s->progress));
    if (s->replay) {
        json_put_str(o, "stream", s->id);
        json_put_int(o, "stream_len", (int64_t)replay_log_len(s->replay));
    }
    return o;
}

/* Without an id: this event is not stored. */
static struct text lost_event(struct mcp_call *c) {
    struct err e;
    struct text event;

    (void)err_set(&e, ERR_RPC_INTERNAL,
                  "The call was lost while it waited for an answer, since a process of the server "
                  "has ended. Call again");
    event = sse_event(c->arena, NULL, rpc_error(c->arena, c->msg.id, c->msg.protocol, &e, NULL));
    return event.len <= PARKED_LOST_MAX ? event : (struct text){0};
}

static bool hand_over(struct mcp_call *c, struct parked *p) {
    p->lost = lost_event(c);
    p->user = sha256_base64url(c->arena, mcp_call_user(c), USER_DIGEST_BYTES);
    p->disconnected = c->stream.disconnected;
    p->keep_alive_ms = (int64_t)c->x->site->config->stream_keep_alive_s * 1000;
    p->fds[PARKED_REPLAY] = c->stream.replay ? replay_log_fd(c->stream.replay) : -1;
    return reply_park(c->x->rp, p);
}

bool mcp_call_park(struct mcp_call *c, struct json *state, struct parked *p) {
    json_put(state, CALL, save(c));
    p->state = json_as_text(c->arena, state);
    p->fds[PARKED_CANCEL] = c->cancel.socket;
    return hand_over(c, p);
}

bool mcp_call_sleep(struct mcp_call *c) {
    const struct resumed *r = c->x->rq->resumed;
    struct parked p = {.state = r->state,
                       .until_ms = clock_monotonic_ms() + SLEEP_MS,
                       .again = true,
                       .asleep = true};

    memcpy(p.fds, r->fds, sizeof p.fds);
    return p.until_ms < c->cancel.deadline_ms && hand_over(c, &p);
}

static bool restore_stream(struct mcp_call *c, const struct json *o) {
    const char *id = json_get_str(o, "stream"), *progress = json_get_str(o, "progress");
    struct mcp_stream *s = &c->stream;
    int64_t len = 0;
    int fd;

    if (!json_get_int(o, "sent_ms", &s->sent_ms) ||
        !json_get_int(o, "rate_limit_ms", &s->rate_limit_ms))
        return false;
    c->x->rp->ended = json_get_bool(o, "ended");
    s->disconnected = c->x->rp->sink->fd < 0 && !c->x->rp->ended;
    s->has_progress =
        progress && json_number(json_of_text(c->arena, progress, strlen(progress)), &s->progress);
    if (!id)
        return true;
    fd = resumed_take(c->x->rq->resumed, PARKED_REPLAY);
    if (fd < 0 || !json_get_int(o, "stream_len", &len) || len < 0)
        return false;
    s->id = id;
    s->replay = replay_log_adopt(fd, (size_t)len);
    return true;
}

enum rc mcp_call_restore(struct mcp_call *c, struct err *e) {
    const struct text text = c->x->rq->resumed->state;
    const struct json *o;

    if (json_parse(c->arena, text.p, text.len, &c->resumed, e))
        return err_set(e, ERR_INTERNAL, "the state of a parked call is not JSON");
    o = json_get(c->resumed, CALL);
    c->client.claims = token_claims_restore(c->arena, json_get(o, "claims"));
    if (!c->client.claims || !json_get_int(o, "deadline_ms", &c->cancel.deadline_ms) ||
        !restore_stream(c, o))
        return err_set(e, ERR_INTERNAL, "the state of a parked call is malformed");
    return OK;
}
