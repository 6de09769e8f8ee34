#include "mcp/endpoint.h"

#include <string.h>

#include "base/log.h"
#include "catalog/program.h"
#include "mcp/accept.h"
#include "mcp/bearer_auth.h"
#include "mcp/call.h"
#include "mcp/cancel.h"
#include "mcp/protocol_version.h"
#include "mcp/replay.h"
#include "mcp/rpc.h"
#include "mcp/session.h"
#include "mcp/site.h"
#include "metrics/metrics.h"
#include "web/sse.h"

#define BATCH_MAX 16                             /* messages in one batch */
#define BATCH_ANSWER_BYTES_MAX ((size_t)1 << 20) /* after these, the rest is refused */

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
    reply_header(rp, "Cache-Control", "no-store"); /* what a user may see is not a cache's */
}

/* An answer that is ready, as the one event of a stream. */
static void send_one_event(struct mcp_call *c, struct text answer) {
    struct text event = sse_event(c->arena, NULL, answer);

    arena_release(c->arena, answer.p);
    mcp_stream_headers(c->x->rp);
    c->x->rp->body = event.p;
    c->x->rp->body_len = event.len;
}

/* Whole, in the form that the client prefers. What has a status of its own is JSON. */
static void send_answer(struct mcp_call *c, int status, struct text t) {
    if (status == 200 && mcp_prefers_stream(c->x->rq))
        send_one_event(c, t);
    else
        send_text(c->x->rp, status, t);
}

static void log_refusal(const struct mcp_call *c, const struct err *e) {
    metrics_count(METRIC_DENIALS, e->code);
    log_info("rpc_error", kv("request", c->x->rq->id), kv("sub", c->client.claims->sub),
             kv("method", c->msg.method ? c->msg.method : ""), kv("text", e->text));
}

/* Settles what the message is and which method serves it. On success, a message without c->method
 * needs no answer. */
static enum rc route(struct mcp_call *c, struct json *message, struct err *e) {
    enum rc rc = mcp_message_read(message, &c->msg, e);

    c->msg.protocol = mcp_version_of_header(c->x->rq);
    if (!rc)
        rc = mcp_version_settle(c, e);
    if (!rc)
        rc = mcp_client_settle(c, e);
    if (!rc && c->msg.kind == MCP_RESPONSE)
        c->x->site->mcp->service->take_response(c, message);
    if (rc || c->msg.kind == MCP_RESPONSE)
        return rc;
    if (c->msg.kind == MCP_NOTIFICATION) {
        /* Taking a request that lacks its id for a notification would leave its sender waiting. */
        if (strncmp(c->msg.method, "notifications/", 14) != 0)
            return err_set(e, ERR_RPC_INVALID_REQUEST, "Invalid request: the id is missing");
        if (!strcmp(c->msg.method, "notifications/cancelled"))
            cancel_deliver(c);
        return OK;
    }
    c->method = mcp_method_find(c->x->site->mcp->service, c->msg.method, c->msg.protocol);
    if (!c->method)
        return err_set(e, ERR_RPC_METHOD_NOT_FOUND, "Method not found: %s",
                       text_quotable(c->arena, c->msg.method));
    return OK;
}

/* Who did what, and how it ended; never what was passed. */
static void audit(const struct mcp_call *c, const char *outcome, int64_t began_ms) {
    const char *target = c->answer.target;

    if (!c->method || !c->method->event)
        return;
    if (!target && c->method->mirrored) {
        target = json_get_str(c->msg.params, c->method->mirrored);
        target = target ? text_quotable(c->arena, target) : "";
    }
    log_info(c->method->event, kv("request", c->x->rq->id), kv(c->method->kind, target),
             kv("sub", c->client.claims->sub), kv("client_id", c->client.claims->client_id),
             kv("outcome", outcome), kvn("ms", clock_monotonic_ms() - began_ms));
}

/* Checks the scopes of what a routed message asks for. */
static enum rc check_scopes(struct mcp_call *c, struct err *e) {
    enum rc rc = mcp_guard_scopes(c->x, c->client.claims,
                                  c->method && c->method->scopes ? c->method->scopes(c) : "", e);

    if (rc)
        audit(c, "insufficient_scope", clock_monotonic_ms());
    return rc;
}

/* Runs a routed message: fills *answer, which stays empty if none is due. An error that is not
 * JSON-RPC's is returned. *status is the HTTP status of a message that comes alone. */
