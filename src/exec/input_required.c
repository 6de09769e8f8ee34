#include "exec/input_required.h"

#include "base/base.h"
#include "base/encode.h"
#include "crypto/digest.h"
#include "crypto/random.h"
#include "crypto/seal.h"
#include "exec/client_requests.h"
#include "mcp/session.h"
#include "mcp/stream.h"
#include "shared/message_socket.h"

#define PURPOSE "mcp-request-state"
#define REQUESTED "inputRequired"
#define TOKEN_BYTES 16

/* ---- the state, sealed ---- */

/* A state is valid for this user, client, method, name and arguments only. */
static struct seal_binding binding(const struct mcp_call *c, const struct input_required *r) {
    uint8_t digest[SHA256_LEN];
    size_t len;
    const char *bound = json_text(c->arena, r->bound, &len);

    sha256(bound, len, digest);
    return (struct seal_binding){.keys = c->x->site->seal,
                                 .purpose = PURPOSE,
                                 .associated =
                                     arena_printf(c->arena, "%s\n%s\n%s\n%s", c->client.claims->sub,
                                                  c->client.claims->client_id, r->name,
                                                  hex_encode(c->arena, digest, sizeof digest))};
}

/* All requests, also of earlier rounds: an answer may be sent again. */
static struct json *all_asked(struct mcp_call *c, const struct input_required *r,
                              const struct json *requests) {
    struct json *asked = r->asked ? r->asked : json_new_object(c->arena);
    struct json_member m;

    for (bool more = json_first(requests, &m); more; more = json_next(&m))
        json_put(asked, m.key, client_answer_expected(c->arena, m.value));
    return asked;
}

static enum rc seal_state(struct mcp_call *c, const struct input_required *r,
                          const struct json *requested, const char **out, struct err *e) {
    struct json *o = json_new_object(c->arena);
    const struct seal_binding bound = binding(c, r);
    const char *text;
    size_t len;

    *out = NULL;
    if (!bound.keys)
        return err_set(e, ERR_RPC_INTERNAL, "Internal error: no key to seal the state with");
    if (json_text_len(json_get(requested, "requestState")) > INPUT_REQUIRED_STATE_MAX)
        return err_set(e, ERR_RPC_INTERNAL, "Internal error: the program's state is too long");
    json_put_int(o, "t", clock_now_s(&c->x->site->clock));
    json_put(o, "s", json_get(requested, "requestState"));
    json_put(o, "q", all_asked(c, r, json_get(requested, "inputRequests")));
    text = json_text(c->arena, o, &len);
    if (len > INPUT_REQUIRED_SEALED_MAX)
        return err_set(e, ERR_RPC_INTERNAL, "Internal error: the program asks for too much");
    *out = seal(c->arena, &bound, text, len);
    return OK;
}

static enum rc open_state(struct mcp_call *c, struct input_required *r, const char *sealed,
                          struct err *e) {
    const struct seal_binding bound = binding(c, r);
    struct json *o;
    int64_t made;
    struct plaintext text;

    if (!bound.keys || seal_open(c->arena, &bound, sealed, &text, e) ||
        json_parse(c->arena, text.data, text.len, &o, e) || !json_get_int(o, "t", &made))
        return err_set(e, ERR_RPC_INVALID_PARAMS,
                       "Invalid params: requestState is not one of this request");
    if (made < clock_now_s(&c->x->site->clock) - INPUT_REQUIRED_STATE_S)
        return err_set(e, ERR_RPC_INVALID_PARAMS, "Invalid params: requestState has expired");
    r->state = json_get(o, "s");
    r->asked = json_get(o, "q");
    return OK;
}

/* Takes the answers to requests of the program. Others are ignored ("Error Handling"): a program
 * must get no answer that it did not ask for. */
