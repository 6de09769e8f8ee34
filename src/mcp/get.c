/* Private part of endpoint.h: GET of the handshake versions. It opens a stream of notifications, or
 * with Last-Event-ID resumes a stream after that event (2025-11-25, "Resumability and Redelivery").
 * Events of the GET stream report only changes of files, and their ids contain the time of sending.
 * So after a break, files that have changed since that time are reported again, and nothing has to
 * be stored for a client that may never return. */
#include "base/base.h"
#include "mcp/endpoint.h"

#include <poll.h>
#include <sys/stat.h>

#include "base/file.h"
#include "mcp/bearer_auth.h"
#include "mcp/call.h"
#include "mcp/headers.h"
#include "mcp/listen.h"
#include "mcp/session.h"
#include "mcp/stream.h"
#include "shared/replay_log.h"
#include "web/sse.h"
#include "web/subscription.h"

/* A change may happen between the sending of an event and the time in its id. With this margin it
 * is reported twice rather than never. */
#define MARGIN_MS 1000
#define REPLAY_WAIT_MS 15000 /* how long a resumed stream waits for more events */
#define POLL_MS 50
#define CHUNK 16384

static bool is_change_id(const struct sse_id *id) {
    return !strcmp(id->stream, STREAM_OF_CHANGES) && id->number != SSE_UNNUMBERED;
}

/* Has a symbolic link on the path changed? Then it may lead to another folder or file. */
static bool path_has_changed(struct arena *a, const char *path, int64_t since_ms) {
    struct stat st;

    for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/'))
        if (!lstat(arena_strndup(a, path, (size_t)(slash - path)), &st) && S_ISLNK(st.st_mode) &&
            file_is_newer(&st, since_ms))
            return true;
    return false;
}

static bool has_changed(struct arena *a, const struct subscription *s, int64_t since_ms) {
    /* With a slash at the end, a folder that is a symbolic link is checked as a link too. */
    const char *end = s->kind == SUBSCRIPTION_FOLDER ? "/" : "";
    const char *path = arena_printf(a, "%.*s%s", (int)s->argument.len, s->argument.p, end);
    struct stat st;

    if (s->kind != SUBSCRIPTION_FILE && s->kind != SUBSCRIPTION_FOLDER)
        return false;
    if (path_has_changed(a, path, since_ms))
        return true;
    if (s->kind == SUBSCRIPTION_FOLDER)
        return folder_has_changed(path, since_ms);
    return !stat(path, &st) && file_is_newer(&st, since_ms);
}

static void send_changes(struct mcp_call *c, struct text subscriptions, const struct sse_id *last) {
    const int64_t since_ms = (int64_t)last->at - MARGIN_MS;
    struct subscription s;

    /* 0 is the number of the priming event. */
    for (int i = 1; subscription_next(&subscriptions, &s); i++)
        if (has_changed(c->arena, &s, since_ms)) {
            const struct sse_id id = sse_id_now(STREAM_OF_CHANGES, i);
            char line[SSE_ID_LINE_MAX];

            mcp_stream_write(c, (struct text){line, sse_id_line(&id, line)});
            mcp_stream_write(c, s.text);
        }
}

/* Sends the log from *at on. False: the client has disconnected. */
static bool send_rest(struct mcp_call *c, struct replay_log *log, size_t *at) {
    char chunk[CHUNK];
    size_t n;

    while ((n = replay_log_read(log, *at, chunk, sizeof chunk))) {
        if (reply_stream_write(c->x->rp, chunk, n))
            return false;
        *at += n;
    }
    return true;
}

/* Sends stored events, also those that the call adds while it still runs in another worker. Stops
 * after REPLAY_WAIT_MS; the client then resumes the stream again. */
static void follow(struct mcp_call *c, struct replay_log *log, size_t at) {
    int64_t until = clock_monotonic_ms() + REPLAY_WAIT_MS;

    for (;;) {
        bool last = replay_log_has_ended(log) || clock_monotonic_ms() >= until;
        struct pollfd peer = {.fd = c->x->rp->sink->fd, .events = POLLIN};

        if (!send_rest(c, log, &at) || last || poll(&peer, 1, POLL_MS) > 0)
            return;
    }
}

static enum rc replay_after(struct mcp_call *c, const struct sse_id *last, struct err *e) {
    struct replay_log *log;

    if (replay_open(c, last->stream, &log, e))
        return err_set(e, ERR_INVALID_REQUEST,
                       "Last-Event-ID names no stream of this session that is still kept");
    mcp_stream_begin(c);
    mcp_stream_write(c, sse_priming_event(c->arena, last));
    if (!c->stream.disconnected)
        follow(c, log, last->at);
    replay_log_close(log);
    return OK;
}

/* `last`: the id of the last event that the client has; NULL: none. */
static void open_stream(struct mcp_call *c, const struct sse_id *last) {
    const struct buf *list = mcp_session_subscriptions(c);
    const struct sse_id first = sse_id_now(STREAM_OF_CHANGES, 0);

    c->x->rp->subscriptions = list;
    c->x->rp->subscription_until_s = c->client.claims->exp;
    mcp_stream_begin(c);
    if (mcp_stream_has_change_ids(c))
        mcp_stream_write(c, sse_priming_event(c->arena, &first));
    else
        mcp_stream_comment(c);
    if (last)
        send_changes(c, (struct text){list->p, list->len}, last);
}

/* Answers a client that may open a stream. */
static enum rc get(struct mcp_call *c, struct err *e) {
    const char *last = c->client.session ? mcp_header(c->x->rq, "last-event-id") : NULL;
    struct sse_id id;

    if (!mcp_stream_possible(c))
        return err_set(e, ERR_NOT_ACCEPTABLE, "Accept must allow text/event-stream");
    if (last && !sse_id_read(last, &id))
        return err_set(e, ERR_INVALID_REQUEST, "Last-Event-ID is no id of an event");
    if (last && !is_change_id(&id))
        return replay_after(c, &id, e);
    open_stream(c, last ? &id : NULL);
    return OK;
}

enum rc mcp_get(struct exchange *x, struct err *e) {
    struct mcp_call c = mcp_call_begin(x);
    enum rc rc = mcp_bearer_auth(x, &c.client.claims, e);

    if (rc)
        return rc;
    if (mcp_version_of_header(x->rq) == PROTOCOL_STATELESS || strcmp(x->rq->method, "GET") != 0) {
        reply_header(x->rp, "Allow", "POST");
        return err_set(e, ERR_METHOD_NOT_ALLOWED, "this address answers POST only");
    }
    rc = mcp_session_find(&c, e);
    return rc ? rc : get(&c, e);
}
