/* Private part of relay.h: what a server asks a client in the middle of a call. The question goes
 * to the call's connection, and nothing after it; the caller closes the connection, and the call is
 * parked here until a connection brings the answer. What the server asks meanwhile comes next. */
#include "base/encode.h"
#include "runner/relay.h"

/* ---- to the server ---- */

/* `answer`: an object with "result" or "error", and SERVER_USER if a user has given it. */
static void send_response(struct relay *r, struct json *id, const struct json *answer) {
    const char *member = json_has(answer, "error") ? "error" : "result";
    struct json *o = json_new_object(r->arena);

    if (r->to_server.len >= RELAY_QUEUE_MAX) {
        relay_end(r, "it asks, and does not read what it is answered");
        return;
    }
    json_put_str(o, "jsonrpc", "2.0");
    json_put(o, "id", id);
    json_put(o, member, json_get(answer, member));
    json_put_given(o, SERVER_USER, json_get(answer, SERVER_USER));
    relay_send(&r->to_server, r->arena, o);
}

static struct json *error_answer(struct relay *r, int code, const char *text) {
    return json_new_member(r->arena, "error", relay_error(r->arena, code, text));
}

static void refuse(struct relay *r, struct json *id, int code, const char *text) {
    send_response(r, id, error_answer(r, code, text));
}

/* The answer, once. */
static void close_question(struct relay *r, struct relay_call *call, const struct json *answer) {
    struct json *id = relay_parse(r, call->question);

    if (id && !call->withdrawn)
        send_response(r, id, answer);
    *call->question = 0;
    call->withdrawn = false;
}

/* ---- which call a question is for ---- */

static bool can_be_asked(const struct relay_call *call) {
    return call->id && *call->user && !call->answered;
}

/* The newest call of the only user who has any, when none was given up a moment ago: what a server
 * says without a name for the call may be read by this user. NULL: there is none. */
static struct relay_call *call_of_only_user(struct relay *r) {
    struct relay_call *newest = NULL;

    if (clock_monotonic_ms() < r->gave_up_until_ms)
        return NULL;
    for (struct relay_call *call = r->calls; call < r->calls + RELAY_CALLS_MAX; call++) {
        if (!can_be_asked(call))
            continue;
        if (newest && strcmp(newest->user, call->user) != 0)
            return NULL;
        if (!newest || call->id > newest->id)
            newest = call;
    }
    return newest;
}

/* By its progress token, which is none that the server counts for its own requests. *call, NULL: it
 * is over. */
static bool names_call(struct relay *r, const struct json *params, struct relay_call **call) {
    const struct json *token = json_get(json_get(params, "_meta"), "progressToken");
    int64_t id;

    *call = relay_find_call(r, token);
    if (*call && !can_be_asked(*call))
        *call = NULL;
    return json_int(token, &id) && id > r->first_id && id <= r->next_id;
}

/* ---- calls that were given up ---- */

void relay_note_given_up(struct relay *r, const struct relay_call *call) {
    struct relay_given_up *own = NULL;

    if (!*call->user)
        return;
    for (unsigned i = 0; i < r->given_up_count; i++)
        if (!strcmp(r->given_up[i].user, call->user))
            own = &r->given_up[i];
    if (r->given_up_count < RELAY_GIVEN_UP_MAX) {
        own = &r->given_up[r->given_up_count++];
        own->id = call->id;
        memcpy(own->user, call->user, sizeof own->user);
    } else if (own)
        own->id = 0;
    else
        r->gave_up_more = true;
}

void relay_note_late_answer(struct relay *r, const struct json *id) {
    int64_t n;

    if (!json_int(id, &n) || n <= 0)
        return;
    for (unsigned i = 0; i < r->given_up_count; i++)
        if (r->given_up[i].id == n)
            r->given_up[i--] = r->given_up[--r->given_up_count];
}

/* That nobody reads a message does little harm; that another user reads it must not be, however
 * long ago the call was given up that it may be of. */
struct relay_call *relay_call_of_log(struct relay *r, const struct json *params) {
    struct relay_call *call;

