#include "bridge/bridge.h"

#include <signal.h>
#include <stdarg.h>
#include <sys/param.h>
#include <unistd.h>

#include "base/file.h"
#include "bridge/session.h"

#define ARENA_MAX ((size_t)192 << 20) /* of a message, its values and its text */
#define LOG_MAX 512
#define WAIT_MAX_MS 60000

/* ---- what the relay and the log get ---- */

/* The relay always reads, so this waits for no server. */
static void write_all(const char *p, size_t len) {
    if (!file_write_all(STDOUT_FILENO, p, len, -1))
        _exit(0); /* the relay has ended */
}

/* Ends of lines are white space in JSON; in strings they are escaped (RFC 8259 §7). */
void bridge_write(struct text text) {
    const char *end = text.p + text.len;

    while (text.p < end) {
        const char *stop = text.p;

        while (stop < end && *stop != '\n' && *stop != '\r')
            stop++;
        write_all(text.p, (size_t)(stop - text.p));
        text.p = stop + 1;
    }
    write_all("\n", 1);
}

void bridge_log(const char *format, ...) {
    char text[LOG_MAX];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    text_mask_controls(text);
    (void)fprintf(stderr, "%s\n", text);
}

void bridge_keep(char **at, struct text text) {
    free(*at);
    *at = xcalloc(1, text.len + 1);
    memcpy(*at, text.p, text.len);
}

void bridge_fail(const char *why) {
    bridge_log("%s", why);
    _exit(1);
}

/* "These messages SHOULD relate to the originating client request", on whose stream they come: what
 * names no call names this one. */
static bool add_call(struct bridge *b, const struct bridge_post *p, struct json *v) {
    const char *method = json_get_str(v, "method");
    struct json *params;

    if (!p || !p->id || !method ||
        (!json_has(v, "id") && strcmp(method, "notifications/message") != 0))
        return false;
    params = json_ensure_object(b->arena, v, "params");
    json_put_int(json_ensure_object(b->arena, params, "_meta"), "progressToken", p->id);
    return true;
}

static void pass_message(struct bridge *b, struct bridge_post *p, struct json *v,
                         struct text text) {
    if (p && post_is_answer(p, v)) {
        p->is_answered = true;
        p->end_ms = clock_monotonic_ms() + BRIDGE_ANSWERED_MS;
        if (p->kind == POST_INITIALIZE)
            session_begin(p, v);
        if (p->is_ours)
            return;
    }
    if (add_call(b, p, v))
        text = json_as_text(b->arena, v);
    bridge_write(text);
}

void bridge_pass(struct bridge *b, struct bridge_post *p, struct text text) {
    struct json *v;
    struct err e;

    if (json_parse(b->arena, text.p, text.len, &v, &e)) {
        bridge_log("it sent a message that is no JSON: %s", e.text);
    } else if (!json_is_array(v)) {
        pass_message(b, p, v, text);
    } else {
        for (size_t i = 0; i < json_len(v); i++)
            pass_message(b, p, json_at(v, i), json_as_text(b->arena, json_at(v, i)));
    }
}

/* NULL: the message names none. */
static const struct json *caller_of(struct bridge *b, const struct bridge_post *p) {
    const struct json *v =
        b->names_caller && p ? json_of_text(b->arena, p->line, strlen(p->line)) : NULL;

    return json_get(json_get(json_get(v, "params"), "_meta"), SERVER_META_CALLER);
}

static size_t add_lines(struct bridge *b, const struct bridge_post *p, const char **all, size_t n) {
    const char *line = p && p->headers ? p->headers : "";
    const char *jwt = p && p->user ? p->user : b->service;

    for (const char *end; (end = strchr(line, '\n')); line = end + 1)
        all[n++] = arena_strndup(b->arena, line, (size_t)(end - line));
    if (jwt)
        all[n++] = arena_printf(b->arena, "Authorization: Bearer %s", jwt);
    return n;
}

const char *const *bridge_headers(struct bridge *b, const char *const *more,
                                  const struct bridge_post *p) {
    const struct json *caller = caller_of(b, p);
    const char **all =
        arena_alloc(b->arena, (BRIDGE_HEADERS_MAX + BRIDGE_MESSAGE_HEADERS_MAX + 10) * sizeof *all);
    size_t n = 0;

    for (const char *const *h = b->headers; *h; h++) {
        all[n] = header_names_caller(*h) ? header_with_caller(b->arena, *h, caller) : *h;
        n += all[n] != NULL;
    }
    for (; *more; more++)
        all[n++] = *more;
    n = add_lines(b, p, all, n);
    if (*b->session)
        all[n++] = arena_printf(b->arena, "Mcp-Session-Id: %s", b->session);
    if (*b->version)
        all[n++] = arena_printf(b->arena, "MCP-Protocol-Version: %s", b->version);
    return all;
}

/* ---- what the relay sends ---- */

/* "Cancellation": the server is told, and its stream is of no use any more. In 2026-07-28 the end
 * of the stream tells it. */
static void cancel(struct bridge *b, const struct json *params, struct text line) {
    int64_t id = 0;
    struct bridge_post *p, *note;
    bool was_sent;

    p = json_get_int(params, "requestId", &id) ? post_find(b, id) : NULL;
    was_sent = !b->is_stateless && (!p || p->stream || p->resume_ms);
    note = was_sent ? post_new(b, 0, line) : NULL;
    if (note && p && post_is_fresh(p))
        post_set_user(note, p->user);
    if (p)
        post_free(p);
    if (note)
        post_send(note);
}

