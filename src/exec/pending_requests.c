/* Private part of input_required.h: the handshake versions, where the server sends requests on the
 * stream of a call, and waits for the client's answers. While only a person is waited for, the call
 * is parked (web/parked.h), if somebody takes it. */
#include "exec/input_required.h"

#include "crypto/digest.h"
#include "mcp/parked_call.h"
#include "mcp/session.h"
#include "mcp/stream.h"
#include "shared/message_socket.h"

#define TOKEN_BYTES 16

struct pending_requests {
    struct mcp_call *c;
    const char *token; /* ids are TOKEN.0, TOKEN.1, … */
    struct pending_request {
        const char *id, *key, *method;
        const struct json *expected;
        struct json *answer; /* NULL: none yet */
    } list[CLIENT_REQUESTS_MAX];
    size_t count, unanswered; /* numbers of requests */
    int64_t messages;         /* number of those received */
    int socket;               /* where answers arrive */
    int64_t until_ms;         /* monotonic */
    bool has_free_forms;      /* of struct input_required */
    bool idle;                /* nothing had arrived at the last look */
};

static void send_request(struct pending_requests *q, const char *key, struct json *v) {
    struct json *message = json_new_object(q->c->arena), *params = json_get(v, "params");
    struct pending_request *r = &q->list[q->count];

    *r = (struct pending_request){arena_printf(q->c->arena, "%s.%zu", q->token, q->count++), key,
                                  json_get_str(v, "method"),
                                  client_answer_expected(q->c->arena, v, !q->has_free_forms), NULL};
    /* 2025-11-25 requires an elicitationId for URL mode. */
    if (json_get(params, "url") && !json_get(params, "elicitationId"))
        json_put_str(params, "elicitationId", r->id);
    json_put_str(message, "jsonrpc", "2.0");
    json_put_str(message, "id", r->id);
    json_put_str(message, "method", r->method);
    json_put_given(message, "params", params);
    mcp_stream_send(q->c, q->c->arena, message);
}

/* NULL: there is none with this id. */
static struct pending_request *find_request(struct pending_requests *q, const char *id) {
    for (size_t i = 0; id && i < q->count; i++)
        if (!strcmp(q->list[i].id, id))
            return &q->list[i];
    return NULL;
}

/* A message is {"user": the sender, "message": the response}. */
static enum rc take_message(struct pending_requests *q, const struct buf *text, struct err *e) {
    const struct json *message;
    struct json *error;
    struct pending_request *r;
    const struct json *v = json_of_text(q->c->arena, text->p, text->len);
    const char *why;
    int64_t code = 0;

    message = json_get(v, "message");
    r = find_request(q, json_get_str(message, "id"));
    if (!json_get_is(v, "user", mcp_call_user(q->c)) || !r || r->answer)
        return OK;
    error = json_get(message, "error");
    if (error && q->has_free_forms) {
        r->answer = json_new_member(q->c->arena, CLIENT_ERROR, error);
        q->unanswered--;
        return OK;
    }
    if (error) {
        (void)json_get_int(error, "code", &code);
        return err_set(e, ERR_RPC_INTERNAL, "The client answered %s with error %lld", r->method,
                       (long long)code);
    }
    r->answer = json_get(message, "result");
    why = client_answer_fault(q->c->arena, r->expected, r->answer);
    if (why)
        return err_set(e, ERR_RPC_INTERNAL, "The client's answer to %s %s", r->method,
                       arena_strndup(q->c->arena, why, strnlen(why, CLIENT_ANSWER_FAULT_MAX)));
    q->unanswered--;
    return OK;
}

/* Called when no message has arrived for a while. */
static enum rc check_deadline(const struct pending_requests *q, struct err *e) {
    if (cancel_arrived(q->c))
        return err_set(e, ERR_RPC_INTERNAL, "The call was cancelled");
    if (clock_monotonic_ms() < q->until_ms)
        return OK;
    return err_set(e, ERR_RPC_INTERNAL, "The client did not answer %s in time", q->list[0].method);
}

/* The monotonic time at which the next wait ends: soon enough for the next keep-alive and the next
 * check for a cancellation. A client that has disconnected has RESUME_WAIT_MS to resume the
 * stream, which sends it the requests again: until_ms becomes earlier if it is later than that. */