    if (names_call(r, params, &call))
        return call;
    call = r->gave_up_more ? NULL : call_of_only_user(r);
    for (unsigned i = 0; call && i < r->given_up_count; i++)
        if (strcmp(r->given_up[i].user, call->user) != 0)
            call = NULL;
    return call;
}

struct relay_call *relay_call_of_page(struct relay *r, const struct json *id) {
    char text[RELAY_ID_MAX];

    if (json_is_string(id) && relay_keep_text(r, id, text))
        for (struct relay_call *call = r->calls; call < r->calls + RELAY_CALLS_MAX; call++)
            if (call->id && !strcmp(call->page, text))
                return call;
    return NULL;
}

/* ---- from the server ---- */

static void ask_caller(struct relay *r, struct relay_call *call, const char *method,
                       struct json *params) {
    const struct json *page = json_get(params, "elicitationId");
    struct json *o = json_new_object(r->arena);
    uint8_t ticket[RELAY_TICKET_LEN / 2];

    if (page && !relay_keep_text(r, page, call->page))
        *call->page = 0;
    arc4random_buf(ticket, sizeof ticket);
    memcpy(call->ticket, hex_encode(r->arena, ticket, sizeof ticket), sizeof call->ticket);
    json_put_str(o, "relay", RELAY_QUESTION);
    json_put_str(o, "ticket", call->ticket);
    json_put_str(o, "method", method);
    if (params) {
        json_del(json_get(params, "_meta"), "progressToken");
        json_put(o, "params", params);
    }
    relay_send(&call->caller->out, r->arena, o);
}

static void ask(struct relay *r, struct relay_call *call, struct json *message) {
    struct json *id = json_get(message, "id");

    if (relay_keep_text(r, id, call->question))
        ask_caller(r, call, json_get_str(message, "method"), json_get(message, "params"));
    else
        refuse(r, id, -32603, "The id of this request is too long");
}

/* "Ping": the receiver MUST respond promptly. */
void relay_take_question(struct relay *r, struct json *message, const char *method) {
    struct json *id = json_get(message, "id"), *params = json_get(message, "params");
    struct relay_call *call;

    if (!strcmp(method, "ping")) {
        send_response(r, id, json_new_member(r->arena, "result", json_new_object(r->arena)));
        return;
    }
    if (!list_has("elicitation/create sampling/createMessage roots/list", method)) {
        refuse(r, id, METHOD_NOT_FOUND, "Method not found");
        return;
    }
    /* A question that names its call is for no other one, also when that call is over. */
    if (!names_call(r, params, &call))
        call = call_of_only_user(r);
    if (!call)
        refuse(r, id, -32603,
               "It cannot be told which call this request is for: no call runs, or calls of "
               "several users do, or one was given up a moment ago, or the call that its "
               "progressToken names is over. The progressToken of a call in _meta tells it");
    else if (!*call->question)
        ask(r, call, message);
    else if (call->next.len < RELAY_HELD_MAX)
        relay_send(&call->next, r->arena, message);
    else
        refuse(r, id, -32603, "The call has asked for too much already, and waits for the answers");
}

/* The next question that waits; NULL: there is none. */
static struct json *take_next(struct relay *r, struct relay_call *call) {
    struct text line;

    return relay_queue_line(&call->next, &line) ? json_of_text(r->arena, line.p, line.len) : NULL;
}

static void ask_next(struct relay *r, struct relay_call *call) {
    struct json *message;

    while (!*call->question && (message = take_next(r, call)))
        ask(r, call, message);
}

/* Of what waits to be asked. */
static void withdraw_next(struct relay *r, struct relay_call *call, const char *id) {
    struct relay_queue rest = {0};
    char text[RELAY_ID_MAX];
    struct json *message;

    while ((message = take_next(r, call)))
        if (!relay_keep_text(r, json_get(message, "id"), text) || strcmp(text, id) != 0)
            relay_send(&rest, r->arena, message);
    relay_queue_free(&call->next);
    call->next = rest;
}

