#include "mcp/endpoint.h"

#include "mcp/access.h"
#include "mcp/bearer_auth.h"
#include "mcp/call.h"
#include "mcp/headers.h"
#include "mcp/parked_call.h"
#include "mcp/session.h"
#include "mcp/stream.h"
#include "metrics/metrics.h"
#include "web/sse.h"

#define BATCH_MAX 16                             /* messages in one batch */
#define BATCH_ANSWER_BYTES_MAX ((size_t)1 << 20) /* then the remaining messages are refused */

struct response {
    int status;       /* HTTP status of a message that is not in a batch */
    struct text body; /* JSON-RPC; p is NULL if no answer is needed */
};

/* Logs and counts an error that the client gets. */
static void log_rpc_error(const struct mcp_call *c, const struct err *e) {
    metrics_count(METRIC_DENIALS, e->code);
    log_info("rpc_error", kv("request", c->x->rq->id), kv("sub", c->client.claims->sub),
             kv("method", c->msg.method ? c->msg.method : ""), kv("text", e->text));
}

static const struct mcp_method *find_method(const struct mcp_service *service,
                                            const struct mcp_message *msg) {
    if (msg->kind == MCP_REQUEST)
        for (size_t i = 0; i < service->method_count; i++)
            if ((service->methods[i].protocols & msg->protocol) &&
                !strcmp(service->methods[i].name, msg->method))
                return &service->methods[i];
    return NULL;
}

/* Sets the client's capabilities and log level, from its session or from _meta. */
static enum rc read_client(struct mcp_call *c, struct err *e) {
    const struct json *meta = json_get(c->msg.params, "_meta");

    if (c->msg.protocol == PROTOCOL_HANDSHAKE) {
        c->client.log_level = MCP_LOG_LEVEL_INFO;
        return c->msg.method && !strcmp(c->msg.method, "initialize") ? OK : mcp_session_find(c, e);
    }
    c->client.capabilities = json_get(meta, META_CLIENT_CAPABILITIES);
    c->client.log_level = MCP_LOG_LEVEL_NONE;
    if (!json_get(meta, META_LOG_LEVEL))
        return OK;
    c->client.log_level = mcp_log_level(json_get_str(meta, META_LOG_LEVEL));
    if (c->client.log_level >= 0)
        return OK;
    c->answer.error_status = 400;
    return rpc_invalid_params(e, "_meta.%s is not a log level", META_LOG_LEVEL);
}

/* Reads the message and finds its method. Handles notifications and responses itself: they leave
 * c->method NULL, and need no answer. */
static enum rc route(struct mcp_call *c, struct json *message, struct err *e) {
    const struct mcp_service *service = c->x->site->mcp->service;
    enum rc rc = mcp_message_read(message, &c->msg, e);

    if (!rc)
        rc = mcp_version_determine(c, e);
    if (rc)
        return rc;
    c->method = find_method(service, &c->msg);
    if (mcp_headers_check(c, e) || read_client(c, e))
        return e->code;
    /* If a request without an id were treated as a notification, its sender would wait forever. */
    if (c->msg.kind == MCP_NOTIFICATION && strncmp(c->msg.method, "notifications/", 14) != 0)
        return rpc_invalid_request(e, "the id is missing");
    if (c->msg.kind == MCP_NOTIFICATION && !strcmp(c->msg.method, "notifications/cancelled"))
        cancel_deliver(c);
    else if (c->msg.kind == MCP_RESPONSE)
        service->take_response(c, message);
    else if (c->msg.kind == MCP_REQUEST && !c->method)
        return err_set(e, ERR_RPC_METHOD_NOT_FOUND, "Method not found: %s",
                       text_quotable(c->arena, c->msg.method));
    return OK;
}