static int64_t next_wait_end(struct pending_requests *q) {
    int64_t now_ms = clock_monotonic_ms(), tick = mcp_stream_keep_alive(q->c);

    if (q->c->stream.disconnected && now_ms + RESUME_WAIT_MS < q->until_ms)
        q->until_ms = now_ms + RESUME_WAIT_MS;
    now_ms += tick < CANCEL_POLL_MS ? tick : CANCEL_POLL_MS;
    return now_ms < q->until_ms ? now_ms : q->until_ms;
}

/* Takes what arrives until then. */
static enum rc wait_once(struct pending_requests *q, int64_t end_ms, struct buf *message,
                         struct err *e) {
    struct mcp_stream *stream = &q->c->stream;
    int watch = q->c->x->rp->sink && !stream->disconnected ? q->c->x->rp->sink->fd : -1;

    q->idle = false;
    if (stream->disconnected && !stream->replay)
        return err_set(e, ERR_RPC_INTERNAL, "The client has disconnected");
    switch (message_socket_wait(q->socket, watch, end_ms, message)) {
    case MESSAGE_SOCKET_RECEIVED:
        if (q->messages++ >= INPUT_REQUIRED_MESSAGES_MAX)
            return err_set(e, ERR_RPC_INTERNAL, "The client sent too many answers");
        return take_message(q, message, e);
    case MESSAGE_SOCKET_WATCHED: /* the client has disconnected */
        stream->disconnected = true;
        return OK;
    case MESSAGE_SOCKET_TIMEOUT:
        break;
    }
    q->idle = true;
    return check_deadline(q, e);
}

/* ---- parked calls ---- */

static struct json *save(const struct pending_requests *q, const struct input_required *r) {
    struct arena *a = q->c->arena;
    struct json *o = json_new_object(a), *list = json_new_array(a);

    for (size_t i = 0; i < q->count; i++) {
        struct json *request = json_new_object(a);

        json_put_str(request, "key", q->list[i].key);
        json_put_str(request, "method", q->list[i].method);
        json_put(request, "expected", (struct json *)(uintptr_t)q->list[i].expected);
        json_put(request, "answer", q->list[i].answer);
        json_add(list, request);
    }
    json_put_int(o, "round", r->round);
    json_put(o, "state", r->state);
    json_put_str(o, "token", q->token);
    json_put_int(o, "messages", q->messages);
    json_put_int(o, "until_ms", q->until_ms);
    json_put(o, "requests", list);
    return o;
}

/* False: it is not what save() makes. */
static bool restore(struct pending_requests *q, struct input_required *r, const struct json *o) {
    const struct json *list = json_get(o, "requests");
    int64_t round;

    q->socket = resumed_take(q->c->x->rq->resumed, PARKED_ANSWERS);
    q->token = json_get_str(o, "token");
    q->count = json_len(list);
    if (q->socket < 0 || !q->token || !q->count || q->count > CLIENT_REQUESTS_MAX ||
        !json_get_int(o, "messages", &q->messages) || !json_get_int(o, "until_ms", &q->until_ms) ||
        !json_get_int(o, "round", &round) || round < 0 || round >= INPUT_REQUIRED_MAX)
        return false;
    for (size_t i = 0; i < q->count; i++) {
        const struct json *v = json_at(list, i);

        q->list[i] = (struct pending_request){arena_printf(q->c->arena, "%s.%zu", q->token, i),
                                              json_get_str(v, "key"), json_get_str(v, "method"),
                                              json_get(v, "expected"), json_get(v, "answer")};
        if (!q->list[i].key || !q->list[i].method || !q->list[i].expected)
            return false;
        q->unanswered += !q->list[i].answer;
    }
    r->state = json_get(o, "state");
    r->round = (int)round;
    return true;
}

/* ---- waiting ---- */

