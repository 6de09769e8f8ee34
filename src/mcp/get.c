/* Private part of endpoint.h: GET of the handshake versions. It opens a stream of notifications, or
 * with Last-Event-ID resumes a stream after that event (2025-11-25, "Resumability and Redelivery").
 * Events of the GET stream report only changes of files, and their ids contain the time of sending.
 * So after a break, files that have changed since that time are reported again, and nothing has to
 * be stored for a client that may never return. */
#include "mcp/endpoint.h"

#include <poll.h>
#include <sys/stat.h>

#include "base/file.h"
#include "catalog/skills.h"
#include "mcp/headers.h"
#include "mcp/listen.h"
#include "mcp/session.h"
#include "mcp/stream.h"
#include "shared/replay_log.h"
#include "web/sse.h"
#include "web/subscription.h"

/* A change may happen between the sending of an event and the time in the event's id. With this
 * margin it is reported twice rather than never. */
#define MARGIN_MS 1000
#define REPLAY_WAIT_MS 15000 /* how long a resumed stream waits for more events */
#define POLL_MS 50
#define CHUNK 16384

/* Has a symbolic link on the path changed? Then it may lead to another folder or file. */
static bool path_has_changed(struct arena *a, const char *path, int64_t since_ms) {
    struct stat st;

    for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/'))
        if (!lstat(arena_strndup(a, path, (size_t)(slash - path)), &st) && S_ISLNK(st.st_mode) &&
            file_is_newer(&st, since_ms))
            return true;
    return false;
}

/* Has the folder changed? In that of skills also what is deeper counts. */
static bool folder_changed(const struct mcp_call *c, const char *path, int64_t since_ms) {
    const struct site *site = c->x->site;
    char skills[SUBSCRIPTION_PATH_MAX];

    return folder_has_changed(path, since_ms) ||
           (subscription_folder_path(site->config->skills_dir, skills) &&
            !strncmp(path, skills, strlen(skills)) && !strcmp(path + strlen(skills), "/") &&
            catalog_skills_changed(site->mcp->catalog, since_ms));
}

static bool has_changed(const struct mcp_call *c, const struct subscription *s, int64_t since_ms) {
    /* With a slash at the end, a folder that is a symbolic link is checked as a link too. */
    const char *end = s->kind == SUBSCRIPTION_FOLDER ? "/" : "";
    const char *path = arena_printf(c->arena, "%.*s%s", (int)s->argument.len, s->argument.p, end);
    struct stat st;

    if (s->kind != SUBSCRIPTION_FILE && s->kind != SUBSCRIPTION_FOLDER)
        return false;
    if (path_has_changed(c->arena, path, since_ms))
        return true;
    if (s->kind == SUBSCRIPTION_FOLDER)
        return folder_changed(c, path, since_ms);
    return !stat(path, &st) && file_is_newer(&st, since_ms);
}

static void send_changes(struct mcp_call *c, struct text subscriptions, const struct sse_id *last) {
    const int64_t since_ms = (int64_t)last->at - MARGIN_MS;
    struct text event = TEXT_LITERAL("");
    struct subscription s;

    /* 0 is the number of the priming event. */
    for (int i = 1; subscription_next(&subscriptions, &s); i++) {
        if (s.text.len)
            event = s.text;
        if (has_changed(c, &s, since_ms)) {
            const struct sse_id id = sse_id_now(GET_STREAM_ID, i);
            char line[SSE_ID_LINE_MAX];

            mcp_stream_write(c, (struct text){line, sse_id_line(&id, line)});
            mcp_stream_write(c, event);
        }
    }
}

/* Sends stored events from the position `at` on, also those that the call adds while it still runs
 * in another worker. Stops after REPLAY_WAIT_MS; the client then resumes the stream again. */
static void send_stored(struct mcp_call *c, struct replay_log *log, size_t at) {
    int64_t until = clock_monotonic_ms() + REPLAY_WAIT_MS;
    struct pollfd peer = {.fd = c->x->rp->sink->fd, .events = POLLIN};
    char chunk[CHUNK];
    bool last = false;

    do {
        size_t n;

        last = replay_log_has_ended(log) || clock_monotonic_ms() >= until;
        while ((n = replay_log_read(log, at, chunk, sizeof chunk))) {
            if (reply_stream_write(c->x->rp, chunk, n))
                return; /* the client has disconnected */
            at += n;
        }
    } while (!last && poll(&peer, 1, POLL_MS) <= 0);
}

static enum rc replay_after(struct mcp_call *c, const struct sse_id *last, struct err *e) {
    struct replay_log *log;

    if (replay_open(c, last->stream, &log, e))
        return err_set(e, ERR_INVALID_REQUEST,
                       "Last-Event-ID does not name a stream of this session that is still stored");
    mcp_stream_begin(c);
    mcp_stream_write(c, sse_priming_event(c->arena, last));
    if (!c->stream.disconnected)
        send_stored(c, log, last->at);
    replay_log_close(log);
    return OK;
}

/* `last`: the id of the last event that the client has; NULL: none. */
static void open_stream(struct mcp_call *c, const struct sse_id *last) {
    const struct buf *list = mcp_session_subscriptions(c);
    const struct sse_id first = sse_id_now(GET_STREAM_ID, 0);

    c->x->rp->subscriptions = list;
    c->x->rp->subscription_until_s = c->client.claims->exp;
    mcp_stream_begin(c);
    if (mcp_stream_has_ids(c))
        mcp_stream_write(c, sse_priming_event(c->arena, &first));
    else
        mcp_stream_write(c, TEXT_LITERAL(SSE_COMMENT));
    if (last)
        send_changes(c, (struct text){list->p, list->len}, last);
}

enum rc mcp_get(struct exchange *x, struct err *e) {
    struct mcp_call c;
    const char *last;
    struct sse_id id;

    if (mcp_session_begin(x, &c, "this address answers POST only", e))
        return e->code;
    last = c.client.session ? mcp_header(x->rq, "last-event-id") : NULL;
    if (!mcp_stream_possible(&c))
        return err_set(e, ERR_NOT_ACCEPTABLE, "Accept must allow text/event-stream");
    if (last && !sse_id_read(last, &id))
        return err_set(e, ERR_INVALID_REQUEST, "Last-Event-ID is not the id of an event");
    if (last && (strcmp(id.stream, GET_STREAM_ID) != 0 || id.number == SSE_UNNUMBERED))
        return replay_after(&c, &id, e);
    open_stream(&c, last ? &id : NULL);
    return OK;
}
