#include "exec/input_required.h"

#include "base/encode.h"
#include "crypto/digest.h"
#include "crypto/seal.h"

#define PURPOSE "mcp-request-state"
#define INPUT_REQUIRED "inputRequired"

/* ---- the state, sealed ---- */

/* A state is valid for this user, client, method, name and arguments only. */
static struct seal_binding binding(const struct mcp_call *c, const struct input_required *r) {
    uint8_t digest[SHA256_LEN];
    const struct text arguments = json_as_text(c->arena, r->arguments);

    sha256(arguments.p, arguments.len, digest);
    return (struct seal_binding){.keys = c->x->site->seal,
                                 .purpose = PURPOSE,
                                 .associated =
                                     arena_printf(c->arena, "%s\n%s\n%s\n%s", c->client.claims->sub,
                                                  c->client.claims->client_id, r->name,
                                                  hex_encode(c->arena, digest, sizeof digest))};
}

/* What answers must match, also those to earlier requests: an answer may be sent again. */
static struct json *all_expected(struct mcp_call *c, const struct input_required *r,
                                 const struct json *requests) {
    struct json *expected = r->expected ? r->expected : json_new_object(c->arena);

    for (struct json_member m = json_first(requests); m.key; json_next(&m))
        json_put(expected, m.key, client_answer_expected(c->arena, m.value, !r->has_free_forms));
    return expected;
}

/* A requestState contains, sealed, {"t": when it was made, "s": the program's own state, "q": what
 * answers must match}. */
static enum rc seal_state(struct mcp_call *c, const struct input_required *r,
                          const struct json *request, const char **out, struct err *e) {
    struct json *o = json_new_object(c->arena);
    const struct seal_binding bound = binding(c, r);
    struct text t;

    *out = NULL;
    if (!bound.keys)
        return rpc_internal(e, "no key to seal the state with");
    if (json_text_len(json_get(request, "requestState")) > INPUT_REQUIRED_STATE_MAX)
        return rpc_internal(e, "the program's state is too long");
    json_put_int(o, "t", clock_now_s(&c->x->site->clock));
    json_put(o, "s", json_get(request, "requestState"));
    json_put(o, "q", all_expected(c, r, json_get(request, "inputRequests")));
    t = json_as_text(c->arena, o);
    if (t.len > INPUT_REQUIRED_SEALED_MAX)
        return rpc_internal(e, "the program's requests are too long");
    *out = seal(c->arena, &bound, t.p, t.len);
    return OK;
}

static enum rc open_state(struct mcp_call *c, struct input_required *r, const char *sealed,
                          struct err *e) {
    const struct seal_binding bound = binding(c, r);
    struct json *o;
    int64_t made;

    if (!bound.keys || seal_open_json(c->arena, &bound, sealed, &o, e) ||
        !json_get_int(o, "t", &made))
        return rpc_invalid_params(e, "requestState does not belong to this request");
    if (made < clock_now_s(&c->x->site->clock) - INPUT_REQUIRED_STATE_S)
        return rpc_invalid_params(e, "requestState has expired");
    r->state = json_get(o, "s");
    r->expected = json_get(o, "q");
    return OK;
}

/* Takes the answers to requests of the program. Others are ignored ("Error Handling"): a program
 * must get no answer that it did not ask for. */
static enum rc take_responses(struct mcp_call *c, struct input_required *r,
                              const struct json *given, struct err *e) {
    struct json *responses = json_new_object(c->arena);

    for (struct json_member m = json_first(given); m.key; json_next(&m)) {
        const struct json *expected = json_get(r->expected, m.key);

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

    if (c->msg.protocol != PROTOCOL_STATELESS)
        return OK;
    if (given && !json_is_object(given))
        return rpc_invalid_params(e, "inputResponses must be an object");
    if (json_get(params, "requestState") && !state)
        return rpc_invalid_params(e, "requestState must be a string");
    if (!state) {
        r->early_answers = given;
        return OK;
    }
    return open_state(c, r, state, e) ? e->code : take_responses(c, r, given, e);
}

/* If the client has sent answers before it was asked, and they answer all requests, takes them. */
static enum rc take_early_answers(struct mcp_call *c, struct input_required *r,
                                  const struct json *request, bool *all, struct err *e) {
    const struct json *requests = json_get(request, "inputRequests");

    *all = r->early_answers && json_size(requests);
    for (struct json_member m = json_first(requests); *all && m.key; json_next(&m))
        *all = json_has(r->early_answers, m.key);
    if (!*all)
        return OK;
    r->expected = all_expected(c, r, requests);
    r->state = json_get(request, "requestState");
    return take_responses(c, r, r->early_answers, e);
}

/* ---- what the program asks for ---- */

struct json *input_required_parse(struct arena *a, struct text output) {
    /* Most output has no request, and is parsed only later, where it is used. */
    const bool may_have =
        output.len && memmem(output.p, output.len, INPUT_REQUIRED, sizeof INPUT_REQUIRED - 1);
    const struct json *v = may_have ? json_of_text(a, output.p, output.len) : NULL;
    struct json *request = json_get(v, INPUT_REQUIRED);

    return json_is_object(request) && !json_has(v, "content") ? request : NULL;
}

static enum rc answer_input_required(struct mcp_call *c, const struct input_required *r,
                                     struct json *request, struct err *e) {
    struct json *result = json_new_object(c->arena);
    const char *sealed;

    if (seal_state(c, r, request, &sealed, e))
        return e->code;
    json_put_str(result, "resultType", "input_required");
    json_put_given(result, "inputRequests", json_get(request, "inputRequests"));
    json_put_str(result, "requestState", sealed);
    mcp_call_finish(c, result);
    return OK;
}

enum rc input_required_get(struct mcp_call *c, struct input_required *r, struct json *request,
                           bool *is_required, struct err *e) {
    bool all;

    if (client_requests_check(c, request, e))
        return e->code;
    if (c->msg.protocol != PROTOCOL_STATELESS)
        return pending_requests_ask(c, r, request, e);
    if (take_early_answers(c, r, request, &all, e))
        return e->code;
    if (all)
        return OK;
    *is_required = true;
    return answer_input_required(c, r, request, e);
}