void relay_withdraw_question(struct relay *r, const struct json *id) {
    char text[RELAY_ID_MAX];

    if (!relay_keep_text(r, id, text))
        return;
    for (struct relay_call *call = r->calls; call < r->calls + RELAY_CALLS_MAX; call++) {
        if (!call->id || !*call->question)
            continue;
        if (!strcmp(call->question, text))
            call->withdrawn = true;
        else if (call->next.len)
            withdraw_next(r, call, text);
    }
}

void relay_deliver(struct relay *r, struct relay_call *call, struct json *message) {
    const bool is_answer = !json_has(message, "method");

    if (!*call->question)
        relay_send(&call->caller->out, r->arena, message);
    else if (is_answer || call->held.len < RELAY_HELD_MAX)
        relay_send(&call->held, r->arena, message);
    call->answered = call->answered || is_answer;
}

/* ---- parked calls ---- */

static bool is_parked(const struct relay_call *call) {
    return call->id && !call->caller && *call->ticket;
}

#define NO_ANSWER "The client has given no answer"

void relay_end_question(struct relay *r, struct relay_call *call) {
    struct json *message;

    r->parked -= is_parked(call);
    if (*call->question)
        close_question(r, call, error_answer(r, -32603, NO_ANSWER));
    while ((message = take_next(r, call)))
        refuse(r, json_get(message, "id"), -32603, NO_ANSWER);
    relay_queue_free(&call->next);
    relay_queue_free(&call->held);
}

/* Of this user (NULL: of any), the one that ends first. */
static struct relay_call *oldest_parked(struct relay *r, const char *user, unsigned *count) {
    struct relay_call *oldest = NULL;

    *count = 0;
    for (struct relay_call *call = r->calls; call < r->calls + RELAY_CALLS_MAX; call++) {
        if (!is_parked(call) || (user && strcmp(call->user, user) != 0))
            continue;
        ++*count;
        if (!oldest || call->until_ms < oldest->until_ms)
            oldest = call;
    }
    return oldest;
}

bool relay_park(struct relay *r, struct relay_call *call) {
    struct relay_call *own;
    unsigned count;

    if (!*call->question || r->retired)
        return false;
    own = oldest_parked(r, call->user, &count);
    if (own && count >= RELAY_PARKED_USER_MAX)
        relay_cancel(r, own);
    else if (r->parked >= RELAY_PARKED_MAX)
        return false;
    call->caller = NULL;
    call->until_ms = clock_monotonic_ms() + RELAY_PARKED_MS;
    r->parked++;
    return true;
}

int64_t relay_parked_due(struct relay *r) {
    const int64_t now = clock_monotonic_ms();
    struct relay_call *oldest;
    unsigned count;

    while (r->parked && (oldest = oldest_parked(r, NULL, &count))) {
        if (oldest->until_ms > now && !r->retired)
            return oldest->until_ms;
        arena_reset(r->arena);
        relay_cancel(r, oldest);
    }
    return INT64_MAX;
}

static struct relay_call *find_parked(struct relay *r, const char *ticket) {
    for (struct relay_call *call = r->calls; ticket && call < r->calls + RELAY_CALLS_MAX; call++)
        if (is_parked(call) && !strcmp(call->ticket, ticket))
            return call;
    return NULL;
}

void relay_resume(struct relay *r, struct relay_caller *caller, struct json *message) {
    struct relay_call *call = find_parked(r, json_get_str(message, "ticket"));
    struct json *answer = json_get(message, "answer");

    if (!call) {
        relay_say(r, caller, RELAY_GONE, NULL);
        return;
    }
    relay_send_user_jwt(r, call, json_get_str(message, SERVER_USER));
    if (!json_is_object(answer)) { /* nobody answers any more */
        relay_cancel(r, call);
        relay_say(r, caller, RELAY_GONE, NULL);
        return;
    }
    r->parked--;
    call->caller = caller;
    call->until_ms = clock_monotonic_ms() + r->key.call_ms;
    caller->calls++;
    *call->ticket = 0;
    json_put_given(answer, SERVER_USER, json_get(message, SERVER_USER));
    close_question(r, call, answer);
    if (call->held.len)
        relay_queue_add(&caller->out, call->held.p + call->held.from, call->held.len);
    relay_queue_free(&call->held);
    if (call->answered)
        relay_remove_call(r, call);
    else
        ask_next(r, call);
}
