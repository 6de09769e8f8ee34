/* Private part of executor.h: executes what MCP servers offer. */
#include "exec/server_call.h"

#include "exec/input_required.h"
#include "exec/program_start.h"
#include "exec/server_lists.h"
#include "exec/tool_result.h"
#include "mcp/stream.h"
#include "runner/relay.h"

#define GIVE_UP_MS 1000

/* ---- what the server says while it works ---- */

static struct json *progress_token(const struct mcp_call *c) {
    return json_get(json_get(c->msg.params, "_meta"), "progressToken");
}

static bool is_wanted(struct mcp_call *c, const char *method, struct json *params) {
    if (!strcmp(method, "notifications/progress")) {
        /* The client's own again; a call that is sent again may have another one. */
        json_put(params, "progressToken", progress_token(c));
        return progress_token(c) && mcp_stream_accept_progress(c, json_get(params, "progress"));
    }
    if (!strcmp(method, "notifications/message"))
        return mcp_log_level(json_get_str(params, "level")) >= c->client.log_level;
    /* 2026-07-28 has it no more. */
    return !strcmp(method, "notifications/elicitation/complete") &&
           c->msg.protocol == PROTOCOL_HANDSHAKE;
}

static void pass_notification(void *arg, struct arena *scratch, const char *method,
                              struct json *params) {
    if (is_wanted(arg, method, params))
        mcp_stream_notify_limited(arg, scratch, method, params);
}

/* ---- a call ---- */

/* What the specification gives to every revision: the progress token, and the trace context. The
 * access token is never passed on ("Token Passthrough"). */
static struct json *make_meta(struct mcp_call *c, const struct server *s) {
    static const char *const passed[] = {"progressToken", "traceparent", "tracestate", "baggage"};
    const struct json *given = json_get(c->msg.params, "_meta");
    struct json *meta = json_new_object(c->arena);

    if (s->tells_caller)
        json_put(meta, SERVER_META_CALLER, program_caller(c, &s->program));
    for (size_t i = 0; i < sizeof passed / sizeof *passed; i++)
        json_put_given(meta, passed[i], json_get(given, passed[i]));
    return json_size(meta) ? meta : NULL;
}

static void check_result(struct mcp_call *c, const struct server *s, struct execution *out) {
    out->result = tool_read_result(c->arena, out->result);
    if (!out->result) {
        execution_fail(out, EXECUTION_ERROR, "bad_output",
                       arena_printf(c->arena,
                                    "the server %s has answered with no valid CallToolResult",
                                    s->name));
    } else if (json_get_bool(out->result, "isError")) {
        out->outcome = "tool_error";
    }
}

static int64_t code_of(const struct json *error) {
    int64_t code = 0;

    (void)json_get_int(error, "code", &code);
    return code;
}

/* The server's own error says that the client is wrong. */
static enum rc error_of(const struct json *error) {
    const int64_t code = code_of(error);

    return code == -32602   ? ERR_RPC_INVALID_PARAMS
           : code == -32002 ? ERR_RPC_RESOURCE_NOT_FOUND
           : code == -32021 ? ERR_RPC_MISSING_CAPABILITY
                            : OK;
}

/* "A resultType of any value unrecognized by the client MUST be considered invalid" (2026-07-28,
 * "Responses"). Older versions have none. */
static void check_result_type(struct mcp_call *c, const struct server *s, struct execution *out) {
    if (!json_get(out->result, "resultType") || json_get_is(out->result, "resultType", "complete"))
        return;
    out->result = NULL;
    execution_fail(out, EXECUTION_ERROR, "bad_output",
                   arena_printf(c->arena,
                                "the server %s has answered with a result of an unknown type",
                                s->name));
}

static bool is_kind(const struct invocation *i, const char *kind) {
    return !strcmp(i->kind, kind);
}

static const char *completion(struct mcp_call *c, const struct invocation *i, struct json *params) {
    const struct server_item *item = i->source->spec;
    const bool is_prompt = is_kind(i, "prompt");
    struct json *ref = json_new_object(c->arena);

    json_put_str(ref, "type", is_prompt ? "ref/prompt" : "ref/resource");
    json_put_str(ref, is_prompt ? "name" : "uri", item->name);
    json_put(params, "ref", ref);
    for (size_t n = 0; n < 2; n++)
        if (i->params[n].key)
            json_put(params, i->params[n].key, i->params[n].value);
    return "completion/complete";
}

/* Fills the params of the request, and returns its method. */
static const char *make_request(struct mcp_call *c, const struct invocation *i,
                                struct json *params) {
    const struct server_item *item = i->source->spec;

    if (!strcmp(i->params[0].key, "argument"))
        return completion(c, i, params);
    if (is_kind(i, "resource")) {
        json_put(params, "uri", i->params[0].value);
        return "resources/read";
    }
    json_put_str(params, "name", item->name);
    json_put(params, "arguments", i->params[0].value);
    return is_kind(i, "tool") ? "tools/call" : "prompts/get";
}

