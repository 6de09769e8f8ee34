#include "exec/task_notifications.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/base.h"
#include "base/watchdog.h"
#include "crypto/digest.h"
#include "exec/task_record.h"
#include "exec/tasks.h"
#include "mcp/call.h"
#include "mcp/listen.h"
#include "site/site.h"
#include "web/sse.h"
#include "web/subscription.h"

#define REQUESTS_MAX 65536 /* bytes of unread requests */
#define CHECK_ARENA_MAX (8U << 20)
#define SEND_S 5 /* how long the stream holder may take to accept an update */
#define WATCHED_MAX 4096

struct watched {
    struct watched *next;
    char id[TASK_ID_MAX + 1];
    bool is_known;            /* the stream holder has its state */
    int64_t version;          /* of the record when it was read last, */
    uint8_t seen[SHA256_LEN]; /* and its digest */
    int64_t due_ms;           /* monotonic: when it is read again */
};

struct watcher {
    struct site *site;
    int fd;
    struct watched *all;
    size_t count, have;
    char in[REQUESTS_MAX];
};

/* The beginning of the notification on a stream; `meta` is its _meta. */
static struct text notification_head(struct arena *a, const struct json *meta) {
    struct text t;

    t.p = arena_printf(
        a,
        SSE_DATA
        "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/tasks\",\"params\":{\"_meta\":%s,",
        json_text(a, meta, NULL));
    t.len = strlen(t.p);
    return t;
}

/* The task's members, and the end of the event. */
static struct text notification_tail(const struct task *t) {
    size_t len;
    const char *view = json_text(t->arena, task_view(t, true), &len);
    struct buf b;

    buf_init(&b, t->arena, len + sizeof SSE_END + 1);
    buf_add(&b, view + 1, len - 1);
    buf_adds(&b, "}" SSE_END);
    return (struct text){b.p, b.len};
}

