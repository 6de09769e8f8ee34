/* Private part of session.h: a message that is sent, and what is answered: JSON, or a stream of
 * events that has the answer in it ("Sending Messages to the Server"). */
#include <ctype.h>
#include <strings.h>

#include "bridge/session.h"

#define RESUME_DEFAULT_MS 1000
#define RESUME_MAX_MS 30000
#define RESUMED_MAX 5 /* times without an event */
#define STATUS_TEXT_MAX 128

#define JSON_TYPE "application/json"

/* ---- the list of them ---- */

static void answer_error(struct bridge *b, int64_t id, const char *message) {
    struct json *o = json_new_object(b->arena);

    json_put_str(o, "jsonrpc", "2.0");
    json_put_int(o, "id", id);
    json_put(o, "error", relay_error(b->arena, -32603, message));
    bridge_write(json_as_text(b->arena, o));
}

struct bridge_post *post_new(struct bridge *b, int64_t id, struct text line) {
    unsigned *count = id ? &b->requests : &b->others;
    struct bridge_post *p;

    if (*count >= (id ? BRIDGE_REQUESTS_MAX : BRIDGE_OTHERS_MAX)) {
        if (id)
            answer_error(b, id, "too many requests wait for the server");
        else
            bridge_log("a notification is left out: too many wait for the server");
        return NULL;
    }
    p = xcalloc(1, sizeof *p);
    p->bridge = b;
    p->id = id;
    bridge_keep(&p->line, line);
    p->next = b->posts;
    b->posts = p;
    (*count)++;
    return p;
}

void post_set_user(struct bridge_post *p, const char *jwt) {
    free(p->user);
    p->user = jwt ? xstrdup(jwt) : NULL;
    p->user_ms = clock_monotonic_ms();
}

bool post_is_fresh(const struct bridge_post *p) {
    return !p->user || clock_monotonic_ms() < p->user_ms + BRIDGE_USER_MS;
}

void post_free(struct bridge_post *p) {
    struct bridge *b = p->bridge;
    struct bridge_post **at = &b->posts;

    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
    if (p->id)
        b->requests--;
    else
        b->others--;
    if (p->stream)
        http_stream_abort(p->stream);
    event_stream_end(&p->events);
    relay_queue_free(&p->body);
    free(p->headers);
    free(p->user);
    free(p->line);
    free(p);
}

struct bridge_post *post_find(struct bridge *b, int64_t id) {
    for (struct bridge_post *p = b->posts; p; p = p->next)
        if (id && p->id == id)
            return p;
    return NULL;
}

bool post_is_answer(const struct bridge_post *p, const struct json *message) {
    int64_t id;

    return p->id && !json_get(message, "method") && json_get_int(message, "id", &id) && id == p->id;
}

void post_refuse(struct bridge_post *p, const char *why) {
    if (p->is_ours)
        bridge_fail(why);
    if (p->kind == POST_INITIALIZE) /* the relay may ask in another way */
        p->bridge->state = BRIDGE_NEW;
    if (p->id && !p->is_answered)
        answer_error(p->bridge, p->id, why);
    else if (!p->id)
        bridge_log("a message was not taken: %s", why);
    post_free(p);
}

/* ---- what comes ---- */

static void take_event(void *arg, const struct event *e) {
    struct bridge_post *p = arg;

    arena_reset(p->bridge->arena);
    p->resumed = 0;
    if (e->len && !strcmp(e->type, "message")) /* an empty one only gives an id */
        bridge_pass(p->bridge, p, (struct text){e->data, e->len});
}

bool post_has_type(const struct http_stream *s, const char *type) {
    const char *given = http_stream_header(s, "Content-Type");

    return given && !strncasecmp(given, type, strlen(type));
}

static bool take_data(void *arg, struct http_stream *s, struct text piece) {
    struct bridge_post *p = arg;
    const bool ok = http_stream_status(s) == 200;

    if (!p->type_is_known)
        p->is_events = ok && post_has_type(s, EVENTS_TYPE);
    p->type_is_known = true;
    if (p->is_events)
        return event_stream_read(&p->events, piece.p, piece.len);
    if (!ok && p->body.len + piece.len > BRIDGE_ERROR_MAX)
        return true;
    if (p->body.len + piece.len > RELAY_MESSAGE_MAX)
        return false;
    relay_queue_add(&p->body, piece.p, piece.len);
    return true;
}