static enum rc wait_for_answers(struct pending_requests *q, const struct input_required *r,
                                struct err *e) {
    bool waits = false; /* itself, since nobody has taken the call */
    struct buf message;
    enum rc rc = OK;

    buf_init(&message, q->c->arena, INPUT_REQUIRED_ANSWER_MAX + 4096);
    while (!rc && q->unanswered) {
        const int64_t end_ms = next_wait_end(q);

        rc = wait_once(q, waits ? end_ms : 0, &message, e);
        if (rc || !q->idle)
            continue;
        if (mcp_call_park(q->c, save(q, r),
                          &(struct parked){.until_ms = q->until_ms,
                                           .again = q->c->resumed != NULL,
                                           .fds[PARKED_ANSWERS] = q->socket}))
            return err_set(e, ERR_MISSING, "the call is parked");
        waits = true;
    }
    return rc;
}

/* "The sender SHOULD issue a cancellation notification for that request" (Lifecycle, "Timeouts"),
 * so that the client stops asking the user. */
static void cancel_requests(struct pending_requests *q, const char *reason) {
    for (size_t i = 0; i < q->count; i++) {
        struct json *params = json_new_object(q->c->arena);

        if (q->list[i].answer)
            continue;
        json_put_str(params, "requestId", q->list[i].id);
        json_put_str(params, "reason", reason);
        mcp_stream_notify(q->c, q->c->arena, "notifications/cancelled", params);
    }
}

/* Waits, closes the socket, and fills r->responses. */
static enum rc get_answers(struct pending_requests *q, struct input_required *r, struct err *e) {
    enum rc rc = q->c->resumed && q->c->x->rq->resumed->refused
                     ? err_set(e, ERR_RPC_INTERNAL,
                               "Too many calls wait for answers already: answer or cancel one")
                     : wait_for_answers(q, r, e);

    descriptor_close(q->socket);
    if (q->c->x->rp->parked)
        return rc;
    if (rc) {
        cancel_requests(q, e->text);
        return rc;
    }
    r->responses = json_new_object(q->c->arena);
    for (size_t i = 0; i < q->count; i++)
        json_put(r->responses, q->list[i].key, q->list[i].answer);
    return OK;
}

static enum rc send_and_wait(struct mcp_call *c, struct input_required *r,
                             const struct json *requests, struct err *e) {
    struct pending_requests q = {.c = c,
                                 .token = random_text(c->arena, TOKEN_BYTES),
                                 .until_ms = c->cancel.deadline_ms,
                                 .has_free_forms = r->has_free_forms};

    if (message_socket_open(q.token, &q.socket, e))
        return rpc_internal(e, "cannot wait for the client's answer");
    for (struct json_member request = json_first(requests); request.key; json_next(&request))
        send_request(&q, request.key, request.value);
    q.unanswered = q.count;
    return get_answers(&q, r, e);
}

enum rc pending_requests_ask(struct mcp_call *c, struct input_required *r, struct json *request,
                             struct err *e) {
    const struct json *requests = json_get(request, "inputRequests");

    if (!mcp_stream_possible(c))
        return err_set(e, ERR_RPC_MISSING_CAPABILITY,
                       "This call needs a client that accepts text/event-stream");
    r->state = json_get(request, "requestState");
    r->responses = NULL;
    return requests ? send_and_wait(c, r, requests, e) : OK;
}

enum rc pending_requests_resume(struct mcp_call *c, struct input_required *r, struct err *e) {
    struct pending_requests q = {.c = c, .has_free_forms = r->has_free_forms};

    if (restore(&q, r, c->resumed))
        return get_answers(&q, r, e);
    descriptor_close(q.socket);
    return rpc_internal(e, "the state of a parked call is malformed");
}

void input_required_deliver(struct mcp_call *c, struct json *message) {
    const char *id = json_get_str(message, "id");
    size_t token_len = id ? strcspn(id, ".") : 0;
    struct json *delivered;
    struct text t;

    if (!token_len || token_len > MESSAGE_SOCKET_NAME_MAX || !id[token_len])
        return;
    delivered = json_new_object(c->arena);
    json_put_str(delivered, "user", mcp_call_user(c));
    json_put(delivered, "message", message);
    t = json_as_text(c->arena, delivered);
    if (!message_socket_send(arena_strndup(c->arena, id, token_len), t.p, t.len))
        log_info("answer_too_late", kv("request", c->x->rq->id), kv("sub", c->client.claims->sub));
}
