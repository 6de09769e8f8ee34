#include "exec/task_notifications.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/file.h"
#include "base/watchdog.h"
#include "config/sites.h"
#include "crypto/digest.h"
#include "exec/tasks.h"
#include "mcp/listen.h"
#include "web/sse.h"
#include "web/subscription.h"

#define REQUESTS_MAX 65536 /* bytes of unread requests */
#define CHECK_ARENA_MAX (64U << 20)
#define SEND_TIMEOUT_S 5 /* how long the stream holder may take to accept a notification */
#define WATCHED_MAX 4096
#define TASK_NAME_MAX (SITE_NAME_MAX + 1 + TASK_ID_MAX)

struct watched {
    struct watched *next;
    char name[TASK_NAME_MAX + 1]; /* as subscriptions have it: the id, after SITE/ */
    const char *id;               /* in the name */
    struct site *site;
    bool is_known;              /* the stream holder has its state */
    int64_t version;            /* of the record that was read last */
    uint8_t digest[SHA256_LEN]; /* of that record, as JSON */
    int64_t due_ms;             /* monotonic: when the record is read again */
};

struct watcher {
    task_watcher_site_fn *find_site;
    void *find_site_arg;
    int fd;
    struct watched *all;
    size_t count, in_len; /* numbers of tasks, and of bytes in `in` */
    char in[REQUESTS_MAX];
};

/* The beginning of the notification on a stream; `meta` is its _meta. */
static struct text notification_head(struct arena *a, const struct json *meta) {
    return text_of(arena_printf(
        a,
        SSE_DATA
        "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/tasks\",\"params\":{\"_meta\":%s,",
        json_text(a, meta, NULL)));
}

/* The task's members, and the end of the event. */
static struct text notification_tail(const struct task *t) {
    const struct text view = json_as_text(t->arena, task_view(t, true));
    struct buf b;

    buf_init(&b, t->arena, view.len + sizeof SSE_END + 1);
    buf_add(&b, view.p + 1, view.len - 1);
    buf_adds(&b, "}" SSE_END);
    return (struct text){b.p, b.len};
}

static bool notify(struct watcher *w, const struct watched *task, const struct task *t) {
    struct text tail = notification_tail(t);
    struct buf b;

    buf_init(&b, t->arena, tail.len + TASK_NAME_MAX + 64);
    subscription_add(&b, SUBSCRIPTION_TASK, text_of(task->name), tail);
    return !b.overflow && file_write_all(w->fd, b.p, b.len, -1);
}

/* Has the record changed? A renewed lease changes the version only. */
static bool has_changed(struct watched *task, const struct task *t) {
    uint8_t digest[SHA256_LEN];
    struct text text;

    if (task->is_known && t->version == task->version)
        return false;
    task->version = t->version;
    text = json_as_text(t->arena, t->record);
    sha256(text.p, text.len, digest);
    if (task->is_known && !memcmp(digest, task->digest, sizeof digest))
        return false;
    memcpy(task->digest, digest, sizeof digest);
    return true;
}

/* Reads the record, and sends a notification if it has changed. *has_ended: it will not change any
 * more. False: the stream holder has ended. */
static bool check(struct watcher *w, struct watched *task, bool *has_ended) {
    struct arena *a = arena_new(CHECK_ARENA_MAX);
    bool ok = true;
    struct task t;
    struct err e;
    enum rc rc = task_read(task->site, a, task->id, &t, &e);

    task->due_ms = clock_monotonic_ms() + task->site->mcp->tasks->poll_ms;
    *has_ended = rc == ERR_MISSING;
    if (!rc) {
        *has_ended = task_has_ended(&t);
        if (has_changed(task, &t))
            ok = notify(w, task, &t);
        task->is_known = true;
    } else if (rc != ERR_MISSING) {
        log_warn("task_not_watched", kv("task", task->name), kv("why", e.text),
                 kv("detail", e.detail));
    }
    arena_free(a);
    return ok;
}

static struct watched **find(struct watcher *w, const char *name, size_t len) {
    struct watched **at = &w->all;

    while (*at && (strlen((*at)->name) != len || memcmp((*at)->name, name, len) != 0))
        at = &(*at)->next;
    return at;
}

static void forget(struct watcher *w, struct watched **at) {
    struct watched *old = *at;

    *at = old->next;
    free(old);
    w->count--;
}

