#include "bridge/session.h"

void session_tell_changes(struct bridge *b) {
    static const char *const methods[] = {
        "notifications/tools/list_changed", "notifications/resources/list_changed",
        "notifications/prompts/list_changed", SERVER_SUBSCRIPTIONS_LOST};

    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        bridge_write(
            text_of(arena_printf(b->arena, "{\"jsonrpc\":\"2.0\",\"method\":\"%s\"}", methods[i])));
}

static void send_as(struct bridge *b, enum bridge_post_kind kind, int64_t id, struct text line) {
    struct bridge_post *p = post_new(b, id, line);

    if (!p)
        return;
    p->kind = kind;
    post_send(p);
}

void session_initialize(struct bridge *b, int64_t id, struct text line) {
    bridge_keep(&b->initialize, line);
    b->initialize_id = id;
    b->state = BRIDGE_INITIALIZING;
    send_as(b, POST_INITIALIZE, id, line);
}

/* "The session ID MUST only contain visible ASCII characters." */
static void take_session(struct bridge *b, const char *id) {
    size_t len = 0;

    *b->session = 0;
    if (!id)
        return;
    while (id[len] > ' ' && id[len] <= '~')
        len++;
    if (id[len] || len > BRIDGE_SESSION_MAX)
        bridge_fail("the id of its session is no visible ASCII, or longer than 1024 bytes");
    memcpy(b->session, id, len + 1);
}

static void take_version(struct bridge *b, const char *version) {
    size_t len = strspn(version, "0123456789-");

    if (version[len] || len > BRIDGE_VERSION_MAX)
        len = 0; /* the relay refuses it */
    memcpy(b->version, version, len);
    b->version[len] = 0;
}

void session_begin(struct bridge_post *p, const struct json *answer) {
    struct bridge *b = p->bridge;
    const char *version = json_get_str(json_get(answer, "result"), "protocolVersion");

    if (!version && p->is_ours)
        bridge_fail("it has refused to begin another session");
    if (!version)
        return;
    take_session(b, http_stream_header(p->stream, "Mcp-Session-Id"));
    take_version(b, version);
}

void session_confirm(struct bridge *b) {
    send_as(b, POST_INITIALIZED, 0, text_of(b->initialized));
}

/* Requests wait until the server has it: it may refuse them before. */
void session_initialized(struct bridge *b, struct text line) {
    bridge_keep(&b->initialized, line);
    b->state = BRIDGE_INITIALIZING;
    session_confirm(b);
}

void session_run(struct bridge *b) {
    b->state = BRIDGE_RUNNING;
    if (!b->is_old)
        listen_begin(b);
}

/* "Session Management": a client that gets 404 MUST start a new session. */
void session_renew(struct bridge *b) {
    if (!b->initialize || !b->initialized)
        return;
    b->sessions++;
    bridge_log("the server does not know the session any more: another one is begun");
    *b->session = *b->version = 0;
    listen_forget(b);
    b->state = BRIDGE_INITIALIZING;
    send_as(b, POST_INITIALIZE, b->initialize_id, text_of(b->initialize));
    for (struct bridge_post *q = b->posts; q; q = q->next)
        if (q->kind == POST_INITIALIZE)
            q->is_ours = true;
    session_tell_changes(b);
}

static bool ignore_data(void *arg, struct http_stream *s, struct text piece) {
    (void)arg, (void)s, (void)piece;
    return true;
}

static void note_end(void *arg, struct http_stream *s, const struct http_stream_end *end) {
    bool *has_ended = arg;

    (void)s, (void)end;
    *has_ended = true;
}

void session_end(struct bridge *b) {
    const char *const none[] = {NULL};
    const int64_t until = clock_monotonic_ms() + BRIDGE_END_MS;
    bool has_ended = !*b->session;

    listen_forget(b);
    while (b->posts)
        post_free(b->posts);
    if (!has_ended)
        (void)http_stream_begin(
            b->http, &(struct http_stream_request){.url = b->url,
                                                   .method = "DELETE",
                                                   .headers = bridge_headers(b, none, NULL),
                                                   .timeout_ms = BRIDGE_END_MS,
                                                   .arg = &has_ended,
                                                   .on_data = ignore_data,
                                                   .on_end = note_end});
    while (!has_ended && clock_monotonic_ms() < until)
        (void)http_streams_wait(b->http, -1, (int)BRIDGE_END_MS);
}
