/* Private part of input_required.h: the requests of a program to the client. */
#include "exec/input_required.h"

#include "jsonschema/schema.h"

#define ELICIT "elicitation/create"
#define SAMPLE "sampling/createMessage"
#define ROOTS "roots/list"

/* ---- requests ---- */

struct request_check {
    struct mcp_call *c;
    struct json *missing; /* capabilities that the client lacks */
    bool is_missing;      /* it lacks one */
    const char *fault;    /* NULL: none */
    size_t count;
};

/* Adds a capability to q->missing unless the client has it; `part` is a member of it, or NULL. */
static void require(struct request_check *q, const char *name, const char *part) {
    const struct json *has = json_get(q->c->client.capabilities, name);
    struct json *need;

    if (json_is_object(has) && (!part || json_is_object(json_get(has, part))))
        return;
    need = json_ensure_object(q->c->arena, q->missing, name);
    if (part)
        json_put(need, part, json_new_object(q->c->arena));
    q->is_missing = true;
}

/* "Requested Schema": a flat object, whose properties are primitive values or arrays of choices. */
static bool is_form(const struct json *schema) {
    const struct json *properties = json_get(schema, "properties");
    bool ok = json_get_is(schema, "type", "object") && json_is_object(properties);

    for (struct json_member m = json_first(properties); ok && m.key; json_next(&m)) {
        const char *type = json_get_str(m.value, "type");

        ok = type && list_has("string number integer boolean array", type);
    }
    return ok;
}

static void check_form_elicitation(struct request_check *q, const struct json *params) {
    const struct json *has = json_get(q->c->client.capabilities, "elicitation");
    const struct json *form = json_get(params, "requestedSchema");
    struct schema *schema;
    struct err e;

    if (!is_form(form) || schema_compile(q->c->arena, form, &schema, &e))
        q->fault = "the requestedSchema of an elicitation is not a flat object of primitive values";
    else /* a client that declares no mode supports forms */
        require(q, "elicitation", json_get(has, "url") || json_get(has, "form") ? "form" : NULL);
}

static void check_elicitation(struct request_check *q, const struct json *params) {
    const char *url = json_get_str(params, "url");
    const bool is_url = json_get_is(params, "mode", "url");

    if (!json_get_str(params, "message"))
        q->fault = "an elicitation has no message";
    else if (is_url && !strstr(url ? url : "", "://"))
        q->fault = "an elicitation of mode url has no URL";
    else if (is_url)
        require(q, "elicitation", "url");
    else if (json_get(params, "mode") && !json_get_is(params, "mode", "form"))
        q->fault = "the mode of an elicitation is neither form nor url";
    else
        check_form_elicitation(q, params);
}

/* Since this version includeContext has a capability of its own; before it, any client that can be
 * asked to sample MAY ignore it. */
#define FIRST_VERSION_WITH_CONTEXT "2025-11-25"

static bool lacks_context(const struct mcp_call *c, const struct json *params) {
    const struct json *sampling = json_get(c->client.capabilities, "sampling");
    const char *context = json_get_str(params, "includeContext");

    return context && strcmp(context, "none") != 0 &&
           strcmp(c->msg.version, FIRST_VERSION_WITH_CONTEXT) >= 0 &&
           !json_is_object(json_get(sampling, "context"));
}

void client_request_drop_context(const struct mcp_call *c, struct json *request) {
    struct json *params = json_get(request, "params");

    if (json_get_is(request, "method", SAMPLE) && lacks_context(c, params))
        json_del(params, "includeContext");
}

static void check_sampling(struct request_check *q, const struct json *params) {
    int64_t tokens;

    if (!json_len(json_get(params, "messages")) || !json_get_int(params, "maxTokens", &tokens))
        q->fault = "a sampling request needs messages and maxTokens";
    require(q, "sampling", NULL);
    if (json_get(params, "tools") || json_get(params, "toolChoice"))
        require(q, "sampling", "tools");
    if (lacks_context(q->c, params))
        require(q, "sampling", "context");
}

static void check_request(struct request_check *q, const struct json *v) {
    if (++q->count > CLIENT_REQUESTS_MAX)
        q->fault = "there are too many inputRequests";
    else if (json_get_is(v, "method", ELICIT))
        check_elicitation(q, json_get(v, "params"));
    else if (json_get_is(v, "method", SAMPLE))
        check_sampling(q, json_get(v, "params"));
    else if (json_get_is(v, "method", ROOTS))
        require(q, "roots", NULL);
    else
        q->fault = "a method is not one of " ELICIT ", " SAMPLE ", " ROOTS;
}