/* Logs caller, target and outcome; never arguments. e: why it failed, if its code is set. */
static void log_call(const struct mcp_call *c, const char *outcome, int64_t began_ms,
                     const struct err *e) {
    const int64_t ms = clock_monotonic_ms() - began_ms;
    const char *target = c->answer.target;

    if (!c->method || !c->method->event)
        return;
    if (!target && c->method->name_param) {
        target = json_get_str(c->msg.params, c->method->name_param);
        target = target ? text_quotable(c->arena, target) : "";
    }
    log_info(c->method->event, kv("request", c->x->rq->id), kv(c->method->kind, target),
             kv("sub", c->client.claims->sub), kv("client_id", c->client.claims->client_id),
             kv("outcome", outcome), kvn("ms", ms));
    mcp_call_audit(
        c, &(struct mcp_call_end){.event = c->method->event,
                                  .outcome = outcome,
                                  .kind = c->method->kind,
                                  .target = target,
                                  .task = c->answer.task,
                                  .reason = e->code && !c->answer.error_is_other ? e->text : NULL,
                                  .arguments = json_get(c->msg.params, "arguments"),
                                  .ms = ms});
}

/* May the caller make the call of a routed message? */
static enum rc check_access(struct mcp_call *c, struct err *e) {
    enum rc rc = mcp_check_access(c, c->method && c->method->entry ? c->method->entry(c) : NULL, e);

    if (rc)
        log_call(c, rc == ERR_INSUFFICIENT_SCOPE ? "insufficient_scope" : "forbidden",
                 clock_monotonic_ms(), e);
    return rc;
}

/* Runs the method of a message and makes the response. If `routed`, the result of route(), is an
 * error, makes the response from it instead. Returns only errors that JSON-RPC has no code for; the
 * dispatcher answers them. */
static enum rc respond(struct mcp_call *c, enum rc routed, struct response *out, struct err *e) {
    const int64_t began_ms =
        c->x->rq->resumed ? c->x->rq->started_ms : clock_monotonic_ms(); /* of the method */
    enum rc rc = routed;

    *out = (struct response){.status = 202};
    if (!rc && !c->method)
        return OK;
    if (!rc)
        rc = c->method->run(c, e);
    if (c->x->rp->parked) /* another worker answers */
        return OK;
    if (rc == ERR_RATE_LIMITED || rc == ERR_OVERLOADED)
        c->answer.outcome = "limited";
    else if (!c->answer.outcome)
        c->answer.outcome = rc ? "error" : "ok";
    log_call(c, c->answer.outcome, began_ms, rc ? e : &(struct err){.code = OK});
    if (!rc) {
        out->status = 200;
        /* If the stream stays open for subscriptions, the response is sent at its end. */
        if (!c->x->rp->subscriptions || !c->x->rp->streaming) {
            out->body = rpc_result(c->arena, c->msg.id, c->answer.result);
            arena_release(c->arena, c->answer.result.p);
        }
        return OK;
    }
    if (!rpc_is_error(rc) &&
        !c->x->rp->streaming) /* the dispatcher cannot answer after the stream has begun */
        return rc;
    log_rpc_error(c, e);
    out->status =
        c->answer.error_status ? c->answer.error_status : rpc_error_status(rc, c->msg.protocol);
    out->body = rpc_error(c->arena, c->msg.id, c->msg.protocol, e, c->answer.error_data);
    return OK;
}

static enum rc check_media(const struct request *rq, struct reply *rp, struct err *e) {
    if (!request_has_type(rq, "application/json"))
        return err_set(e, ERR_UNSUPPORTED_MEDIA_TYPE, "Content-Type must be application/json");
    if (!mcp_accepts(rq, "application/json") && !mcp_accepts(rq, "text/event-stream"))
        return err_set(e, ERR_NOT_ACCEPTABLE,
                       "Accept must allow application/json and text/event-stream");
    return reply_check_coding(rp, rq, e);
}

/* Sends a complete answer in the form that the client prefers: as the only event of a stream, or as
 * JSON. With a status other than 200 it is JSON. */
static void send_answer(struct mcp_call *c, int status, struct text t) {
    struct reply *rp = c->x->rp;

    if (status == 200 && mcp_prefers_stream(c->x->rq)) {
        struct text event = sse_event(c->arena, NULL, t);

        arena_release(c->arena, t.p);
        mcp_stream_headers(rp);
        t = event;
    } else {
        rp->status = status;
        reply_header(rp, "Content-Type", "application/json");
        reply_header(rp, "Cache-Control", "no-store"); /* the answer is for this user only */
    }
    rp->body = t.p;
    rp->body_len = t.len;
}

