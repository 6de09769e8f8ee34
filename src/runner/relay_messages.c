/* Private part of relay.h: what is sent through a relay. Of the server it trusts nothing but the
 * line it is on: an answer to no call, or one that came twice, is dropped. */
#include "runner/relay.h"

#define LOG_EVERY_MS 1000

/* ---- sending ---- */

void relay_send(struct relay_queue *q, struct arena *a, const struct json *message) {
    const struct text t = json_as_text(a, message);

    relay_queue_add(q, t.p, t.len);
    relay_queue_add(q, "\n", 1);
}

struct json *relay_error(struct arena *a, int code, const char *message) {
    struct json *error = json_new_object(a);

    json_put_int(error, "code", code);
    json_put_str(error, "message", message);
    return error;
}

void relay_say(struct relay *r, struct relay_caller *caller, const char *word, const char *detail) {
    struct json *o = json_new_object(r->arena);

    json_put_str(o, "relay", word);
    json_put_str(o, "detail", detail);
    relay_send(&caller->out, r->arena, o);
}

/* `id` 0: a notification. */
static struct json *new_message(struct relay *r, int64_t id, const char *method,
                                struct json *params) {
    struct json *o = json_new_object(r->arena);

    json_put_str(o, "jsonrpc", "2.0");
    if (id)
        json_put_int(o, "id", id);
    json_put_str(o, "method", method);
    json_put_given(o, "params", params);
    return o;
}

static void notify_server(struct relay *r, const char *method, struct json *params) {
    relay_send(&r->to_server, r->arena, new_message(r, 0, method, params));
}

/* ---- calls ---- */

/* NULL: there are too many. */
static struct relay_call *add_call(struct relay *r, struct relay_caller *caller) {
    struct relay_call *call;

    if (r->call_count == RELAY_CALLS_MAX)
        return NULL;
    do
        call = &r->calls[++r->next_id % RELAY_CALLS_MAX];
    while (call->id);
    *call = (struct relay_call){
        .id = r->next_id, .until_ms = clock_monotonic_ms() + r->key.call_ms, .caller = caller};
    r->call_count++;
    if (!caller)
        return call;
    caller->calls++;
    __atomic_store_n(&r->place.figures->called_ms, call->until_ms - r->key.call_ms,
                     __ATOMIC_RELAXED);
    return call;
}

void relay_remove_call(struct relay *r, struct relay_call *call) {
    relay_end_question(r, call);
    if (call->caller)
        call->caller->calls--;
    call->id = 0;
    r->call_count--;
}

struct relay_call *relay_find_call(struct relay *r, const struct json *id) {
    struct relay_call *call;
    int64_t n;

    if (!json_int(id, &n) || n <= 0)
        return NULL;
    call = &r->calls[n % RELAY_CALLS_MAX];
    return call->id == n ? call : NULL;
}

struct relay_call *relay_request(struct relay *r, const char *method, struct json *params) {
    struct relay_call *call = add_call(r, NULL);
    struct json *o;

    if (!call)
        return NULL;
    o = new_message(r, call->id, method, params);
    relay_add_meta(r, o);
    relay_send(&r->to_server, r->arena, o);
    return call;
}

void relay_initialize(struct relay *r) {
    struct json *params = json_new_object(r->arena);

    json_put_str(params, "protocolVersion", RELAY_VERSION);
    json_put(params, "capabilities", relay_parse(r, RELAY_CAPABILITIES));
    json_put(params, "clientInfo", relay_parse(r, RELAY_CLIENT_INFO));
    r->initializing = relay_request(r, "initialize", params);
}

/* ---- newer JWTs, on their way to the bridge ---- */

void relay_send_user_jwt(struct relay *r, const struct relay_call *call, const char *jwt) {
    struct json *o = json_new_object(r->arena);

    if (!jwt)
        return;
    json_put_int(o, SERVER_CALL, call->id);
    json_put_str(o, SERVER_USER, jwt);
    relay_send(&r->to_server, r->arena, o);
}

void relay_send_service_jwt(struct relay *r, struct text jwt) {
    struct json *o = json_new_object(r->arena);

    if (r->to_server.len >= RELAY_QUEUE_MAX)
        return;
    json_put(o, SERVER_SERVICE, json_new_stringn(r->arena, jwt.p, jwt.len));
    relay_send(&r->to_server, r->arena, o);
}

