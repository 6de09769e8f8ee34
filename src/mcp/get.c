#include "mcp/get.h"

#include <poll.h>

#include "base/base.h"
#include "mcp/bearer_auth.h"
#include "mcp/call.h"
#include "mcp/changed_since.h"
#include "mcp/headers.h"
#include "mcp/listen.h"
#include "mcp/protocol_version.h"
#include "mcp/replay.h"
#include "mcp/session.h"
#include "mcp/stream.h"
#include "shared/replay_log.h"
#include "web/sse.h"

#define REPLAY_WAIT_MS                                                                             \
    15000 /* so long a worker waits for the next events; then the client asks again */
#define POLL_MS 50
#define CHUNK 16384

/* Sends the log from *at on. False: the client has disconnected. */
static bool send_rest(struct mcp_call *c, struct replay_log *log, size_t *at) {
    char chunk[CHUNK];
    size_t n;

    while ((n = replay_log_read(log, *at, chunk, sizeof chunk))) {
        if (reply_stream_write(c->x->rp, chunk, n))
            return false;
        *at += n;
    }
    return true;
}

/* The call may still run in another worker. This one waits only for a limited time; the client asks
 * again. */
static void follow(struct mcp_call *c, struct replay_log *log, size_t at) {
    int64_t until = clock_monotonic_ms() + REPLAY_WAIT_MS;

    for (;;) {
        bool last = replay_log_has_ended(log) || clock_monotonic_ms() >= until;
        struct pollfd peer = {.fd = c->x->rp->sink->fd, .events = POLLIN};

        if (!send_rest(c, log, &at) || last || poll(&peer, 1, POLL_MS) > 0)
            return;
    }
}

static enum rc replay_after(struct mcp_call *c, const struct sse_id *last, struct err *e) {
    struct replay_log *log;

    if (replay_open(c, last->stream, &log, e))
        return err_set(e, ERR_INVALID_REQUEST,
                       "Last-Event-ID names no stream of this session that is still kept");
    mcp_stream_begin(c);
    mcp_stream_write(c, sse_priming_event(c->arena, last));
    if (!c->stream.gone)
        follow(c, log, last->at);
    replay_log_close(log);
    return OK;
}

/* `last`: the id of the last event that the client has; NULL: none. */
static void open_stream(struct mcp_call *c, const struct sse_id *last) {
    const struct buf *list = mcp_session_subscriptions(c);

    c->x->rp->subscriptions = list;
    c->x->rp->subscription_until_s = c->client.claims->exp;
    mcp_stream_begin(c);
    if (changed_since_has_ids(c))
        changed_since_prime(c);
    else
        mcp_stream_comment(c);
    if (last)
        changed_since_send(c, (struct text){list->p, list->len}, last);
}

/* Answers a client that may open a stream. */
static enum rc get(struct mcp_call *c, struct err *e) {
    const char *last = c->client.session ? mcp_header(c->x->rq, "last-event-id") : NULL;
    struct sse_id id;

    if (!mcp_stream_possible(c))
        return err_set(e, ERR_NOT_ACCEPTABLE, "Accept must allow text/event-stream");
    if (last && !sse_id_read(last, &id))
        return err_set(e, ERR_INVALID_REQUEST, "Last-Event-ID is no id of an event");
    if (last && !changed_since_is_id(&id))
        return replay_after(c, &id, e);
    open_stream(c, last ? &id : NULL);
    return OK;
}

enum rc mcp_get(struct exchange *x, struct err *e) {
    struct mcp_call c = mcp_call_begin(x);
    enum rc rc = mcp_bearer_auth(x, &c.client.claims, e);

    if (rc)
        return rc;
    if (mcp_version_of_header(x->rq) == PROTOCOL_STATELESS || strcmp(x->rq->method, "GET") != 0) {
        reply_header(x->rp, "Allow", "POST");
        return err_set(e, ERR_METHOD_NOT_ALLOWED, "this address answers POST only");
    }
    rc = mcp_session_find(&c, e);
    return rc ? rc : get(&c, e);
}
