#include "mcp/rounds.h"

#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "base/log.h"
#include "host/host.h"
#include "mcp/cancel.h"
#include "mcp/resume.h"
#include "mcp/stream.h"

#define PURPOSE "mcp-request-state"
#define WANTED "inputRequired"
#define TOKEN_BYTES 16

/* ---- the state, sealed ---- */

/* A state is good for this user, client, method, name and arguments only. */
static const char *binding(const struct mcp_call *c, const struct rounds *r) {
    uint8_t digest[SHA256_LEN];
    size_t len;
    const char *bound = json_text(c->arena, r->bound, &len);

    sha256(bound, len, digest);
    return arena_printf(c->arena, "%s\n%s\n%s\n%s", c->claims->sub, c->claims->client_id, r->name,
                        hex_encode(c->arena, digest, sizeof digest));
}

static enum rc seal_state(struct mcp_call *c, const struct rounds *r, struct json *state,
                          const char **out, struct err *e) {
    struct json *o = json_new_object(c->arena);
    const char *text;
    size_t len;

    *out = NULL;
    if (!c->cx->seal)
        return err_set(e, ERR_RPC_INTERNAL, "Internal error: no key to seal the state with");
    json_put_int(o, "t", clock_now_s(&c->cx->clock));
    json_put(o, "s", state);
    text = json_text(c->arena, o, &len);
    if (len > ROUNDS_STATE_MAX)
        return err_set(e, ERR_RPC_INTERNAL, "Internal error: the program's state is too long");
    *out = seal(c->arena, c->cx->seal, PURPOSE, binding(c, r), text, len);
    return OK;
}

static enum rc open_state(struct mcp_call *c, struct rounds *r, const char *sealed, struct err *e) {
    struct json *o;
    int64_t made;
    char *text;
    size_t len;

    if (!c->cx->seal ||
        seal_open(c->arena, c->cx->seal, PURPOSE, binding(c, r), sealed, &text, &len, e) ||
        json_parse(c->arena, text, len, &o, e) || !json_get_int(o, "t", &made))
        return err_set(e, ERR_RPC_INVALID_PARAMS,
                       "Invalid params: requestState is not one of this request");
    if (made < clock_now_s(&c->cx->clock) - ROUNDS_STATE_S)
        return err_set(e, ERR_RPC_INVALID_PARAMS, "Invalid params: requestState has expired");
    r->state = json_get(o, "s");
    return OK;
}

static bool is_response(const char *key, struct json *v, void *arg) {
    bool *good = arg;

    (void)key;
    *good = *good && json_is_object(v);
    return *good;
}

enum rc rounds_read(struct mcp_call *c, struct rounds *r, struct err *e) {
    const struct json *params = c->msg.params;
    bool good = true;

    if (c->era != ERA_MODERN)
        return OK;
    if (json_has(params, "inputResponses")) {
        r->responses = json_get(params, "inputResponses");
        json_each(r->responses, is_response, &good);
        if (!json_is_object(r->responses) || !good)
            return err_set(e, ERR_RPC_INVALID_PARAMS,
                           "Invalid params: inputResponses must be an object of objects");
    }
    if (!json_has(params, "requestState"))
        return OK;
    if (!json_get_str(params, "requestState"))
        return err_set(e, ERR_RPC_INVALID_PARAMS, "Invalid params: requestState must be a string");
    return open_state(c, r, json_get_str(params, "requestState"), e);
}

/* ---- what the program asks for ---- */

struct json *rounds_wanted(struct arena *a, struct text output) {
    struct json *v;
    struct err e;

    /* Most output asks for nothing, and is parsed where it is used. */
    if (!output.len || !memmem(output.p, output.len, WANTED, sizeof WANTED - 1) ||
        json_parse(a, output.p, output.len, &v, &e) || !json_is_object(json_get(v, WANTED)) ||
        json_has(v, "content"))
        return NULL;
    return json_get(v, WANTED);
}

struct asking {
    struct mcp_call *c;
    struct json *required; /* capabilities that the client lacks */
    const char *fault;
    size_t count;
    bool lacks;
};

static void require(struct asking *q, const char *name, const char *part) {
    const struct json *has = json_get(q->c->capabilities, name);
    struct json *need = json_get(q->required, name);

    if (json_is_object(has) && (!part || json_is_object(json_get(has, part))))
        return;
    if (!need) {
        need = json_new_object(q->c->arena);
        json_put(q->required, name, need);
    }
    if (part)
        json_put(need, part, json_new_object(q->c->arena));
    q->lacks = true;
}