static void renew_calls(struct relay *r, const struct relay_caller *caller, const char *jwt) {
    for (const struct relay_call *call = r->calls;
         caller->calls && call < r->calls + RELAY_CALLS_MAX; call++)
        if (call->id && call->caller == caller)
            relay_send_user_jwt(r, call, jwt);
}

/* ---- from a caller ---- */

bool relay_keep_text(struct relay *r, const struct json *v, char out[RELAY_ID_MAX]) {
    size_t len;
    const char *text = json_text(r->arena, v, &len);

    if (len >= RELAY_ID_MAX)
        return false;
    memcpy(out, text, len + 1);
    return true;
}

/* "Progress": a token that the server has not been given by another caller. */
static void replace_token(struct json *params, struct relay_call *call) {
    struct json *meta = json_get(params, "_meta");

    call->has_token = json_get(meta, "progressToken");
    if (call->has_token)
        json_put_int(meta, "progressToken", call->id);
}

/* The lowest level that a caller has asked for: each is sent only what it wants by the worker. */
static void set_level(struct relay *r, const struct json *message) {
    struct json *params = json_new_object(r->arena);
    struct relay_call *call;
    int64_t level;

    if (!r->has_logging || r->is_stateless || !json_get_int(message, "level", &level) ||
        (r->level_is_set && level >= r->level))
        return;
    json_put_str(params, "level", json_get_str(message, "levelName"));
    call = relay_request(r, "logging/setLevel", params);
    if (!call)
        return;
    relay_remove_call(r, call); /* the answer is not waited for */
    r->level = level;
    r->level_is_set = true;
}

static bool take_request(struct relay *r, struct relay_caller *caller, struct json *message) {
    struct relay_call *call = add_call(r, caller);
    const char *user = json_get_str(message, "relay");

    if (!call) {
        relay_say(r, caller, RELAY_BUSY, NULL);
        return true;
    }
    if ((user && strlen(user) >= RELAY_USER_MAX) ||
        !relay_keep_text(r, json_get(message, "id"), call->original)) {
        relay_remove_call(r, call);
        return false;
    }
    if (user)
        strcpy(call->user, user);
    replace_token(json_get(message, "params"), call);
    relay_count(&r->place.record->state.calls, 1);
    set_level(r, message);
    relay_add_meta(r, message);
    json_del(message, "relay");
    json_del(message, "capabilities");
    json_del(message, "level");
    json_del(message, "levelName");
    json_put_int(message, "id", call->id);
    relay_send(&r->to_server, r->arena, message);
    return true;
}

/* "Cancellation": the server need not answer any more. It may go on for a while: as long as its
 * time would have been, and as long as a call may take once more. */
void relay_cancel(struct relay *r, struct relay_call *call) {
    const int64_t now = clock_monotonic_ms();
    const int64_t end = (call->until_ms > now ? call->until_ms : now) + r->key.call_ms;
    struct json *params = json_new_object(r->arena);

    json_put_int(params, "requestId", call->id);
    if (call == r->listening)
        r->listening = NULL;
    else if (!call->answered)
        r->gave_up_until_ms = end > r->gave_up_until_ms ? end : r->gave_up_until_ms;
    if (!call->answered) {
        relay_note_given_up(r, call);
        notify_server(r, "notifications/cancelled", params);
    }
    relay_remove_call(r, call);
}

static bool take_word(struct relay *r, struct relay_caller *caller, struct json *message) {
    if (json_get_is(message, "relay", RELAY_RESUME))
        relay_resume(r, caller, message);
    else if (json_get_is(message, "relay", RELAY_RENEW))
        renew_calls(r, caller, json_get_str(message, SERVER_USER));
    else if (json_get_is(message, "relay", RELAY_SUBSCRIBE))
        relay_subscribe(r, caller, message);
    else
        return false;
    return true;
}

bool relay_from_caller(struct relay *r, struct relay_caller *caller, struct text line) {
    struct json *v = json_of_text(r->arena, line.p, line.len);

    if (!v)
        return false;
    caller->has_asked = true;
    if (caller->changes != r->changes)
        relay_greet(r, caller);
    return json_get_str(v, "method") ? json_has(v, "id") && take_request(r, caller, v)
                                     : take_word(r, caller, v);
}

/* A server that does not answer a ping either is hung. One that does one thing after the other may
 * first finish a call that its caller has given up early: others wait for it, too. */