static enum rc take_responses(struct mcp_call *c, struct input_required *r,
                              const struct json *given, struct err *e) {
    struct json *responses = json_new_object(c->arena);
    struct json_member m;

    for (bool more = json_first(given, &m); more; more = json_next(&m)) {
        const struct json *expected = json_get(r->asked, m.key);

        if (!expected)
            continue;
        if (client_answer_check(c->arena, m.key, expected, m.value, e))
            return e->code;
        json_put(responses, m.key, m.value);
    }
    if (json_size(responses))
        r->responses = responses;
    return OK;
}

enum rc input_required_read(struct mcp_call *c, struct input_required *r, struct err *e) {
    const struct json *params = c->msg.params, *given = json_get(params, "inputResponses");
    const char *state = json_get_str(params, "requestState");
    enum rc rc = OK;

    if (c->msg.protocol != PROTOCOL_STATELESS)
        return OK;
    if (json_get(params, "inputResponses") && !json_is_object(given))
        return err_set(e, ERR_RPC_INVALID_PARAMS,
                       "Invalid params: inputResponses must be an object");
    if (json_get(params, "requestState") && !state)
        return err_set(e, ERR_RPC_INVALID_PARAMS, "Invalid params: requestState must be a string");
    if (!state) {
        r->given = given;
        return OK;
    }
    rc = open_state(c, r, state, e);
    return rc ? rc : take_responses(c, r, given, e);
}

/* If the client has sent answers before it was asked, and they answer all requests, takes them. */
static enum rc take_early_answers(struct mcp_call *c, struct input_required *r,
                                  const struct json *requested, bool *all, struct err *e) {
    const struct json *requests = json_get(requested, "inputRequests");
    struct json_member m;

    *all = r->given && json_size(requests);
    for (bool more = json_first(requests, &m); *all && more; more = json_next(&m))
        *all = json_has(r->given, m.key);
    if (!*all)
        return OK;
    r->asked = all_asked(c, r, requests);
    r->state = json_get(requested, "requestState");
    return take_responses(c, r, r->given, e);
}

/* ---- what the program asks for ---- */

struct json *input_required_requested(struct arena *a, struct text output) {
    struct json *v;
    struct err e;

    /* Most output has no request, and is parsed only later, where it is used. */
    if (!output.len || !memmem(output.p, output.len, REQUESTED, sizeof REQUESTED - 1) ||
        json_parse(a, output.p, output.len, &v, &e) || !json_is_object(json_get(v, REQUESTED)) ||
        json_has(v, "content"))
        return NULL;
    return json_get(v, REQUESTED);
}

static enum rc reply(struct mcp_call *c, const struct input_required *r, struct json *requested,
                     struct err *e) {
    struct json *result = json_new_object(c->arena);
    const char *sealed;
    enum rc rc = seal_state(c, r, requested, &sealed, e);

    if (rc)
        return rc;
    json_put_str(result, "resultType", "input_required");
    if (json_get(requested, "inputRequests"))
        json_put(result, "inputRequests", json_get(requested, "inputRequests"));
    json_put_str(result, "requestState", sealed);
    mcp_call_finish(c, result);
    return OK;
}

/* ---- handshake: requests on the stream, and their answers ---- */

struct client_requests {
    struct mcp_call *c;
    const char *token; /* ids are TOKEN.0, TOKEN.1, … */
    const char *keys[CLIENT_REQUESTS_MAX], *methods[CLIENT_REQUESTS_MAX];
    const struct json *expected[CLIENT_REQUESTS_MAX];
    struct json *answers[CLIENT_REQUESTS_MAX];
    size_t count, open; /* number of requests; of those without an answer */
    int messages;       /* number of those received */
};

static const char *request_id(const struct client_requests *q, size_t i) {
    return arena_printf(q->c->arena, "%s.%zu", q->token, i);
}