enum rc err_missing_capability(struct mcp_call *c, struct json *required, const char *text,
                               struct err *e) {
    c->answer.error_data = json_new_member(c->arena, "requiredCapabilities", required);
    return err_set(e, ERR_RPC_MISSING_CAPABILITY, "%s", text);
}

const char *client_request_refusal(struct mcp_call *c, const struct json *request) {
    struct request_check q = {.c = c, .missing = json_new_object(c->arena)};

    check_request(&q, request);
    return q.fault ? q.fault : q.is_missing ? "the client does not support this" : NULL;
}

/* "A server MUST NOT rely on capabilities the client has not declared." */
enum rc client_requests_check(struct mcp_call *c, const struct json *request, struct err *e) {
    struct request_check q = {.c = c, .missing = json_new_object(c->arena)};
    const struct json *requests = json_get(request, "inputRequests");

    if (requests && !json_is_object(requests))
        q.fault = "inputRequests is not an object";
    for (struct json_member m = json_first(requests); m.key && !q.fault; json_next(&m))
        check_request(&q, m.value);
    if (!q.fault && !q.count && !json_get(request, "requestState"))
        q.fault = "there are neither inputRequests nor a requestState";
    if (q.fault) {
        log_warn("input_request_malformed", kv("request", c->x->rq->id), kv("why", q.fault));
        return rpc_internal(e, "the program's request for input is malformed");
    }
    if (!q.is_missing)
        return OK;
    return err_missing_capability(
        c, q.missing, "This call needs a capability that the client has not declared", e);
}

struct json *client_answer_expected(struct arena *a, const struct json *request, bool with_form) {
    const struct json *params = json_get(request, "params");
    struct json *expected = json_new_object(a);

    json_put_str(expected, "method", json_get_str(request, "method"));
    if (with_form && json_get(params, "requestedSchema") && !json_get_is(params, "mode", "url"))
        json_put(expected, "form", json_get(params, "requestedSchema"));
    return expected;
}

/* ---- answers ---- */

/* "Servers SHOULD validate received data matches the requested schema". */
static const char *form_fault(struct arena *a, const struct json *form,
                              const struct json *content) {
    struct schema_error why;
    struct schema *schema;
    struct err e;

    if (!json_is_object(content))
        return "has no content";
    if (schema_compile(a, form, &schema, &e))
        return "was requested with an invalid schema";
    if (!schema_check(schema, content, a, &why))
        return NULL;
    return arena_printf(a, "has wrong content: %s%s%s", why.instance, *why.instance ? " " : "",
                        why.reason);
}

static const char *elicitation_fault(struct arena *a, const struct json *form,
                                     const struct json *answer) {
    if (json_get_is(answer, "action", "decline") || json_get_is(answer, "action", "cancel"))
        return NULL;
    if (!json_get_is(answer, "action", "accept"))
        return "has an action that is not one of accept, decline, cancel";
    return form ? form_fault(a, form, json_get(answer, "content")) : NULL;
}

static const char *roots_fault(const struct json *answer) {
    const struct json *roots = json_get(answer, "roots");

    if (!json_is_array(roots))
        return "has no roots";
    for (size_t i = 0; i < json_len(roots); i++)
        if (!json_get_str(json_at(roots, i), "uri"))
            return "has a root without a uri";
    return NULL;
}

const char *client_answer_fault(struct arena *a, const struct json *expected,
                                const struct json *answer) {
    if (!json_is_object(answer))
        return "is not an object";
    if (json_get_is(expected, "method", ELICIT))
        return elicitation_fault(a, json_get(expected, "form"), answer);
    if (json_get_is(expected, "method", ROOTS))
        return roots_fault(answer);
    if ((!json_get_is(answer, "role", "user") && !json_get_is(answer, "role", "assistant")) ||
        !json_get(answer, "content"))
        return "has no role or no content";
    return NULL;
}

enum rc client_answer_check(struct arena *a, const char *key, const struct json *expected,
                            const struct json *answer, struct err *e) {
    const char *why = client_answer_fault(a, expected, answer);

    if (!why)
        return OK;
    return rpc_invalid_params(e, "inputResponses.%s %s", text_quotable(a, key),
                              arena_strndup(a, why, strnlen(why, CLIENT_ANSWER_FAULT_MAX)));
}