static enum rc post_single(struct mcp_call *c, struct json *message, struct err *e) {
    struct response response;
    enum rc rc = route(c, message, e);

    if (!rc && c->x->rq->resumed)
        rc = bearer_check_again(c->x, c->client.claims, e);
    if (!rc)
        rc = check_access(c, e);
    if (rc && !rpc_is_error(rc) && !c->x->rp->streaming)
        return rc;
    if (respond(c, rc, &response, e))
        return e->code;
    if (c->x->rp->streaming)
        mcp_stream_answer(c, response.body);
    else if (response.body.p)
        send_answer(c, response.status, response.body);
    else
        reply_empty(c->x->rp, response.status);
    return OK;
}

/* Answers the whole body with one error. */
static enum rc refuse(struct mcp_call *c, struct err *e) {
    log_rpc_error(c, e);
    send_answer(c, rpc_error_status(e->code, c->msg.protocol),
                rpc_error(c->arena, NULL, c->msg.protocol, e, NULL));
    return OK;
}

/* ---- batches: 2025-03-26 requires them, 2025-06-18 removed them ---- */

struct batch {
    size_t count;
    struct mcp_call calls[BATCH_MAX];
    struct err errors[BATCH_MAX];
    struct text answers[BATCH_MAX];
};

/* Sends the answers as one array; an empty reply if no message needs one. */
static void send_batch(struct mcp_call *c, const struct batch *b) {
    struct text parts[2 * BATCH_MAX + 1];
    size_t n = 0;

    for (size_t i = 0; i < b->count; i++)
        if (b->answers[i].p) {
            parts[n] = n ? TEXT_LITERAL(",") : TEXT_LITERAL("[");
            parts[n + 1] = b->answers[i];
            n += 2;
        }
    parts[n] = TEXT_LITERAL("]");
    if (n)
        send_answer(c, 200, text_join(c->arena, parts, n + 1));
    else
        reply_empty(c->x->rp, 202);
}

/* Routes all messages and checks who may make the calls before the first one runs, because a
 * missing scope is answered with a challenge for the whole POST. */
static enum rc route_batch(struct batch *b, const struct json *messages, struct err *e) {
    for (size_t i = 0; i < b->count; i++) {
        enum rc rc = route(&b->calls[i], json_at(messages, i), &b->errors[i]);

        if (rc && !rpc_is_error(rc)) {
            *e = b->errors[i];
            return rc;
        }
        if (!rc && check_access(&b->calls[i], e))
            return e->code;
    }
    return OK;
}

/* Runs the messages in order. */
static enum rc run_batch(struct batch *b, struct err *e) {
    size_t total = 0;

    for (size_t i = 0; i < b->count; i++) {
        struct response response;

        if (total > BATCH_ANSWER_BYTES_MAX && !b->errors[i].code && b->calls[i].method)
            (void)rpc_invalid_request(&b->errors[i],
                                      "the answers to this batch are too long; send the "
                                      "remaining messages in another one");
        if (respond(&b->calls[i], b->errors[i].code, &response, &b->errors[i])) {
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

    if (!mcp_batch_is_allowed(c->x->rq) || !count || count > BATCH_MAX) {
        (void)rpc_invalid_request(
            e, "batches have 1 to %d messages, and only protocol version 2025-03-26 has them",
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
    enum rc rc = x->rq->resumed ? mcp_call_restore(&c, e) : mcp_bearer_auth(x, &c.client.claims, e);

    if (rc || check_media(x->rq, x->rp, e))
        return e->code;
    c.msg.protocol = mcp_protocol_of_header(x->rq);
    if (json_parse(x->rq->arena, x->rq->body, x->rq->body_len, &body, e)) {
        const char *why = arena_strdup(x->rq->arena, e->text);

        (void)err_set(e, ERR_RPC_PARSE, "Parse error: %.200s", why);
        return refuse(&c, e);
    }
    rc = json_is_array(body) ? post_batch(&c, body, e) : post_single(&c, body, e);
    replay_end(&c);
    return rc;
}