static bool check_request(const char *key, struct json *v, void *arg) {
    struct asking *q = arg;
    const char *method = json_get_str(v, "method");
    const struct json *params = json_get(v, "params");
    const char *mode = json_get_str(params, "mode");

    (void)key;
    if (++q->count > ROUNDS_REQUESTS_MAX)
        q->fault = "it asks for too much at once";
    else if (method && !strcmp(method, "elicitation/create"))
        require(q, "elicitation", mode && !strcmp(mode, "url") ? "url" : NULL);
    else if (method && !strcmp(method, "sampling/createMessage"))
        require(q, "sampling", json_has(params, "tools") ? "tools" : NULL);
    else if (method && !strcmp(method, "roots/list"))
        require(q, "roots", NULL);
    else
        q->fault = "a method is none of elicitation/create, sampling/createMessage, roots/list";
    return !q->fault;
}

/* "A server MUST NOT rely on capabilities the client has not declared." */
enum rc rounds_check(struct mcp_call *c, const struct json *wanted, struct err *e) {
    struct asking q = {.c = c, .required = json_new_object(c->arena)};
    const struct json *requests = json_get(wanted, "inputRequests");

    if (requests && !json_is_object(requests))
        q.fault = "inputRequests is no object";
    json_each(requests, check_request, &q);
    if (!q.fault && !q.count && !json_get(wanted, "requestState"))
        q.fault = "there are neither inputRequests nor a requestState";
    if (q.fault) {
        log_warn("input_request_malformed", kv("request", c->rq->id), kv("why", q.fault));
        return err_set(e, ERR_RPC_INTERNAL,
                       "Internal error: the program's request for input is "
                       "malformed");
    }
    if (!q.lacks)
        return OK;
    c->error_data = json_new_object(c->arena);
    json_put(c->error_data, "requiredCapabilities", q.required);
    return err_set(e, ERR_RPC_MISSING_CAPABILITY,
                   "This call needs a capability that the client has not declared");
}

enum rc rounds_reply(struct mcp_call *c, const struct rounds *r, struct json *wanted,
                     struct err *e) {
    struct json *result = json_new_object(c->arena), *state = json_get(wanted, "requestState");
    const char *sealed;
    enum rc rc = rounds_check(c, wanted, e);

    if (rc)
        return rc;
    json_put_str(result, "resultType", "input_required");
    if (json_has(wanted, "inputRequests"))
        json_put(result, "inputRequests", json_get(wanted, "inputRequests"));
    if (state) {
        rc = seal_state(c, r, state, &sealed, e);
        if (rc)
            return rc;
        json_put_str(result, "requestState", sealed);
    }
    mcp_call_finish(c, result);
    return OK;
}

/* ---- handshake: requests on the stream, and their answers ---- */

struct questions {
    struct mcp_call *c;
    const char *token; /* ids are TOKEN.0, TOKEN.1, … */
    const char *keys[ROUNDS_REQUESTS_MAX], *methods[ROUNDS_REQUESTS_MAX];
    struct json *answers[ROUNDS_REQUESTS_MAX];
    size_t count, open;
};

static bool ask_one(const char *key, struct json *v, void *arg) {
    struct questions *q = arg;
    struct json *message = json_new_object(q->c->arena), *params = json_get(v, "params");

    q->keys[q->count] = key;
    q->methods[q->count] = json_get_str(v, "method");
    json_put_str(message, "jsonrpc", "2.0");
    json_put_str(message, "id", arena_printf(q->c->arena, "%s.%zu", q->token, q->count));
    json_put_str(message, "method", q->methods[q->count]);
    if (params)
        json_put(message, "params", params);
    mcp_stream_send(q->c, message);
    q->count++;
    return true;
}

/* The number behind the token, or -1. */
static int index_of(const struct questions *q, const char *id) {
    size_t len = strlen(q->token);
    int n = 0;

    if (!id || strncmp(id, q->token, len) != 0 || id[len++] != '.' || !id[len])
        return -1;
    for (; id[len]; len++) {
        if (id[len] < '0' || id[len] > '9' || n > ROUNDS_REQUESTS_MAX)
            return -1;
        n = n * 10 + id[len] - '0';
    }
    return n < (int)q->count ? n : -1;
}

/* A letter is {"sub": who sent it, "message": the response}. */
static enum rc take_letter(struct questions *q, const struct buf *letter, struct err *e) {
    const struct json *message, *error;
    struct json *v;
    const char *sub;
    int64_t code = 0;
    int i;

