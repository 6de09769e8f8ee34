#include "mcp/endpoint.h"

#include <string.h>

#include "mcp/accept.h"
#include "mcp/bearer_auth.h"
#include "mcp/dispatch.h"
#include "mcp/protocol_version.h"
#include "mcp/replay.h"
#include "mcp/rpc.h"
#include "mcp/stream.h"
#include "web/sse.h"

#define BATCH_MAX 16                             /* messages in one batch */
#define BATCH_ANSWER_BYTES_MAX ((size_t)1 << 20) /* then the remaining messages are refused */

static enum rc check_media(const struct request *rq, struct reply *rp, struct err *e) {
    if (!request_has_type(rq, "application/json"))
        return err_set(e, ERR_UNSUPPORTED_MEDIA_TYPE, "Content-Type must be application/json");
    if (!mcp_accepts(rq, "application/json") && !mcp_accepts(rq, "text/event-stream"))
        return err_set(e, ERR_NOT_ACCEPTABLE,
                       "Accept must allow application/json and text/event-stream");
    return reply_check_coding(rp, rq, e);
}

static void send_text(struct reply *rp, int status, struct text t) {
    rp->status = status;
    rp->body = t.p;
    rp->body_len = t.len;
    reply_header(rp, "Content-Type", "application/json");
    reply_header(rp, "Cache-Control", "no-store"); /* the answer is for this user only */
}

/* Sends a complete answer as the only event of a stream. */
static void send_one_event(struct mcp_call *c, struct text answer) {
    struct text event = sse_event(c->arena, NULL, answer);

    arena_release(c->arena, answer.p);
    mcp_stream_headers(c->x->rp);
    c->x->rp->body = event.p;
    c->x->rp->body_len = event.len;
}

/* Sends a complete answer in the form that the client prefers. With a status other than 200 it is
 * JSON. */
static void send_answer(struct mcp_call *c, int status, struct text t) {
    if (status == 200 && mcp_prefers_stream(c->x->rq))
        send_one_event(c, t);
    else
        send_text(c->x->rp, status, t);
}

static enum rc post_single(struct mcp_call *c, struct json *message, struct err *e) {
    struct mcp_response response;
    enum rc rc = mcp_route(c, message, e);

    if (rc && !rpc_is_error(rc))
        return rc;
    if (!rc && mcp_check_scopes(c, e))
        return e->code;
    if (mcp_respond(c, rc, &response, e))
        return e->code;
    if (c->x->rp->streaming)
        mcp_stream_answer(c, response.body);
    else if (response.body.p)
        send_answer(c, response.status, response.body);
    else
        reply_empty(c->x->rp, response.status);
    return OK;
}

/* Refuses the whole body. */
static enum rc refuse(struct mcp_call *c, struct err *e) {
    mcp_log_error(c, e);
    send_text(c->x->rp, rpc_error_status(e->code, c->msg.protocol),
              rpc_error(c->arena, NULL, c->msg.protocol, e, NULL));
    return OK;
}

/* ---- batches: 2025-03-26 requires them, 2025-06-18 removed them */

struct batch {
    size_t count;
    struct mcp_call calls[BATCH_MAX];
    struct err errors[BATCH_MAX];
    struct text answers[BATCH_MAX];
};

/* Sends the answers as one array; nothing if no message needs one. */
static void send_batch(struct mcp_call *c, const struct batch *b) {
    size_t len = 2;
    char *p, *start;

    for (size_t i = 0; i < b->count; i++)
        len += b->answers[i].len + 1;
    start = p = arena_alloc(c->arena, len);
    for (size_t i = 0; i < b->count; i++) {
        if (!b->answers[i].p)
            continue;
        *p = p == start ? '[' : ',';
        p++;
        memcpy(p, b->answers[i].p, b->answers[i].len);
        p += b->answers[i].len;
    }
    if (p == start) {
        reply_empty(c->x->rp, 202);
        return;
    }
    *p++ = ']';
    send_answer(c, 200, (struct text){start, (size_t)(p - start)});
}

/* Routes each message and checks its scopes: all before the first one runs, because a challenge
 * answers the whole POST. */
static enum rc route_batch(struct batch *b, const struct json *messages, struct err *e) {
    for (size_t i = 0; i < b->count; i++) {
        enum rc rc = mcp_route(&b->calls[i], json_at(messages, i), &b->errors[i]);

        if (rc && !rpc_is_error(rc)) {
            *e = b->errors[i];
            return rc;
        }
        if (!rc && mcp_check_scopes(&b->calls[i], e))
            return e->code;
    }
    return OK;
}

/* Runs the messages in order. */
static enum rc run_batch(struct batch *b, struct err *e) {
    size_t total = 0;

    for (size_t i = 0; i < b->count; i++) {
        struct mcp_response response;

        if (total > BATCH_ANSWER_BYTES_MAX && !b->errors[i].code && b->calls[i].method)
            (void)err_set(&b->errors[i], ERR_RPC_INVALID_REQUEST,
                          "Invalid request: the answers of this batch are too large, send the rest "
                          "of it alone");
        if (mcp_respond(&b->calls[i], b->errors[i].code, &response, &b->errors[i])) {
            *e = b->errors[i];
            return e->code;
        }
        b->answers[i] = response.body;
        total += response.body.len;
    }
    return OK;
}

static enum rc post_batch(struct mcp_call *c, const struct json *messages, struct err *e) {
    size_t count = json_len(messages);
    struct batch *b;

    if (!mcp_version_has_batches(c->x->rq) || !count || count > BATCH_MAX) {
        (void)err_set(e, ERR_RPC_INVALID_REQUEST,
                      "Invalid request: batches have 1 to %d messages, and only protocol version "
                      "2025-03-26 has them",
                      BATCH_MAX);
        return refuse(c, e);
    }
    b = arena_alloc(c->arena, sizeof *b);
    b->count = count;
    for (size_t i = 0; i < count; i++) {
        b->calls[i] = *c; /* all of them use the arena of the request */
        b->calls[i].msg.in_batch = true;
    }
    if (route_batch(b, messages, e) || run_batch(b, e))
        return e->code;
    send_batch(c, b);
    return OK;
}

enum rc mcp_post(struct exchange *x, struct err *e) {
    struct mcp_call c = mcp_call_begin(x);
    struct json *body;
    enum rc rc = mcp_bearer_auth(x, &c.client.claims, e);

    if (rc)
        return rc;
    rc = check_media(x->rq, x->rp, e);
    if (rc)
        return rc;
    c.msg.protocol = mcp_version_of_header(x->rq);
    if (json_parse(x->rq->arena, x->rq->body, x->rq->body_len, &body, e)) {
        const char *why = arena_strdup(x->rq->arena, e->text);

        (void)err_set(e, ERR_RPC_PARSE, "Parse error: %.200s", why);
        return refuse(&c, e);
    }
    rc = json_is_array(body) ? post_batch(&c, body, e) : post_single(&c, body, e);
    replay_end(&c);
    return rc;
}
