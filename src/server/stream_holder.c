#include "server/stream_holder.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/base.h"
#include "base/watchdog.h"
#include "server/server.h"
#include "server/stream_channel.h"
#include "web/fcgi.h"
#include "web/fcgi_conn.h"
#include "web/subscription.h"

#define STREAMS_MAX 16384
#define STREAMS_USER_MAX 256
#define KEEP_ALIVE_MS 20000 /* between comments: proxies end what is silent for a minute */
#define SETTLE_MS 50        /* an editor writes a file in several steps */

/* Where epoll events of our own descriptors point; those of streams point to the stream. */
static int channel_mark, inotify_mark, signal_mark, unsent_mark;

/* ---- what is watched ---- */

/* The folders of the files that a stream waits for. */
static void watch_files(struct stream_holder *h, const struct stream *s) {
    struct text list = s->subscriptions;
    struct subscription file;

    while (subscription_next(&list, &file)) {
        const char *path = file.argument.p, *slash;

        if (file.kind != SUBSCRIPTION_FILE || !file.argument.len || *path != '/')
            continue;
        slash = memrchr(path, '/', file.argument.len);
        folder_watch_add(&h->folders, path, slash > path ? (size_t)(slash - path) : 1, false);
    }
}

static void send_soon(struct stream_holder *h) {
    if (!h->send_ms)
        h->send_ms = clock_monotonic_ms() + SETTLE_MS;
}

static void add_change(struct stream_holder *h, enum subscription_kind kind, const char *path) {
    for (size_t i = 0; i < h->change_count; i++)
        if (h->changes[i].kind == kind && !strcmp(h->changes[i].path, path))
            return;
    if (h->change_count < CHANGES_MAX)
        h->changes[h->change_count++] = (struct change){kind, xstrdup(path)};
    send_soon(h);
}

static void file_changed(struct stream_holder *h, const char *dir, const char *name) {
    char path[PATH_MAX + NAME_MAX + 2];

    if (snprintf(path, sizeof path, "%s/%s", dir, name) < (int)sizeof path)
        add_change(h, SUBSCRIPTION_FILE, path);
}

/* Another folder is at the path: each file in it that is waited for may be another one. */
static void all_files_changed(struct stream_holder *h, const char *dir) {
    size_t len = strlen(dir);

    for (const struct stream *s = h->head.next; s != &h->head; s = s->next) {
        struct text list = s->subscriptions;
        struct subscription file;

        while (subscription_next(&list, &file)) {
            const struct text path = file.argument;

            if (file.kind == SUBSCRIPTION_FILE && path.len > len + 1 && !memcmp(path.p, dir, len) &&
                path.p[len] == '/' && !memchr(path.p + len + 1, '/', path.len - len - 1)) {
                char *name = strndup(path.p + len + 1, path.len - len - 1);

                file_changed(h, dir, name ? name : "");
                free(name);
            }
        }
    }
}

/* The name "": the folder itself is another one. */
static void take_change(void *arg, const struct folder *f, const char *name) {
    struct stream_holder *h = arg;
    size_t len = strlen(name);

    if (!f->catalog && *name)
        file_changed(h, f->path, name);
    else if (!f->catalog)
        all_files_changed(h, f->path);
    if (!f->catalog || (len && (len < 6 || strcmp(name + len - 5, ".json") != 0)))
        return;
    add_change(h, SUBSCRIPTION_FOLDER, f->path);
    h->catalog_changed = true;
}

static void take_events(struct stream_holder *h) {
    _Alignas(struct inotify_event) char buf[16384];
    ssize_t n;

    while ((n = read(h->folders.fd, buf, sizeof buf)) > 0)
        for (char *p = buf; p < buf + n;) {
            const struct inotify_event *e = (const void *)p;

            folder_watch_take(&h->folders, e, take_change, h);
            p += sizeof *e + e->len;
        }
    if (h->folders.moved)
        send_soon(h);
}

/* ---- the streams ---- */

/* Ends the oldest stream of a user who has as many as are allowed: the client that opened it has
 * most likely gone, and otherwise opens another one. */