/* ---- what the server asks the client ---- */

#define QUESTION "question" /* the key of the only request to the client */
#define TICKET "ticket"     /* of the call, in the state */

/* Why the client cannot be asked; NULL: it can. */
static const char *refusal(struct mcp_call *c, const struct invocation *i,
                           const struct json *question) {
    if (!strcmp(i->params[0].key, "argument"))
        return "nobody is asked for a completion";
    if (c->msg.protocol == PROTOCOL_HANDSHAKE && !mcp_stream_possible(c))
        return "the client accepts no stream";
    return client_request_refusal(c, question);
}

static struct json *input_request(struct arena *a, const struct server_answer *answer) {
    struct json *request =
        json_new_member(a, "inputRequests", json_new_member(a, QUESTION, answer->question));

    json_put(request, "requestState",
             json_new_member(a, TICKET, json_new_string(a, answer->ticket)));
    return request;
}

/* The request for input of a server of 2026-07-28, which is then sent the call again. NULL: it has
 * another answer. */
#define STATE "state" /* the server's, in ours */
static struct json *input_request_of_result(struct arena *a, const struct server_answer *answer) {
    const struct json *result = answer->is_stateless ? answer->execution.result : NULL;
    struct json *request;

    if (!json_get_is(result, "resultType", "input_required"))
        return NULL;
    request = json_new_member(a, "requestState",
                              json_new_member(a, STATE, json_get(result, "requestState")));
    json_put_given(request, "inputRequests", json_get(result, "inputRequests"));
    return request;
}

/* "URL Elicitation Required Error" of 2025-11-25: the pages that the user has to visit before the
 * call is sent again, as requests to the client. NULL: it is another error, or has others than
 * pages or too many, or is for a client that cannot be asked to open them: then they are nothing
 * but the text of the error. */
#define URL_ELICITATION_REQUIRED (-32042)
static struct json *pages_of_error(struct mcp_call *c, const struct invocation *i,
                                   const struct json *error) {
    const struct json *list = json_get(json_get(error, "data"), "elicitations");
    struct json *requests = json_new_object(c->arena);

    if (code_of(error) != URL_ELICITATION_REQUIRED || json_len(list) > CLIENT_REQUESTS_MAX)
        return NULL;
    for (size_t n = 0; n < json_len(list); n++) {
        struct json *request = json_new_member(c->arena, "params", json_at(list, n));

        json_put_str(request, "method", "elicitation/create");
        if (!json_get_is(json_at(list, n), "mode", "url") || refusal(c, i, request))
            return NULL;
        json_put(requests, arena_printf(c->arena, "page%zu", n + 1), request);
    }
    return json_size(requests) ? requests : NULL;
}

/* In 2026-07-28, which has no such error, the client is asked by an InputRequiredResult. */
static void note_error(struct mcp_call *c, const struct invocation *i, const struct json *error,
                       struct execution *out) {
    struct json *pages = pages_of_error(c, i, error);

    if (pages && c->msg.protocol == PROTOCOL_STATELESS) {
        /* The state has neither ticket nor state of the server, which then gets a new call. */
        out->input_request = json_new_member(c->arena, "inputRequests", pages);
        json_put(out->input_request, "requestState", json_new_object(c->arena));
        return;
    }
    out->error = pages ? ERR_RPC_URL_ELICITATION : error_of(error);
    out->error_data = out->error ? json_get(error, "data") : NULL;
}

/* ---- executing ---- */

/* Arguments that a header has to repeat; 2026-07-28 alone knows them. */
static struct json *param_headers(struct mcp_call *c, const struct invocation *i) {
    const struct server_item *item = i->source->spec;
    const struct param_headers *all = &((const struct tool *)item->entry)->headers;
    struct json *out = json_new_object(c->arena);

    for (size_t n = 0; n < all->count; n++) {
        struct json *v = i->params[0].value;

        for (size_t depth = 0; depth < all->list[n].depth; depth++)
            v = json_get(v, all->list[n].path[depth]);
        if (json_is_string(v) || json_is_number(v) || json_is_bool(v))
            json_put(out, all->list[n].name, v);
    }
    return out;
}

/* The headers go in _meta, for the bridge alone. */
static void add_headers(struct mcp_call *c, const struct invocation *i, struct json *params) {
    const struct server_item *item = i->source->spec;
    struct json *headers;

    if (!item->server->is_address || !is_kind(i, "tool") || !strcmp(i->params[0].key, "argument"))
        return;
    headers = param_headers(c, i);
    if (json_size(headers))
        json_put(json_ensure_object(c->arena, params, "_meta"), SERVER_META_HEADERS, headers);
}

