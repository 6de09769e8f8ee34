#include "mcp/replay.h"

#include <poll.h>
#include <string.h>

#include "base/log.h"
#include "mcp/session.h"
#include "mcp/stream.h"
#include "shared/shared.h"

#define ID_BYTES 12 /* of a stream */
#define AT_DIGITS 8
#define POLL_MS 50
#define CHUNK 16384

/* An event's id is STREAM.AT, with as many digits for every AT, so that the length of an event is
 * known before its id is. */
static const char *event_id(struct arena *a, const char *stream, size_t at) {
    return arena_printf(a, "%s.%0*zx", stream, AT_DIGITS, at);
}

static const char *journals_dir(struct arena *a, const struct site *site) {
    return arena_printf(a, "%s/streams", site->config->state_dir);
}

/* The session's key is a digest of its id, which is sealed for one user. */
static const char *replay_log_name(const struct mcp_call *c, const char *stream) {
    return arena_printf(c->arena, "%s.%s", c->client.session->id, stream);
}

/* Older clients do not know events without data. */
static bool is_resumable(const struct mcp_call *c) {
    return c->client.session && c->msg.version && !strcmp(c->msg.version, MCP_VERSION_HANDSHAKE);
}

static struct text priming_event(struct arena *a, const char *id) {
    const char *event = arena_printf(a, "id: %s\nretry: %d\ndata: \n\n", id, RESUME_RETRY_MS);

    return (struct text){event, strlen(event)};
}

void replay_begin(struct mcp_call *c, struct text *event) {
    const char *stream;
    struct err e;

    *event = (struct text){0};
    if (!is_resumable(c))
        return;
    stream = random_text(c->x->rp->arena, ID_BYTES); /* longer than what caused it to begin */
    if (replay_log_create(journals_dir(c->arena, c->x->site), replay_log_name(c, stream),
                          clock_now_s(&c->x->site->clock), &c->stream.replay, &e)) {
        log_info("stream_not_kept", kv("request", c->x->rq->id), kv("why", e.detail));
        return;
    }
    c->stream.id = stream;
    *event = priming_event(c->arena, event_id(c->arena, stream, 0));
}

struct text replay_event(struct mcp_call *c, struct arena *a, struct text message) {
    struct text event = mcp_stream_event(a, message);
    size_t head_len;
    char *head, *both;
    struct err e;

    if (!c->stream.replay)
        return event;
    head_len = strlen("id: .\n") + strlen(c->stream.id) + AT_DIGITS;
    head = arena_printf(
        a, "id: %s\n",
        event_id(a, c->stream.id, replay_log_len(c->stream.replay) + head_len + event.len));
    both = arena_alloc(a, head_len + event.len);
    memcpy(both, head, head_len);
    memcpy(both + head_len, event.p, event.len);
    arena_release(a, event.p);
    event = (struct text){both, head_len + event.len};
    if (replay_log_add(c->stream.replay, event.p, event.len, &e)) {
        log_info("stream_not_kept", kv("request", c->x->rq->id), kv("why", e.text));
        replay_end(c);
    }
    return event;
}

void replay_end(struct mcp_call *c) {
    replay_log_close(c->stream.replay);
    c->stream.replay = NULL;
}

/* ---- again ---- */

/* Takes an id apart. False: it is none of ours. */
static bool read_id(const struct mcp_call *c, const char *id, const char **stream, size_t *at) {
    size_t len = strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");
    const char *digits = id + len + 1;

    if (!len || len > 2 * ID_BYTES || id[len] != '.' || strlen(digits) != AT_DIGITS)
        return false;
    *stream = arena_strndup(c->arena, id, len);
    *at = 0;
    for (; *digits; digits++) {
        const char *known = "0123456789abcdef", *digit = strchr(known, *digits);

        if (!digit)
            return false;
        *at = *at * 16 + (size_t)(digit - known);
    }
    return true;
}

/* Sends what is there behind *at. False: the client is gone. */
static bool send_rest(struct mcp_call *c, struct replay_log *j, size_t *at) {
    char chunk[CHUNK];
    size_t n;

    while ((n = replay_log_read(j, *at, chunk, sizeof chunk))) {
        if (reply_stream_write(c->x->rp, chunk, n))
            return false;
        *at += n;
    }
    return true;
}

/* The call may go on in another worker. This one is not held for long: the client comes back. */
static void follow(struct mcp_call *c, struct replay_log *j, size_t at) {
    int64_t until = clock_monotonic_ms() + RESUME_WAIT_MS;

    for (;;) {
        bool last = replay_log_has_ended(j) || clock_monotonic_ms() >= until;
        struct pollfd peer = {.fd = c->x->rp->sink->fd, .events = POLLIN};

        if (!send_rest(c, j, &at) || last || poll(&peer, 1, POLL_MS) > 0)
            return;
    }
}

enum rc replay_replay(struct mcp_call *c, const char *last_event_id, struct err *e) {
    const char *stream;
    struct text again;
    struct replay_log *j;
    size_t at;

    if (!read_id(c, last_event_id, &stream, &at) ||
        replay_log_open(journals_dir(c->arena, c->x->site), replay_log_name(c, stream), &j, e))
        return err_set(e, ERR_INVALID_REQUEST,
                       "Last-Event-ID names no stream of this session that is still kept");
    mcp_stream_begin(c);
    again = priming_event(c->arena, event_id(c->arena, stream, at));
    if (!c->stream.gone && !reply_stream_write(c->x->rp, again.p, again.len))
        follow(c, j, at);
    replay_log_close(j);
    return OK;
}

void replay_sweep(struct site *site) {
    struct arena *a = arena_new(4096);

    replay_log_sweep(journals_dir(a, site), clock_now_s(&site->clock));
    arena_free(a);
}