static void ping(struct relay *r, int64_t until_ms) {
    const int64_t now = clock_monotonic_ms();

    if (r->state != RELAY_RUNNING || r->pinging)
        return;
    r->pinging = relay_request(r, "ping", NULL);
    r->deadline_ms = (until_ms > now ? until_ms : now) + RELAY_PING_MS;
}

void relay_forget_caller(struct relay *r, struct relay_caller *caller) {
    bool waited = false;
    int64_t until_ms = 0;

    for (struct relay_call *call = r->calls; caller->calls && call < r->calls + RELAY_CALLS_MAX;
         call++)
        if (call->id && call->caller == caller) {
            if (relay_park(r, call)) {
                caller->calls--;
                continue;
            }
            waited = true;
            until_ms = call->until_ms > until_ms ? call->until_ms : until_ms;
            relay_cancel(r, call);
        }
    if (waited)
        ping(r, until_ms);
}

/* ---- from the server ---- */

/* What a server says is shown to an admin. */
static const char *quote(struct relay *r, const char *text) {
    return text_quotable(r->keep, text ? text : "");
}

void relay_begin(struct relay *r, const struct json *result, const char *version) {
    r->initialize = arena_strdup(r->keep, json_text(r->arena, result, NULL));
    r->has_logging = json_is_object(json_get(json_get(result, "capabilities"), "logging"));
    r->started_ms = clock_realtime_ms();
    r->state = RELAY_RUNNING;
    r->deadline_ms = INT64_MAX;
    log_info("server_started", kv("server", r->key.name), kv("version", version));
    relay_count(&r->place.record->state.starts, 1);
    r->place.record->state.up_since_s = r->started_ms / 1000;
}

static void take_initialize(struct relay *r, const struct json *message) {
    const struct json *result = json_get(message, "result");
    const char *version = json_get_str(result, "protocolVersion");

    r->initializing = NULL;
    if (!json_is_object(result)) {
        relay_refused(r,
                      arena_printf(r->keep, "it answered initialize with the error %s",
                                   quote(r, json_get_str(json_get(message, "error"), "message"))));
        return;
    }
    if (!version || !list_has(RELAY_VERSIONS_HANDSHAKE, version)) {
        relay_end(r, arena_printf(r->keep, "it speaks version %s of MCP, which is not known",
                                  quote(r, version)));
        return;
    }
    relay_begin(r, result, version);
    notify_server(r, "notifications/initialized", NULL);
}

struct json *relay_parse(struct relay *r, const char *text) {
    return json_of_text(r->arena, text, strlen(text));
}

static void take_response(struct relay *r, struct json *message) {
    struct relay_call *call = relay_find_call(r, json_get(message, "id"));

    if (!call) /* cancelled, or never asked */
        relay_note_late_answer(r, json_get(message, "id"));
    if (!call || call->answered)
        return;
    if (call == r->initializing) {
        take_initialize(r, message);
    } else if (call == r->discovering) {
        relay_take_discover(r, message);
    } else if (call == r->listening) {
        relay_note_listen_end(r, message);
    } else if (call == r->pinging) {
        r->pinging = NULL;
        if (r->state == RELAY_RUNNING) /* otherwise it is that of its end */
            r->deadline_ms = INT64_MAX;
    } else {
        json_put(message, "id", relay_parse(r, call->original)); /* the caller's own */
        relay_count(&r->place.record->state.errors, json_has(message, "error"));
        relay_deliver(r, call, message);
        if (*call->question) /* its caller comes for it */
            return;
    }
    relay_remove_call(r, call);
}

void relay_greet(struct relay *r, struct relay_caller *c) {
    const char *line = arena_printf(
        r->arena, "{\"relay\":\"" RELAY_READY "\",\"stamp\":\"%lld.%u\",\"initialize\":%s}\n",
        (long long)r->started_ms, r->changes, r->initialize);

    relay_queue_add(&c->out, line, strlen(line));
    c->greeted = true;
    c->changes = r->changes;
}

/* Of its lists, to those who wait, so that they ask for them after their answers. A server may say
 * so often. */
static void tell_change(struct relay *r) {
    const int64_t now = clock_monotonic_ms();

    if (now < r->told_ms + RELAY_TELL_EVERY_MS)
        return;
    r->told_ms = now;
    for (struct relay_call *call = r->calls; call < r->calls + RELAY_CALLS_MAX; call++)
        if (call->id && call->caller && call->caller->greeted && !*call->question)
            relay_greet(r, call->caller);
}

/* Progress goes to the call that it names. A log message that names none is passed on only if it
 * can be of one user alone: another one must not read it. */