static void make_room_for_user(struct stream_holder *h, struct text subscriptions) {
    struct stream *oldest = NULL;
    struct subscription user;
    size_t count = 0;

    if (!subscription_find(subscriptions, SUBSCRIPTION_USER, &user))
        return;
    for (struct stream *s = h->head.next; s != &h->head; s = s->next)
        if (s->user.p && text_equal(s->user, user.argument) && !count++)
            oldest = s;
    if (count < STREAMS_USER_MAX)
        return;
    log_info("oldest_stream_ended", kvn("streams", (int64_t)count),
             kv("why", "one user has no more at once"));
    stream_end(h, oldest);
}

static void take_stream(struct stream_holder *h, const struct stream_message *m) {
    const size_t first_len = m->header.first_len;
    const struct text subscriptions = {m->p + first_len, m->len - first_len};
    struct stream *s;

    if (h->count == STREAMS_MAX) {
        log_warn("too_many_streams", kvn("streams", (int64_t)h->count));
        stream_end_at_once(
            &(struct fcgi_detached){m->fd, m->header.id, (const unsigned char *)m->p, first_len},
            subscriptions);
        close(m->fd);
        return;
    }
    make_room_for_user(h, subscriptions);
    s = stream_add(h, m->fd, subscriptions);
    s->id = m->header.id;
    s->until_s = m->header.until_s;
    watch_files(h, s);
    stream_holder_subscribe(h, s);
    if (!stream_send_first(h, s, m->p, first_len)) /* now that nothing is missed */
        stream_drop(h, s);
}

/* Replaces what the streams of the same key wait for. */
static void change_streams(struct stream_holder *h, struct text subscriptions) {
    struct subscription key;

    if (!subscription_find(subscriptions, SUBSCRIPTION_KEY, &key))
        return;
    for (struct stream *s = h->head.next; s != &h->head; s = s->next)
        if (s->key.p && text_equal(s->key, key.argument)) {
            stream_set_subscriptions(s, subscriptions);
            watch_files(h, s);
        }
}

static void take_messages(struct stream_holder *h) {
    struct stream_message m;

    while (stream_channel_receive(h->channel, &m))
        switch (m.kind) {
        case STREAM_MESSAGE_STREAM:
            take_stream(h, &m);
            break;
        case STREAM_MESSAGE_REPLACE:
            change_streams(h, (struct text){m.p, m.len});
            break;
        case STREAM_MESSAGE_UNSENT:
            unsent_add(&h->unsent, m.fd, m.file, &m.unsent);
            break;
        }
}

/* false: the peer is gone, or does not read. */
static bool send_changes_to(struct stream_holder *h, struct stream *s) {
    struct subscription found;

    for (size_t i = 0; i < h->change_count; i++)
        if (subscription_find_argument(s->subscriptions, h->changes[i].kind,
                                       text_of(h->changes[i].path), &found) &&
            !stream_send_event(h, s, i, found.text))
            return false;
    return true;
}

static void send_changes(struct stream_holder *h) {
    folder_watch_settle(&h->folders, take_change, h); /* first: what changes from here on is seen */
    if (h->catalog_changed)
        h->board->catalog++; /* first: a client that asks when it hears must get the new lists */
    h->catalog_changed = false;
    h->send_ms = 0;
    for (struct stream *s = h->head.next, *next; s != &h->head; s = next) {
        next = s->next;
        if (!s->silent && !send_changes_to(h, s))
            stream_drop(h, s);
    }
    while (h->change_count)
        free(h->changes[--h->change_count].path);
}

static void keep_alive(struct stream_holder *h, int64_t now_s) {
    for (struct stream *s = h->head.next, *next; s != &h->head; s = next) {
        next = s->next;
        if (s->until_s <= now_s)
            stream_end(h, s);
        else if (s->out ? s->slow : !stream_send_now(h, s, SSE_COMMENT, sizeof SSE_COMMENT - 1))
            stream_drop(h, s);
        else
            s->slow = s->out != NULL;
    }
}

static void end_all(struct stream_holder *h) {
    take_messages(h);
    while (h->head.next != &h->head)
        stream_end(h, h->head.next);
}

static int timeout(const struct stream_holder *h) {
    int64_t due = h->send_ms && h->send_ms < h->alive_ms ? h->send_ms : h->alive_ms, left;

    if (h->wants_tasks && h->tasks.fd < 0 && h->tasks.again_ms < due)
        due = h->tasks.again_ms;
    left = due - clock_monotonic_ms();

    return left < 0 ? 0 : left > WATCHDOG_INTERVAL_MS ? WATCHDOG_INTERVAL_MS : (int)left;
}