static void send_request(struct client_requests *q, const char *key, struct json *v) {
    struct json *message = json_new_object(q->c->arena), *params = json_get(v, "params");

    q->keys[q->count] = key;
    q->methods[q->count] = json_get_str(v, "method");
    q->expected[q->count] = client_answer_expected(q->c->arena, v);
    /* 2025-11-25 requires an elicitationId for URL mode. */
    if (json_get(params, "url") && !json_get(params, "elicitationId"))
        json_put_str(params, "elicitationId", request_id(q, q->count));
    json_put_str(message, "jsonrpc", "2.0");
    json_put_str(message, "id", request_id(q, q->count));
    json_put_str(message, "method", q->methods[q->count]);
    if (params)
        json_put(message, "params", params);
    mcp_stream_send(q->c, q->c->arena, message);
    q->count++;
}

/* The index of the request with this id, or -1. */
static int index_of(const struct client_requests *q, const char *id) {
    size_t len = strlen(q->token);
    int n = 0;

    if (!id || strncmp(id, q->token, len) != 0 || id[len++] != '.' || !id[len])
        return -1;
    for (; id[len]; len++) {
        if (id[len] < '0' || id[len] > '9' || n > CLIENT_REQUESTS_MAX)
            return -1;
        n = n * 10 + id[len] - '0';
    }
    return n < (int)q->count ? n : -1;
}

/* A message is {"sub": the sender, "message": the response}. */
static enum rc take_message(struct client_requests *q, const struct buf *text, struct err *e) {
    const struct json *message, *error;
    struct json *v;
    const char *sub, *why;
    int64_t code = 0;
    int i;

    if (json_parse(q->c->arena, text->p, text->len, &v, e))
        return OK;
    sub = json_get_str(v, "sub");
    message = json_get(v, "message");
    i = index_of(q, json_get_str(message, "id"));
    if (!sub || strcmp(sub, q->c->client.claims->sub) != 0 || i < 0 || q->answers[i])
        return OK;
    error = json_get(message, "error");
    if (error) {
        (void)json_get_int(error, "code", &code);
        return err_set(e, ERR_RPC_INTERNAL, "The client answered %s with error %lld", q->methods[i],
                       (long long)code);
    }
    q->answers[i] = json_get(message, "result");
    why = client_answer_fault(q->c->arena, q->expected[i], q->answers[i]);
    if (why)
        return err_set(e, ERR_RPC_INTERNAL, "The client's answer to %s %s", q->methods[i],
                       arena_strndup(q->c->arena, why, strnlen(why, CLIENT_ANSWER_FAULT_MAX)));
    q->open--;
    return OK;
}

/* Called when no message has arrived for a while. */
static enum rc check_time(struct client_requests *q, int64_t until_ms, struct err *e) {
    if (cancel_arrived(q->c))
        return err_set(e, ERR_RPC_INTERNAL, "The call was cancelled");
    if (clock_monotonic_ms() < until_ms)
        return OK;
    return err_set(e, ERR_RPC_INTERNAL, "The client did not answer %s in time", q->methods[0]);
}

/* The monotonic time at which the next wait ends: soon enough for the next keep-alive and the next
 * check for a cancellation. A client that has disconnected has REPLAY_ABSENT_MS to resume the
 * stream, which sends it the requests again: *until_ms becomes earlier if it is later than that. */
static int64_t next_look(struct client_requests *q, int64_t *until_ms) {
    int64_t now_ms = clock_monotonic_ms(), tick = mcp_stream_keep_alive(q->c);

    if (q->c->stream.disconnected && now_ms + REPLAY_ABSENT_MS < *until_ms)
        *until_ms = now_ms + REPLAY_ABSENT_MS;
    now_ms += tick < CANCEL_LOOK_MS ? tick : CANCEL_LOOK_MS;
    return now_ms < *until_ms ? now_ms : *until_ms;
}