/* ---- the end of an answer ---- */

/* NULL: it is no JSON. */
static const struct json *json_body(const struct bridge_post *p) {
    const struct text body = relay_queue_text(&p->body);

    return json_of_text(p->bridge->arena, body.p, body.len);
}

/* An error of JSON-RPC that a server sends with the status of an error may have no id. */
static const char *error_text(struct bridge_post *p, const struct http_stream_end *end) {
    struct arena *a = p->bridge->arena;
    const char *message;

    if (end->failure)
        return end->status == 200 ? "its answer is not complete, or has more than 8388608 bytes"
                                  : end->failure;
    message = json_get_str(json_get(json_body(p), "error"), "message");
    return message ? arena_printf(a, "HTTP status %ld: %.*s", end->status, STATUS_TEXT_MAX, message)
                   : arena_printf(a, "HTTP status %ld", end->status);
}

/* As a word: there are expressions, and impressions. */
bool post_names_session(struct text t) {
    static const char word[] = "session";

    for (size_t i = 0; i + sizeof word - 1 <= t.len; i++)
        if (!strncasecmp(t.p + i, word, sizeof word - 1) &&
            (!i || !isalpha((unsigned char)t.p[i - 1])))
            return true;
    return false;
}

/* 404 in a session means that it is over. Many servers say 400 then, and "session" in the text; but
 * an error with the request's id is the answer to it. A call whose answer had begun has been
 * executed: it is not sent again, whatever is said to who asks for the rest. */
static bool is_session_lost(const struct bridge_post *p, const struct http_stream_end *end) {
    if (end->failure || !p->had_session || p->is_repeated || p->resumed)
        return false;
    return end->status == 404 ||
           (end->status == 400 && post_names_session(relay_queue_text(&p->body)) &&
            !post_is_answer(p, json_body(p)));
}

/* The post is sent again in the new one. */
static void renew_session(struct bridge_post *p) {
    p->is_repeated = true;
    if (p->sent_in == p->bridge->sessions) /* else there is another one already, or soon */
        session_renew(p->bridge);
}

/* "Backwards Compatibility": a server of 2024-11-05 refuses the POST of initialize. */
static bool may_be_old(const struct bridge_post *p, const struct http_stream_end *end) {
    return p->kind == POST_INITIALIZE && !p->is_ours && !p->bridge->is_old && !end->failure &&
           (end->status == 400 || end->status == 404 || end->status == 405);
}

/* A stream that has ended before the answer, with an id that the server knows it by. */
static void resume_later(struct bridge_post *p) {
    int64_t wait = p->events.retry_ms >= 0 ? p->events.retry_ms : RESUME_DEFAULT_MS;

    p->resume_ms = clock_monotonic_ms() + (wait < RESUME_MAX_MS ? wait : RESUME_MAX_MS);
}

/* Since 2026-07-28 a stream is not resumed. */
static bool may_be_resumed(const struct bridge_post *p) {
    return p->id && !p->is_answered && p->is_events && *p->events.id && p->resumed < RESUMED_MAX &&
           !p->bridge->is_stateless;
}

/* In 2026-07-28 errors of JSON-RPC have an HTTP status, such as 404 for an unknown method. */
static bool has_own_error(const struct bridge_post *p, const struct http_stream_end *end) {
    const struct json *v;

    if (!p->bridge->is_stateless || !p->id || end->failure || end->status < 400)
        return false;
    v = json_body(p);
    return json_get(v, "error") && post_is_answer(p, v);
}

static void end_answered(struct bridge_post *p) {
    if (p->kind == POST_INITIALIZE && p->is_ours)
        session_confirm(p->bridge);
    post_free(p);
}

static void note_good_end(struct bridge_post *p, struct http_stream *s) {
    struct bridge *b = p->bridge;

    p->stream = s; /* its headers are read */
    if (p->body.len && post_has_type(s, JSON_TYPE))
        bridge_pass(b, p, relay_queue_text(&p->body));
    p->stream = NULL;
    if (p->kind == POST_INITIALIZED)
        session_run(b);
    if (p->id && !p->is_answered && !b->is_old) {
        post_refuse(p, p->body.len && !post_has_type(s, JSON_TYPE)
                           ? "its answer is neither JSON nor a stream of events"
                           : "it has sent no answer");
        return;
    }
    end_answered(p);
}