/* What a worker has added for the bridge alone. Returns the user's JWT; NULL: there is none. */
static const char *take_jwts(struct bridge *b, struct json *v) {
    const char *service = json_get_str(v, SERVER_SERVICE), *user = json_get_str(v, SERVER_USER);

    if (service)
        bridge_keep(&b->service, text_of(service));
    user = user ? arena_strdup(b->arena, user) : NULL;
    json_del(v, SERVER_SERVICE);
    json_del(v, SERVER_USER);
    return user;
}

/* The newer one of a call, which then may be sent again, or ask for the rest of its answer. */
static void renew_user(struct bridge *b, int64_t id, const char *jwt) {
    struct bridge_post *p = post_find(b, id);

    if (p && jwt)
        post_set_user(p, jwt);
}

static void pass_request(struct bridge *b, int64_t id, struct json *v, struct text line) {
    const bool is_changed = json_has(v, SERVER_SERVICE) || json_has(v, SERVER_USER) ||
                            json_has(json_get(json_get(v, "params"), "_meta"), SERVER_META_HEADERS);
    const char *user = take_jwts(b, v), *headers = headers_of_message(b, v);
    struct bridge_post *p;

    if (is_changed)
        line = json_as_text(b->arena, v);
    p = post_new(b, id, line);
    if (!p)
        return;
    if (!headers) { /* without those that say who calls it would be a call of ours */
        post_refuse(p, "what headers have to repeat of the call is too long");
        return;
    }
    bridge_keep(&p->headers, text_of(headers));
    post_set_user(p, user);
    if (b->state != BRIDGE_INITIALIZING)
        post_send(p);
}

static void take_line(struct bridge *b, struct text line) {
    const char *method;
    int64_t id = 0;
    struct json *v;

    arena_reset(b->arena);
    v = json_of_text(b->arena, line.p, line.len);
    if (!v)
        return;
    method = json_get_str(v, "method");
    if (method)
        (void)json_get_int(v, "id", &id);
    else if (json_get_int(v, SERVER_CALL, &id)) {
        renew_user(b, id, json_get_str(v, SERVER_USER));
        return;
    } else if (!json_has(v, "id")) { /* of no message */
        (void)take_jwts(b, v);
        return;
    }
    if (id && !strcmp(method, "initialize")) {
        b->is_stateless = false;
        *b->version = 0;
        session_initialize(b, id, line);
    } else if (method && !strcmp(method, "notifications/initialized")) {
        session_initialized(b, line);
    } else if (method && !strcmp(method, "notifications/cancelled")) {
        cancel(b, json_get(v, "params"), line);
    } else {
        if (id && !strcmp(method, "server/discover")) {
            b->is_stateless = true;
            memcpy(b->version, RELAY_VERSION_STATELESS, sizeof RELAY_VERSION_STATELESS);
        }
        pass_request(b, id, v, line);
    }
}

/* false: there is no more. */
static bool read_lines(struct bridge *b) {
    struct text line;
    int more = relay_queue_read(&b->in, STDIN_FILENO, NULL);

    while (relay_queue_line(&b->in, &line))
        take_line(b, line);
    return more != 0;
}

static void serve(struct bridge *b) {
    for (bool more = true; more;) {
        const int64_t listens = listen_due(b), sends = post_send_due(b);

        if (http_streams_wait(b->http, STDIN_FILENO,
                              clock_wait_ms(MIN(listens, sends), WAIT_MAX_MS)))
            more = read_lines(b);
    }
}

/* ---- the command ---- */

static bool read_headers(struct bridge *b, struct arena *keep, char **given) {
    size_t n = 0;

    for (; *given && n < BRIDGE_HEADERS_MAX; given++) {
        b->names_caller = b->names_caller || header_names_caller(*given);
        if (!(b->headers[n++] = header_with_secrets(keep, *given)))
            return false;
    }
    return !*given;
}

static void free_bridge(struct bridge *b) {
    http_streams_free(b->http);
    relay_queue_free(&b->in);
    free(b->initialize);
    free(b->initialized);
    free(b->endpoint);
    free(b->service);
    arena_free(b->arena);
}

int bridge_command(int argc, char **argv) {
    struct arena *keep = arena_new(ARENA_MAX);
    struct bridge b = {.arena = arena_new(ARENA_MAX)};
    const char *ca_file = "";

    argv++;
    if (argc > 3 && !strcmp(*argv, "--ca-file")) {
        ca_file = argv[1];
        argv += 2;
    }
    b.url = *argv;
    if (!b.url || !read_headers(&b, keep, argv + 1)) {
        bridge_log("usage: mcp-authd bridge [--ca-file FILE] URL [HEADER...]: it is started by the "
                   "runner");
        arena_free(b.arena);
        arena_free(keep);
        return 2;
    }
    if (getenv(SERVER_SERVICE_VARIABLE))
        bridge_keep(&b.service, text_of(getenv(SERVER_SERVICE_VARIABLE)));
    (void)signal(SIGPIPE, SIG_IGN);
    b.http = http_streams_new(ca_file);
    if (!b.http)
        bridge_fail("libcurl cannot be started");
    serve(&b);
    session_end(&b);
    free_bridge(&b);
    arena_free(keep);
    return 0;
}