static enum rc wait_once(struct client_requests *q, struct message_socket *m, int64_t *until_ms,
                         struct buf *message, struct err *e) {
    struct mcp_stream *stream = &q->c->stream;
    int watch = q->c->x->rp->sink && !stream->disconnected ? q->c->x->rp->sink->fd : -1;

    if (stream->disconnected && !stream->replay)
        return err_set(e, ERR_RPC_INTERNAL, "The client went away");
    switch (message_socket_wait(m, watch, next_look(q, until_ms), message)) {
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
    return check_time(q, *until_ms, e);
}

static enum rc wait_for_answers(struct client_requests *q, struct message_socket *m,
                                struct err *e) {
    int64_t until_ms = q->c->cancel.deadline_ms;
    struct buf message;
    enum rc rc = OK;

    buf_init(&message, q->c->arena, INPUT_REQUIRED_ANSWER_MAX + 4096);
    while (!rc && q->open)
        rc = wait_once(q, m, &until_ms, &message, e);
    return rc;
}

/* "The sender SHOULD issue a cancellation notification for that request" (Lifecycle, "Timeouts"),
 * so that the client stops asking the user. */
static void cancel_requests(struct client_requests *q, const char *reason) {
    for (size_t i = 0; i < q->count; i++) {
        struct json *params = json_new_object(q->c->arena);

        if (q->answers[i])
            continue;
        json_put_str(params, "requestId", request_id(q, i));
        json_put_str(params, "reason", reason);
        mcp_stream_notify(q->c, q->c->arena, "notifications/cancelled", params);
    }
}

static enum rc send_and_wait(struct mcp_call *c, struct input_required *r,
                             const struct json *requests, struct err *e) {
    struct client_requests q = {.c = c, .token = random_text(c->arena, TOKEN_BYTES)};
    struct json_member request;
    struct message_socket *m;
    enum rc rc = message_socket_open(q.token, &m, e);

    if (rc)
        return err_set(e, ERR_RPC_INTERNAL, "Internal error: cannot wait for the client's answer");
    for (bool more = json_first(requests, &request); more; more = json_next(&request))
        send_request(&q, request.key, request.value);
    q.open = q.count;
    rc = wait_for_answers(&q, m, e);
    message_socket_close(m);
    if (rc) {
        cancel_requests(&q, e->text);
        return rc;
    }
    r->responses = json_new_object(c->arena);
    for (size_t i = 0; i < q.count; i++)
        json_put(r->responses, q.keys[i], q.answers[i]);
    return OK;
}

static enum rc ask_client(struct mcp_call *c, struct input_required *r, struct json *requested,
                          struct err *e) {
    const struct json *requests = json_get(requested, "inputRequests");

    if (!mcp_stream_possible(c))
        return err_set(e, ERR_RPC_MISSING_CAPABILITY,
                       "This call needs a client that accepts text/event-stream");
    r->state = json_get(requested, "requestState");
    r->responses = NULL;
    return requests ? send_and_wait(c, r, requests, e) : OK;
}

enum rc input_required_get(struct mcp_call *c, struct input_required *r, struct json *requested,
                           bool *is_answered, struct err *e) {
    bool all;
    enum rc rc = client_requests_check(c, requested, e);

    if (rc)
        return rc;
    if (c->msg.protocol != PROTOCOL_STATELESS)
        return ask_client(c, r, requested, e);
    rc = take_early_answers(c, r, requested, &all, e);
    if (rc || all)
        return rc;
    *is_answered = true;
    return reply(c, r, requested, e);
}

void input_required_deliver(struct mcp_call *c, struct json *message) {
    const char *id = json_get_str(message, "id"), *text;
    size_t token_len = id ? strcspn(id, ".") : 0, len;
    struct json *delivered;

    if (!token_len || token_len > MESSAGE_SOCKET_NAME_MAX || !id[token_len])
        return;
    delivered = json_new_object(c->arena);
    json_put_str(delivered, "sub", c->client.claims->sub);
    json_put(delivered, "message", message);
    text = json_text(c->arena, delivered, &len);
    if (!message_socket_send(arena_strndup(c->arena, id, token_len), text, len))
        log_info("answer_too_late", kv("request", c->x->rq->id), kv("sub", c->client.claims->sub));
}