static bool send_all(int fd, const char *p, size_t len) {
    while (len) {
        ssize_t n = send(fd, p, len, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        p += n;
        len -= (size_t)n;
    }
    return true;
}

static bool notify(struct watcher *w, const struct task *t) {
    struct text tail = notification_tail(t);
    struct buf b;

    buf_init(&b, t->arena, tail.len + TASK_ID_MAX + 64);
    subscription_add(&b, SUBSCRIPTION_TASK, text_of(t->id), tail);
    return !b.overflow && send_all(w->fd, b.p, b.len);
}

/* Has the record changed? A renewed lease changes its version, but not its text. */
static bool is_new(struct watched *task, const struct task *t) {
    uint8_t digest[SHA256_LEN];
    size_t len;
    const char *text;

    if (task->is_known && t->version == task->version)
        return false;
    task->version = t->version;
    text = json_text(t->arena, t->record, &len);
    sha256(text, len, digest);
    if (task->is_known && !memcmp(digest, task->seen, sizeof digest))
        return false;
    memcpy(task->seen, digest, sizeof digest);
    return true;
}

/* *has_ended: no further changes will follow. false: the stream holder has ended. */
static bool check(struct watcher *w, struct watched *task, bool *has_ended) {
    struct arena *a = arena_new(CHECK_ARENA_MAX);
    bool good = true;
    struct task t;
    struct err e;
    enum rc rc = task_read(w->site, a, task->id, &t, &e);

    task->due_ms = clock_monotonic_ms() + w->site->mcp->tasks->poll_ms;
    *has_ended = rc == ERR_MISSING;
    if (!rc) {
        *has_ended = task_has_ended(&t);
        if (is_new(task, &t))
            good = notify(w, &t);
        task->is_known = true;
    } else if (rc != ERR_MISSING) {
        log_warn("task_not_watched", kv("task", task->id), kv("why", e.text),
                 kv("detail", e.detail));
    }
    arena_free(a);
    return good;
}

static struct watched **find(struct watcher *w, const char *id, size_t len) {
    struct watched **at = &w->all;

    while (*at && (strlen((*at)->id) != len || memcmp((*at)->id, id, len) != 0))
        at = &(*at)->next;
    return at;
}

static void forget(struct watcher *w, struct watched **at) {
    struct watched *old = *at;

    *at = old->next;
    free(old);
    w->count--;
}

static void take_request(struct watcher *w, const struct subscription *s) {
    struct watched **at = find(w, s->argument.p, s->argument.len);

    if (s->kind != SUBSCRIPTION_TASK || s->text.len != 1 || !s->argument.len ||
        s->argument.len > TASK_ID_MAX)
        return;
    if (*s->text.p == '-') {
        if (*at)
            forget(w, at);
        return;
    }
    if (!*at) {
        if (w->count == WATCHED_MAX) {
            log_warn("too_many_tasks_watched", kvn("tasks", (int64_t)w->count));
            return;
        }
        *at = xcalloc(1, sizeof **at);
        memcpy((*at)->id, s->argument.p, s->argument.len);
        w->count++;
    }
    (*at)->is_known = false;
    (*at)->due_ms = 0;
}

/* false: the stream holder has ended. */
static bool take_requests(struct watcher *w) {
    struct text list;
    struct subscription s;
    ssize_t n = recv(w->fd, w->in + w->have, sizeof w->in - w->have, MSG_DONTWAIT);

    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    if (!n)
        return false;
    w->have += (size_t)n;
    list = (struct text){w->in, w->have};
    while (subscription_next(&list, &s))
        take_request(w, &s);
    w->have = list.len;
    memmove(w->in, list.p, w->have);
    return w->have < sizeof w->in;
}

static int until_next(const struct watcher *w) {
    int64_t due = INT64_MAX, left;

    for (const struct watched *t = w->all; t; t = t->next)
        if (t->due_ms < due)
            due = t->due_ms;
    left = due == INT64_MAX ? WATCHDOG_INTERVAL_MS : due - clock_monotonic_ms();
    return left < 0 ? 0 : left > WATCHDOG_INTERVAL_MS ? WATCHDOG_INTERVAL_MS : (int)left;
}

/* Reads the record that has been due for longest; new requests are read before the next one. */
static bool check_next(struct watcher *w) {
    struct watched **first = &w->all;
    bool has_ended;

    for (struct watched **at = &w->all; *at; at = &(*at)->next)
        if ((*at)->due_ms < (*first)->due_ms)
            first = at;
    if (!*first || (*first)->due_ms > clock_monotonic_ms())
        return true;
    if (!check(w, *first, &has_ended))
        return false;
    if (has_ended)
        forget(w, first);
    return true;
}

void task_watcher_run(struct site *site, int fd) {
    const struct timeval patience = {.tv_sec = SEND_S};
    struct watcher *w = xcalloc(1, sizeof *w);

    w->site = site;
    w->fd = fd;
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};

        watchdog_heartbeat();
        if (poll(&p, 1, until_next(w)) > 0 && !take_requests(w))
            break;
        if (!check_next(w))
            break;
    }
    while (w->all)
        forget(w, &w->all);
    free(w);
}

/* ---- subscribing ---- */

static bool has_text(const struct json *array, const char *text) {
    for (size_t i = 0; i < json_len(array); i++)
        if (!strcmp(json_str(json_at(array, i)), text))
            return true;
    return false;
}

enum rc task_filter_subscribe(struct mcp_call *c, const struct json *ids, struct buf *list,
                              struct json **agreed, struct err *e) {
    struct json *some = json_new_array(c->arena);
    struct text head;

    if (task_extension(c, e))
        return e->code;
    head = notification_head(c->arena, mcp_subscription_meta(c));
    for (size_t i = 0; i < json_len(ids) && json_len(some) < SUBSCRIPTIONS_MAX; i++) {
        const char *id = json_str(json_at(ids, i));
        struct task t;

        if (!id || has_text(some, id))
            continue;
        switch ((int)task_load(c, id, &t, e)) {
        case OK:
            subscription_add(list, SUBSCRIPTION_TASK, text_of(id), head);
            json_add_str(some, id);
            break;
        case ERR_RPC_INVALID_PARAMS: /* not a task of this caller */
            break;
        default:
            return e->code;
        }
    }
    if (json_len(some))
        *agreed = some;
    return OK;
}