/* Goes on until the server answers, or asks something that the client can be asked. */
static void request_answer(struct mcp_call *c, const struct invocation *i,
                           struct server_request *request, struct server_answer *out) {
    const char *why;

    for (int n = 0; n < INPUT_REQUIRED_MAX; n++) {
        server_request(c, request, out);
        client_request_drop_context(c, out->question);
        why = out->question ? refusal(c, i, out->question) : NULL;
        if (!why)
            return;
        request->ticket = out->ticket;
        request->answer = json_new_member(c->arena, "error", relay_error(c->arena, -32603, why));
    }
    request->answer = NULL;
    server_request(c, request, out);
}

/* ---- a tool that is only called as a task (2025-11-25, "Tasks") ---- */

static void put_task(struct mcp_call *c, const struct invocation *i, struct json *params) {
    const struct server_item *item = i->source->spec;
    struct json *task;

    if (!item->needs_task)
        return;
    task = json_new_object(c->arena);
    json_put_int(task, "ttl", i->source->timeout_ms + RELAY_PARKED_MS);
    json_put(params, "task", task);
}

static struct json *params_of_task(struct mcp_call *c, const char *id) {
    return json_new_member(c->arena, "taskId", json_new_string(c->arena, id));
}

static void cancel_task(struct mcp_call *c, const struct server *s, const char *id) {
    struct json *params = params_of_task(c, id);
    const struct server_request request = {
        .server = s, .method = "tasks/cancel", .params = params, .timeout_ms = GIVE_UP_MS};
    struct server_answer answer;

    server_request(c, &request, &answer);
}

/* "tasks/result" is answered when the task has ended, as the call would have been. */
static void await_task(struct mcp_call *c, const struct invocation *i,
                       struct server_request *request, struct server_answer *out) {
    const struct server_item *item = i->source->spec;
    const char *id = item->needs_task && !out->question
                         ? json_get_str(json_get(out->execution.result, "task"), "taskId")
                         : NULL;

    if (!id)
        return;
    request->method = "tasks/result";
    request->params = params_of_task(c, id);
    request->ticket = NULL;
    request->answer = NULL;
    request_answer(c, i, request, out);
    if (!out->execution.result && !out->error && !out->question)
        cancel_task(c, item->server, id);
}

/* Goes on with the call in which the server has asked; makes a new one if it has not. false: the
 * client has sent no answer to the question. */
static bool begin_or_go_on(struct mcp_call *c, const struct invocation *i,
                           const struct input_required *input, struct server_request *request) {
    struct json *meta = make_meta(c, request->server),
                *response = json_get(input->responses, QUESTION);

    request->ticket = json_get_str(input->state, TICKET);
    if (request->ticket) {
        if (json_get(response, CLIENT_ERROR))
            request->answer = json_new_member(c->arena, "error", json_get(response, CLIENT_ERROR));
        else if (response)
            request->answer = json_new_member(c->arena, "result", response);
        return response;
    }
    request->params = json_new_object(c->arena);
    request->method = make_request(c, i, request->params);
    json_put_given(request->params, "_meta", meta);
    add_headers(c, i, request->params);
    put_task(c, i, request->params);
    if (json_has(input->state, STATE)) {
        json_put_given(request->params, "inputResponses", input->responses);
        json_put_given(request->params, "requestState", json_get(input->state, STATE));
    }
    return true;
}

static void execute_server(struct mcp_call *c, const struct invocation *i,
                           const struct input_required *input, struct execution *out) {
    const struct server_item *item = i->source->spec;
    struct server_request request = {.server = item->server,
                                     .timeout_ms = i->source->timeout_ms,
                                     .on_notification = pass_notification,
                                     .arg = c,
                                     .waiter = call_waiter(c),
                                     .can_be_asked = true};
    struct server_answer answer;

    if (!begin_or_go_on(c, i, input, &request)) {
        *out = (struct execution){0};
        execution_fail(out, EXECUTION_ERROR, "error",
                       "inputResponses has no answer to \"" QUESTION "\"");
        return;
    }
    request_answer(c, i, &request, &answer);
    await_task(c, i, &request, &answer);
    *out = answer.execution;
    out->input_request = answer.question ? input_request(c->arena, &answer)
                                         : input_request_of_result(c->arena, &answer);
    if (answer.error)
        note_error(c, i, answer.error, out);
    else if (answer.is_stateless && !out->input_request)
        check_result_type(c, item->server, out);
    if (out->result && is_kind(i, "tool") && !out->input_request)
        check_result(c, item->server, out);
    if (answer.is_stored)
        server_lists_compare(c, item->server, answer.stamp, answer.is_stored);
}

static void give_up(struct mcp_call *c, const struct invocation *i, const struct json *state) {
    const struct server_item *item = i->source->spec;
    const struct server_request request = {
        .server = item->server, .ticket = json_get_str(state, TICKET), .timeout_ms = GIVE_UP_MS};
    struct server_answer answer;

    if (request.ticket)
        server_request(c, &request, &answer);
}

const struct source_kind server_source = {0};
const struct executor server_executor = {execute_server, give_up, false, true};