static void take_notification(struct relay *r, struct json *message, const char *method) {
    struct json *params = json_get(message, "params");
    struct relay_call *call = NULL;

    if (!strcmp(method, "notifications/progress")) {
        call = relay_find_call(r, json_get(params, "progressToken"));
        if (!call || !call->has_token)
            return;
    } else if (!strcmp(method, "notifications/message")) {
        call = relay_call_of_log(r, params);
        json_del(json_get(params, "_meta"), "progressToken");
    } else if (!strcmp(method, "notifications/elicitation/complete")) {
        call = relay_call_of_page(r, json_get(params, "elicitationId"));
    } else if (!strcmp(method, "notifications/resources/updated")) {
        if (json_get_str(params, "uri"))
            relay_resource_changed(r, json_get_str(params, "uri"));
    } else if (!strcmp(method, "notifications/cancelled")) {
        relay_withdraw_question(r, json_get(params, "requestId"));
    } else if (!strcmp(method, SERVER_SUBSCRIPTIONS_LOST)) {
        relay_subscriptions_lost(r);
    } else if (text_ends_with(method, "/list_changed")) {
        r->changes++;
        tell_change(r);
        relay_lists_changed(r);
    }
    if (call && (call->caller || *call->ticket))
        relay_deliver(r, call, message);
}

static void note_garbage(struct relay *r, struct text line) {
    int64_t now = clock_monotonic_ms();

    r->garbage++;
    if (now < r->log_from_ms)
        return;
    log_warn("server_output_invalid", kv("server", r->key.name), kvn("lines", r->garbage),
             kv("text", text_quotable(r->arena, arena_strndup(r->arena, line.p,
                                                              line.len < 80 ? line.len : 80))));
    r->garbage = 0;
    r->log_from_ms = now + LOG_EVERY_MS;
}

/* Behind the string whose quotation mark is at p. */
static const char *skip_string(const char *p, const char *end) {
    for (p++; p < end && *p != '"'; p++)
        p += *p == '\\';
    return p < end ? p + 1 : end;
}

/* The id in a line that is no JSON, or has more values than may be; 0: none is to be found. */
static int64_t guess_id(struct text line) {
    static const char name[] = "\"id\"";
    const char *p = line.p, *end = p + line.len;
    int64_t id = 0;
    int depth = 0;

    while (p < end) {
        if (*p == '"' && depth == 1 && (size_t)(end - p) > sizeof name &&
            !memcmp(p, name, sizeof name - 1)) {
            for (p += sizeof name - 1; p < end && strchr(" :", *p); p++)
                ;
            for (; p < end && *p >= '0' && *p <= '9' && id < INT32_MAX; p++)
                id = id * 10 + *p - '0';
            return id;
        }
        depth += strchr("{[", *p) ? 1 : strchr("}]", *p) ? -1 : 0;
        p = *p == '"' ? skip_string(p, end) : p + 1;
    }
    return 0;
}

/* An answer that cannot be read is an error at once, not one that never comes. */
static bool take_unreadable(struct relay *r, struct text line, const char *why) {
    struct json *o = json_new_object(r->arena);

    json_put_int(o, "id", line.p[0] == '{' ? guess_id(line) : 0);
    if (!relay_find_call(r, json_get(o, "id")))
        return false;
    json_put(o, "error",
             relay_error(r->arena, -32603,
                         arena_printf(r->arena, "its answer cannot be read: %s", why)));
    take_response(r, o);
    return true;
}

static void take_message(struct relay *r, struct json *v) {
    const char *method = json_get_str(v, "method");

    json_del(v, "relay"); /* of the relay's own lines */
    if (method && json_has(v, "id"))
        relay_take_question(r, v, method);
    else if (method)
        take_notification(r, v, method);
    else
        take_response(r, v);
}

void relay_from_server(struct relay *r, struct text line) {
    struct json *v;
    struct err e;

    if (!line.len)
        return;
    if (json_parse(r->arena, line.p, line.len, &v, &e)) {
        if (!take_unreadable(r, line, e.text))
            note_garbage(r, line);
        return;
    }
    if (json_is_object(v))
        take_message(r, v);
    else if (!json_len(v))
        note_garbage(r, line);
    /* "MUST support receiving JSON-RPC batches" (2025-03-26, Overview, "Batching"). */
    for (size_t i = 0; i < json_len(v) && !r->why; i++)
        if (json_is_object(json_at(v, i)))
            take_message(r, json_at(v, i));
}