/* A task that is not watched yet. NULL: it cannot be. */
static struct watched *watch(struct watcher *w, struct text name) {
    const char *slash = memchr(name.p, '/', name.len);
    char site_name[TASK_NAME_MAX + 1] = "";
    struct watched *task;

    if (w->count == WATCHED_MAX) {
        log_warn("too_many_tasks_watched", kvn("tasks", (int64_t)w->count));
        return NULL;
    }
    task = xcalloc(1, sizeof *task);
    memcpy(task->name, name.p, name.len);
    task->id = task->name + (slash ? slash + 1 - name.p : 0);
    if (slash)
        memcpy(site_name, name.p, (size_t)(slash - name.p));
    task->site = w->find_site(w->find_site_arg, site_name);
    if (!task->site) {
        free(task);
        return NULL;
    }
    w->count++;
    return task;
}

static void take_request(struct watcher *w, const struct subscription *s) {
    struct watched **at = find(w, s->argument.p, s->argument.len);

    if (s->kind != SUBSCRIPTION_TASK || s->text.len != 1 || !s->argument.len ||
        s->argument.len > TASK_NAME_MAX)
        return;
    if (*s->text.p == '-' && *at)
        forget(w, at);
    else if (*s->text.p != '-' && !*at)
        *at = watch(w, s->argument);
    if (*s->text.p == '-' || !*at)
        return;
    (*at)->is_known = false;
    (*at)->due_ms = 0;
}

/* False: the stream holder has ended. */
static bool take_requests(struct watcher *w) {
    struct text list;
    struct subscription s;
    ssize_t n = recv(w->fd, w->in + w->in_len, sizeof w->in - w->in_len, MSG_DONTWAIT);

    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    if (!n)
        return false;
    w->in_len += (size_t)n;
    list = (struct text){w->in, w->in_len};
    while (subscription_next(&list, &s))
        take_request(w, &s);
    w->in_len = list.len;
    memmove(w->in, list.p, w->in_len);
    return w->in_len < sizeof w->in;
}

/* ms until the next record is read, or the next heartbeat is due. */
static int ms_until_next(const struct watcher *w) {
    int64_t due = INT64_MAX;

    for (const struct watched *t = w->all; t; t = t->next)
        if (t->due_ms < due)
            due = t->due_ms;
    return clock_wait_ms(due, WATCHDOG_INTERVAL_MS);
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

void task_watcher_run(task_watcher_site_fn *find_site, void *arg, int fd) {
    const struct timeval send_timeout = {.tv_sec = SEND_TIMEOUT_S};
    struct watcher *w = xcalloc(1, sizeof *w);

    w->find_site = find_site;
    w->find_site_arg = arg;
    w->fd = fd;
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &send_timeout, sizeof send_timeout);
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};

        watchdog_heartbeat();
        if (poll(&p, 1, ms_until_next(w)) > 0 && !take_requests(w))
            break;
        if (!check_next(w))
            break;
    }
    while (w->all)
        forget(w, &w->all);
    free(w);
}

/* ---- subscribing ---- */

enum rc task_filter_subscribe(struct mcp_call *c, const struct json *requested, struct buf *list,
                              struct json *granted, struct err *e) {
    const struct json *ids = json_get(requested, "taskIds");
    struct json *subscribed = json_new_array(c->arena);
    const char *site = c->x->site->config->site;
    struct text head;

    if (!ids)
        return OK;
    if (task_check_extension(c, e))
        return e->code;
    head = notification_head(c->arena, mcp_subscription_meta(c));
    for (size_t i = 0; i < json_len(ids) && json_len(subscribed) < SUBSCRIPTIONS_MAX; i++) {
        const char *id = json_str(json_at(ids, i));
        struct task t;

        if (!id || json_has_str(subscribed, id))
            continue;
        switch ((int)task_read_for_caller(c, id, &t, e)) {
        case OK:
            subscription_add(list, SUBSCRIPTION_TASK,
                             text_of(*site ? arena_printf(c->arena, "%s/%s", site, id) : id), head);
            json_add_str(subscribed, id);
            break;
        case ERR_RPC_INVALID_PARAMS: /* not a task of this caller */
            break;
        default:
            return e->code;
        }
    }
    if (json_len(subscribed))
        json_put(granted, "taskIds", subscribed);
    return OK;
}