/* A server that refuses the note that initialization is done may serve all the same. */
static void note_bad_end(struct bridge_post *p, const struct http_stream_end *end) {
    struct bridge *b = p->bridge;
    const bool was_initialized = p->kind == POST_INITIALIZED;

    post_refuse(p, error_text(p, end));
    if (was_initialized)
        session_run(b);
}

static void note_end(void *arg, struct http_stream *s, const struct http_stream_end *end) {
    struct bridge_post *p = arg;
    struct bridge *b = p->bridge;
    const bool is_good = !end->failure && end->status >= 200 && end->status < 300;

    arena_reset(b->arena);
    p->stream = NULL;
    if (may_be_resumed(p))
        resume_later(p);
    else if (is_good || has_own_error(p, end) || (p->is_events && p->is_answered))
        note_good_end(p, s);
    else if (is_session_lost(p, end))
        renew_session(p);
    else if (may_be_old(p, end)) {
        b->is_old = true;
        listen_begin(b);
    } else
        note_bad_end(p, end);
}

/* ---- sending ---- */

static void begin(struct bridge_post *p, const char *method, const char *const *more) {
    struct bridge *b = p->bridge;
    const bool is_post = !strcmp(method, "POST");

    p->stream = http_stream_begin(
        b->http,
        &(struct http_stream_request){.url = b->is_old && b->endpoint ? b->endpoint : b->url,
                                      .method = method,
                                      .headers = bridge_headers(b, more, p),
                                      .body = is_post ? text_of(p->line) : (struct text){0},
                                      .timeout_ms = p->id ? 0 : BRIDGE_OTHER_MS,
                                      .arg = p,
                                      .on_data = take_data,
                                      .on_end = note_end});
}

void post_send(struct bridge_post *p) {
    static const char *const more[] = {"Content-Type: " JSON_TYPE,
                                       "Accept: " JSON_TYPE ", " EVENTS_TYPE, NULL};

    p->type_is_known = p->is_events = false;
    p->had_session = *p->bridge->session;
    p->sent_in = p->bridge->sessions;
    relay_queue_free(&p->body);
    p->events.max = RELAY_MESSAGE_MAX;
    p->events.on_event = take_event;
    p->events.arg = p;
    event_stream_begin(&p->events);
    begin(p, "POST", more);
}

/* "Resumability and Redelivery". */
static void resume(struct bridge_post *p) {
    const char *const more[] = {"Accept: " EVENTS_TYPE,
                                arena_printf(p->bridge->arena, "Last-Event-ID: %s", p->events.id),
                                NULL};

    p->resume_ms = 0;
    p->resumed++;
    p->type_is_known = false;
    event_stream_end(&p->events);
    event_stream_begin(&p->events);
    begin(p, "GET", more);
}

static bool may_be_sent(const struct bridge_post *p) {
    const struct bridge *b = p->bridge;

    return (b->state != BRIDGE_INITIALIZING || p->kind != POST_OTHER) &&
           (!b->is_old || b->endpoint);
}

/* Returns as post_send_due. */
static int64_t serve_post(struct bridge_post *p) {
    const int64_t now = clock_monotonic_ms(), due = p->stream ? p->end_ms : p->resume_ms;

    if (due > now)
        return due;
    if (!p->stream && !post_is_fresh(p)) { /* until the caller sends another JWT */
        if (!p->id)
            post_refuse(p, "it has waited for a session for too long");
        return INT64_MAX;
    }
    if (p->stream && due) /* a server that never ends the stream would take a place for good */
        end_answered(p);
    else if (due)
        resume(p);
    else if (!p->stream && may_be_sent(p))
        post_send(p);
    return INT64_MAX;
}

int64_t post_send_due(struct bridge *b) {
    int64_t next = INT64_MAX;

    for (struct bridge_post *p = b->posts, *after; p; p = after) {
        int64_t due;

        after = p->next;
        due = serve_post(p);
        next = due < next ? due : next;
    }
    return next;
}