/* *task_updates: there are some, for later. */
static void take_event(struct stream_holder *h, const struct epoll_event *e, bool *task_updates) {
    void *mark = e->data.ptr;

    if (mark == &inotify_mark)
        take_events(h);
    else if (mark == &signal_mark)
        h->stopping = true;
    else if (mark == &stream_holder_tasks_mark)
        *task_updates = true;
    else if (mark == &unsent_mark)
        unsent_send(&h->unsent);
    else if (mark != &channel_mark && (e->events != EPOLLOUT || !stream_send_out(h, mark)))
        stream_drop(h, mark); /* the client went away */
}

static void do_what_is_due(struct stream_holder *h) {
    if (h->send_ms && clock_monotonic_ms() >= h->send_ms)
        send_changes(h);
    if (clock_monotonic_ms() >= h->alive_ms) {
        keep_alive(h, time(NULL));
        unsent_drop_silent(&h->unsent);
        h->alive_ms = clock_monotonic_ms() + KEEP_ALIVE_MS;
    }
}

static void serve(struct stream_holder *h) {
    struct epoll_event events[64];
    int n = epoll_wait(h->epoll, events, 64, timeout(h));
    bool task_updates = false;

    watchdog_heartbeat();
    for (int i = 0; i < n; i++)
        take_event(h, &events[i], &task_updates);
    /* From here on streams may go that are in `events`. */
    if (task_updates && h->tasks.fd >= 0)
        stream_holder_take_updates(h);
    if (h->wants_tasks && h->tasks.fd < 0 && clock_monotonic_ms() >= h->tasks.again_ms)
        stream_holder_resubscribe(h);
    take_messages(h); /* last: a new stream may get the memory of one that is in `events` */
    do_what_is_due(h);
}

/* After the last worker, or beside the next stream holder: what readers still take, and nothing
 * else. If the master was killed, nobody but the alarm would end a process that hangs. */
static void send_remaining(struct stream_holder *h, pid_t master) {
    struct pollfd ready = {.fd = h->unsent.epoll, .events = POLLIN};
    bool orphaned = false;

    if (h->tasks.fd >= 0)
        close(h->tasks.fd); /* which ends the task watcher */
    while (h->unsent.count) {
        if (!orphaned && getppid() != master) {
            orphaned = true;
            (void)alarm(WORKER_STUCK_S);
        }
        watchdog_heartbeat();
        if (poll(&ready, 1, WATCHDOG_INTERVAL_MS) == 1)
            unsent_send(&h->unsent);
        unsent_drop_silent(&h->unsent);
    }
}

static int open_signals(void) {
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void watch_catalogs(struct stream_holder *h, const struct config *config) {
    const char *const dirs[] = {config->tools_dir, config->resources_dir, config->prompts_dir};
    char path[SUBSCRIPTION_PATH_MAX];

    for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++)
        if (subscription_folder_path(dirs[i], path))
            folder_watch_add(&h->folders, path, strlen(path), true);
}

_Noreturn void stream_holder_main(const struct config *config, struct scoreboard *board,
                                  int channel, pid_t master) {
    struct stream_holder *h = xcalloc(1, sizeof *h);
    struct rlimit files;

    if (!getrlimit(RLIMIT_NOFILE, &files)) {
        files.rlim_cur = files.rlim_max; /* each stream is a descriptor */
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    h->board = board;
    h->channel = channel;
    h->tasks = (struct task_subscriptions){.config = config, .fd = -1};
    h->head.next = h->head.prev = &h->head;
    h->epoll = epoll_create1(EPOLL_CLOEXEC);
    h->signals = open_signals();
    /* stream_holder_add reports what cannot be opened. */
    (void)unsent_init(&h->unsent);
    stream_holder_add(h, h->unsent.epoll, &unsent_mark, EPOLLIN);
    stream_holder_add(h, h->channel, &channel_mark, EPOLLIN);
    (void)folder_watch_open(&h->folders);
    stream_holder_add(h, h->folders.fd, &inotify_mark, EPOLLIN);
    stream_holder_add(h, h->signals, &signal_mark, EPOLLIN);
    watch_catalogs(h, config);
    board->catalog++; /* what changed while nobody watched */
    h->alive_ms = clock_monotonic_ms() + KEEP_ALIVE_MS;
    while (!h->stopping)
        serve(h);
    end_all(h);
    send_remaining(h, master);
    exit(0);
}