static enum rc answer(struct mcp_call *c, enum rc rc, struct text *out, int *status,
                      struct err *e) {
    int64_t began = clock_monotonic_ms();

    *out = (struct text){0};
    *status = 202;
    if (!rc && !c->method)
        return OK;
    if (!rc)
        rc = c->method->run(c, e);
    audit(c,
          rc == ERR_RATE_LIMITED ? "limited"
          : c->answer.outcome    ? c->answer.outcome
          : rc                   ? "error"
                                 : "ok",
          began);
    if (rc && !rpc_is_error(rc) &&
        !c->x->rp->streaming) /* on a stream it can be answered here only */
        return rc;
    if (rc) {
        log_refusal(c, e);
        *status =
            c->answer.error_status ? c->answer.error_status : rpc_error_status(rc, c->msg.protocol);
        *out = rpc_error(c->arena, c->msg.id, c->msg.protocol, e, c->answer.error_data);
        return OK;
    }
    *status = 200;
    if (c->x->rp->subscriptions &&
        c->x->rp->streaming) /* the stream goes on, and has no answer yet */
        return OK;
    *out = rpc_result(c->arena, c->msg.id, c->answer.result);
    arena_release(c->arena, c->answer.result.p);
    return OK;
}

static enum rc post_single(struct mcp_call *c, struct json *message, struct err *e) {
    struct text out;
    int status;
    enum rc rc = route(c, message, e);

    if (rc && !rpc_is_error(rc))
        return rc;
    if (!rc && check_scopes(c, e))
        return e->code;
    rc = answer(c, rc, &out, &status, e);
    if (rc)
        return rc;
    if (c->x->rp->streaming)
        mcp_stream_answer(c, out);
    else if (out.p)
        send_answer(c, status, out);
    else
        reply_empty(c->x->rp, status);
    return OK;
}

/* Refuses the whole body. */
static enum rc refuse(struct mcp_call *c, struct err *e) {
    log_refusal(c, e);
    send_text(c->x->rp, rpc_error_status(e->code, c->msg.protocol),
              rpc_error(c->arena, NULL, c->msg.protocol, e, NULL));
    return OK;
}

/* The answers of a batch as one array; nothing if no message needed one. */
static void send_batch(struct mcp_call *first, const struct text *answers, size_t count) {
    size_t len = 2;
    char *p, *start;

    for (size_t i = 0; i < count; i++)
        len += answers[i].len + 1;
    start = p = arena_alloc(first->arena, len);
    for (size_t i = 0; i < count; i++) {
        if (!answers[i].p)
            continue;
        *p = p == start ? '[' : ',';
        p++;
        memcpy(p, answers[i].p, answers[i].len);
        p += answers[i].len;
    }
    if (p == start) {
        reply_empty(first->x->rp, 202);
        return;
    }
    *p++ = ']';
    send_answer(first, 200, (struct text){start, (size_t)(p - start)});
}

/* Runs the messages of a batch in their order. */
static enum rc answer_batch(struct mcp_call *calls, struct err *errors, struct text *answers,
                            size_t count, struct err *e) {
    size_t total = 0;
    int status;

    for (size_t i = 0; i < count; i++) {
        if (total > BATCH_ANSWER_BYTES_MAX && !errors[i].code && calls[i].method)
            (void)err_set(&errors[i], ERR_RPC_INVALID_REQUEST,
                          "Invalid request: the answers of this batch are too large, send the rest "
                          "of it alone");
        if (answer(&calls[i], errors[i].code, &answers[i], &status, &errors[i])) {
            *e = errors[i];
            return e->code;
        }
        total += answers[i].len;
    }
    return OK;
}

/* JSON-RPC batches: receiving them was a duty in 2025-03-26 ("Batching"), and they are gone since
 * 2025-06-18. All scopes are checked before the first message runs, because a challenge answers
 * the whole POST. */
static enum rc post_batch(struct mcp_call *proto, const struct json *batch, struct err *e) {
    size_t count = json_len(batch);
    struct mcp_call *calls;
    struct text *answers;
    struct err *errors;
    enum rc rc;

    if (!mcp_version_has_batches(proto->x->rq) || !count || count > BATCH_MAX) {
        (void)err_set(e, ERR_RPC_INVALID_REQUEST,
                      "Invalid request: batches have 1 to %d messages, and only protocol version "
                      "2025-03-26 has them",
                      BATCH_MAX);
        return refuse(proto, e);
    }
    calls = arena_alloc(proto->arena, count * sizeof *calls);
    answers = arena_alloc(proto->arena, count * sizeof *answers);
    errors = arena_alloc(proto->arena, count * sizeof *errors);
    for (size_t i = 0; i < count; i++) {
        calls[i] = *proto;
        calls[i].msg.in_batch = true;
        rc = route(&calls[i], json_at(batch, i), &errors[i]);
        if (rc && !rpc_is_error(rc)) {
            *e = errors[i];
            return rc;
        }
        if (!rc && check_scopes(&calls[i], e))
            return e->code;
    }
    rc = answer_batch(calls, errors, answers, count, e);
    if (!rc)
        send_batch(proto, answers, count);
    return rc;
}

enum rc mcp_post(struct exchange *x, struct err *e) {
    int64_t now = clock_monotonic_ms();
    struct mcp_call c = {.x = x,
                         .arena = x->rq->arena,
                         .stream.sent_ms = now,
                         .cancel.deadline_ms = now + PROGRAM_TIMEOUT_MS_MAX};
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