    if (json_parse(q->c->arena, letter->p, letter->len, &v, e))
        return OK;
    sub = json_get_str(v, "sub");
    message = json_get(v, "message");
    i = index_of(q, json_get_str(message, "id"));
    if (!sub || strcmp(sub, q->c->claims->sub) != 0 || i < 0 || q->answers[i])
        return OK;
    error = json_get(message, "error");
    if (error) {
        (void)json_get_int(error, "code", &code);
        return err_set(e, ERR_RPC_INTERNAL, "The client answered %s with error %lld", q->methods[i],
                       (long long)code);
    }
    q->answers[i] = json_get(message, "result");
    if (!json_is_object(q->answers[i]))
        return err_set(e, ERR_RPC_INTERNAL, "The client's answer to %s is malformed",
                       q->methods[i]);
    q->open--;
    return OK;
}

static enum rc wait_for_answers(struct questions *q, struct mailbox *m, struct err *e) {
    int64_t until = q->c->deadline_ms, look;
    struct buf letter;
    enum rc rc = OK;

    buf_init(&letter, q->c->arena, ROUNDS_ANSWER_MAX + 4096);
    while (!rc && q->open) {
        int watch = q->c->rp->sink && !q->c->gone ? q->c->rp->sink->fd : -1;
        int64_t absent_until = clock_monotonic_ms() + RESUME_ABSENT_MS;

        if (q->c->gone && !q->c->journal)
            return err_set(e, ERR_RPC_INTERNAL, "The client went away");
        if (q->c->gone && absent_until < until) /* it may come back, and be asked again */
            until = absent_until;
        look = clock_monotonic_ms() + CANCEL_LOOK_MS;
        switch (mailbox_wait(m, watch, look < until ? look : until, &letter)) {
        case MAILBOX_LETTER:
            rc = take_letter(q, &letter, e);
            break;
        case MAILBOX_WATCHED: /* nobody is there to answer */
            q->c->gone = true;
            break;
        case MAILBOX_TIMEOUT:
            if (cancel_arrived(q->c))
                return err_set(e, ERR_RPC_INTERNAL, "The call was cancelled");
            if (clock_monotonic_ms() < until)
                break;
            return err_set(e, ERR_RPC_INTERNAL, "The client did not answer %s in time",
                           q->methods[0]);
        }
    }
    return rc;
}

static enum rc ask_all(struct mcp_call *c, struct rounds *r, const struct json *requests,
                       struct err *e) {
    struct questions q = {.c = c, .token = random_text(c->arena, TOKEN_BYTES)};
    struct mailbox *m;
    enum rc rc = mailbox_open(q.token, &m, e);

    if (rc)
        return err_set(e, ERR_RPC_INTERNAL, "Internal error: cannot wait for the client's answer");
    json_each(requests, ask_one, &q);
    q.open = q.count;
    rc = wait_for_answers(&q, m, e);
    mailbox_close(m);
    if (rc)
        return rc;
    r->responses = json_new_object(c->arena);
    for (size_t i = 0; i < q.count; i++)
        json_put(r->responses, q.keys[i], q.answers[i]);
    return OK;
}

enum rc rounds_ask(struct mcp_call *c, struct rounds *r, struct json *wanted, struct err *e) {
    enum rc rc = rounds_check(c, wanted, e);

    if (rc)
        return rc;
    if (!mcp_stream_possible(c))
        return err_set(e, ERR_RPC_MISSING_CAPABILITY,
                       "This call needs a client that accepts text/event-stream");
    r->state = json_get(wanted, "requestState");
    r->responses = NULL;
    return json_has(wanted, "inputRequests") ? ask_all(c, r, json_get(wanted, "inputRequests"), e)
                                             : OK;
}

void rounds_deliver(struct mcp_call *c, struct json *message) {
    const char *id = json_get_str(message, "id"), *text;
    size_t token_len = id ? strcspn(id, ".") : 0, len;
    struct json *letter;

    if (!token_len || token_len > MAILBOX_NAME_MAX || !id[token_len])
        return;
    letter = json_new_object(c->arena);
    json_put_str(letter, "sub", c->claims->sub);
    json_put(letter, "message", message);
    text = json_text(c->arena, letter, &len);
    if (!mailbox_send(arena_strndup(c->arena, id, token_len), text, len))
        log_info("answer_too_late", kv("request", c->rq->id), kv("sub", c->claims->sub));
}
