/* Private part of session.h: the stream of messages that answer none of ours. A server of
 * 2024-11-05 sends all that it has to say on it, and first says where it takes messages. */
#include "bridge/session.h"

#include <sys/param.h>

#include "base/url.h"

#define AGAIN_FIRST_MS 1000
#define AGAIN_MAX_MS 30000
#define TELL_EVERY_MS 60000 /* that lists may have changed: all clients ask for them then */

/* ---- where a server of 2024-11-05 takes messages ---- */

/* An absolute URL, or one that is relative to ours; in either case of the same origin, since the
 * headers of the manifest are sent to it. NULL: it is not. */
static char *endpoint_url(struct bridge *b, const char *given) {
    struct url ours, theirs;
    struct err e;
    const char *absolute = given;

    if (url_parse(b->arena, b->url, &ours, &e))
        return NULL;
    if (*given == '/' && given[1] != '/')
        absolute = arena_printf(b->arena, "%s%s", url_origin(b->arena, &ours), given);
    else if (!strstr(given, "://"))
        absolute =
            arena_printf(b->arena, "%s%.*s/%s", url_origin(b->arena, &ours),
                         (int)(strrchr(ours.path, '/') ? strrchr(ours.path, '/') - ours.path : 0),
                         ours.path, given);
    if (url_parse(b->arena, absolute, &theirs, &e) ||
        strcmp(url_origin(b->arena, &ours), url_origin(b->arena, &theirs)) != 0)
        return NULL;
    return xstrdup(absolute);
}

static void take_endpoint(struct bridge *b, const char *given) {
    if (b->endpoint)
        return;
    b->endpoint = endpoint_url(b, given);
    if (!b->endpoint)
        bridge_fail("it takes messages at an address of another server");
}

/* ---- the stream ---- */

static void take_event(void *arg, const struct event *e) {
    struct bridge *b = arg;

    arena_reset(b->arena);
    if (b->is_old && !strcmp(e->type, "endpoint")) {
        take_endpoint(b, e->data);
    } else if (e->len && !strcmp(e->type, "message")) {
        b->listen_failures = 0;
        bridge_pass(b, NULL, (struct text){e->data, e->len});
    }
}

static bool is_stream(const struct http_stream *s) {
    return http_stream_status(s) == 200 && post_has_type(s, EVENTS_TYPE);
}

static bool take_data(void *arg, struct http_stream *s, struct text piece) {
    struct bridge *b = arg;

    if (is_stream(s)) {
        if (event_stream_read(&b->events, piece.p, piece.len))
            return true;
        bridge_fail("it sent a message of more than 8388608 bytes");
    }
    if (b->refusal.len + piece.len <= BRIDGE_ERROR_MAX)
        relay_queue_add(&b->refusal, piece.p, piece.len);
    return http_stream_status(s) != 200; /* the page of an error is short */
}

static void note_old_end(struct bridge *b, const struct http_stream_end *end) {
    struct bridge_post *first = b->posts;

    if (b->endpoint)
        bridge_fail("it has closed its stream of events");
    b->is_old = false;
    while (first && first->kind != POST_INITIALIZE)
        first = first->next;
    if (first)
        post_refuse(first, end->status
                               ? "it speaks neither Streamable HTTP nor HTTP+SSE of 2024-11-05"
                               : end->failure);
}

/* A server that has no such stream says so (405; others say what they like). One that has had it in
 * this session, is away for a moment, or does not take the JWT of before is asked again. */
static bool has_none(const struct bridge *b, long status) {
    if (status == 405 || status == 501)
        return true;
    return !b->has_listened && status && status < 500 && status != 401 && status != 403;
}

static bool is_session_lost(const struct bridge *b, long status) {
    return *b->session &&
           (status == 404 || (status == 400 && post_names_session(relay_queue_text(&b->refusal))));
}

/* A message, or a stream that lasts, ends the series of failures. */
static int64_t next_wait(struct bridge *b) {
    return clock_back_off_ms(&b->listen_failures, MAX(b->events.retry_ms, AGAIN_FIRST_MS),
                             AGAIN_MAX_MS);
}

/* What is sent meanwhile comes later, if the server gives its events ids. */
static void note_gap(struct bridge *b, long status) {
    if (status == 400)
        *b->events.id = 0; /* the server does not know it any more */
    b->may_have_changed = b->may_have_changed || !*b->events.id;
}

static void note_end(void *arg, struct http_stream *s, const struct http_stream_end *end) {
    struct bridge *b = arg;
    const int64_t now = clock_monotonic_ms();

    arena_reset(b->arena);
    event_stream_end(&b->events);
    b->listening = NULL;
    if (b->is_old) {
        note_old_end(b, end);
        return;
    }
    if (is_stream(s)) {
        b->has_listened = true;
        if (now - b->listened_from_ms >= AGAIN_MAX_MS)
            b->listen_failures = 0;
    } else if (has_none(b, end->status)) {
        return;
    } else if (is_session_lost(b, end->status)) {
        session_renew(b);
        return;
    }
    note_gap(b, end->status);
    b->listen_ms = now + next_wait(b);
}

void listen_begin(struct bridge *b) {
    const char *more[] = {"Accept: " EVENTS_TYPE, NULL, NULL};

    b->listen_ms = 0;
    if (b->listening)
        return;
    if (*b->events.id)
        more[1] = arena_printf(b->arena, "Last-Event-ID: %s", b->events.id);
    b->events.max = RELAY_MESSAGE_MAX;
    b->events.on_event = take_event;
    b->events.arg = b;
    event_stream_begin(&b->events);
    relay_queue_free(&b->refusal);
    b->listened_from_ms = clock_monotonic_ms();
    b->listening = http_stream_begin(
        b->http, &(struct http_stream_request){.url = b->url,
                                               .method = "GET",
                                               .headers = bridge_headers(b, more, NULL),
                                               .arg = b,
                                               .on_data = take_data,
                                               .on_end = note_end});
}

void listen_forget(struct bridge *b) {
    if (b->listening)
        http_stream_abort(b->listening);
    b->listening = NULL;
    event_stream_end(&b->events);
    relay_queue_free(&b->refusal);
    b->events = (struct event_stream){0};
    b->listen_ms = 0;
    b->has_listened = b->may_have_changed = false;
}

/* Once the server sends what changes from now on. */
static int64_t tell_due(struct bridge *b) {
    const int64_t now = clock_monotonic_ms();

    if (!b->may_have_changed || !b->listening || http_stream_status(b->listening) != 200)
        return INT64_MAX;
    if (b->told_ms && now < b->told_ms + TELL_EVERY_MS)
        return b->told_ms + TELL_EVERY_MS;
    b->told_ms = now;
    b->may_have_changed = false;
    arena_reset(b->arena);
    session_tell_changes(b);
    return INT64_MAX;
}

int64_t listen_due(struct bridge *b) {
    if (!b->listen_ms)
        return tell_due(b);
    if (b->listen_ms > clock_monotonic_ms())
        return b->listen_ms;
    arena_reset(b->arena);
    listen_begin(b);
    return INT64_MAX;
}
