/* Private part of session.h: the stream of messages that answer none of ours. A server of
 * 2024-11-05 sends all that it has to say on it, and first says where it takes messages. */
#include "bridge/session.h"

#include "base/url.h"

#define AGAIN_FIRST_MS 1000
#define AGAIN_MAX_MS 30000

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
    b->listen_failures = 0;
    if (b->is_old && !strcmp(e->type, "endpoint"))
        take_endpoint(b, e->data);
    else if (e->len && !strcmp(e->type, "message"))
        bridge_pass(b, NULL, (struct text){e->data, e->len});
}

static bool take_data(void *arg, struct http_stream *s, struct text piece) {
    struct bridge *b = arg;
    const char *type = http_stream_header(s, "Content-Type");

    b->is_listening_known = http_stream_status(s) == 200 && type &&
                            !strncasecmp(type, "text/event-stream", strlen("text/event-stream"));
    if (!b->is_listening_known)
        return http_stream_status(s) != 200; /* the page of an error is short */
    if (event_stream_read(&b->events, piece.p, piece.len))
        return true;
    bridge_fail("it sent a message of more than 8388608 bytes");
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

/* A server that has no such stream says so (405); one that is away for a moment is asked again. */
static void note_end(void *arg, struct http_stream *s, const struct http_stream_end *end) {
    struct bridge *b = arg;
    const bool had_stream = b->is_listening_known, is_away = !end->status || end->status >= 500;
    int64_t wait = b->events.retry_ms >= 0 ? b->events.retry_ms : AGAIN_FIRST_MS;

    (void)s;
    event_stream_end(&b->events);
    b->listening = NULL;
    if (b->is_old) {
        note_old_end(b, end);
        return;
    }
    if (!had_stream && (!is_away || end->status == 501))
        return;
    for (unsigned i = 0; i < b->listen_failures && wait < AGAIN_MAX_MS; i++)
        wait = wait * 2 + 1;
    b->listen_failures++;
    b->listen_ms = clock_monotonic_ms() + (wait < AGAIN_MAX_MS ? wait : AGAIN_MAX_MS);
}

void listen_begin(struct bridge *b) {
    const char *more[] = {"Accept: text/event-stream", NULL, NULL};
    char last[EVENT_ID_MAX + sizeof "Last-Event-ID: "];

    b->listen_ms = 0;
    if (b->listening)
        return;
    (void)snprintf(last, sizeof last, "Last-Event-ID: %s", b->events.id);
    if (*b->events.id)
        more[1] = last;
    b->events.max = RELAY_MESSAGE_MAX;
    b->events.on_event = take_event;
    b->events.arg = b;
    event_stream_begin(&b->events);
    b->is_listening_known = false;
    b->listening = http_stream_begin(
        b->http, &(struct http_stream_request){.url = b->url,
                                               .method = "GET",
                                               .headers = bridge_headers(b, more, NULL),
                                               .arg = b,
                                               .on_data = take_data,
                                               .on_end = note_end});
}

int64_t listen_due(struct bridge *b) {
    if (!b->listen_ms)
        return INT64_MAX;
    if (b->listen_ms > clock_monotonic_ms())
        return b->listen_ms;
    listen_begin(b);
    return INT64_MAX;
}
