#include "server/stream_holder.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/watchdog.h"
#include "server/stream_channel.h"
#include "server/timing.h"
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
static void watch_files(struct stream_holder *k, const struct stream *s) {
    struct text list = s->subscriptions;
    struct subscription file;

    while (subscription_next(&list, &file)) {
        const char *path = file.argument.p, *slash;

        if (file.kind != SUBSCRIPTION_FILE || !file.argument.len || *path != '/')
            continue;
        slash = memrchr(path, '/', file.argument.len);
        folder_watch_add(&k->folders, path, slash > path ? (size_t)(slash - path) : 1, false);
    }
}

static void send_soon(struct stream_holder *k) {
    if (!k->send_ms)
        k->send_ms = clock_monotonic_ms() + SETTLE_MS;
}

static void add_change(struct stream_holder *k, enum subscription_kind kind, const char *path) {
    for (size_t i = 0; i < k->change_count; i++)
        if (k->changes[i].kind == kind && !strcmp(k->changes[i].path, path))
            return;
    if (k->change_count < CHANGES_MAX)
        k->changes[k->change_count++] = (struct change){kind, xstrdup(path)};
    send_soon(k);
}

static void file_changed(struct stream_holder *k, const char *dir, const char *name) {
    char path[PATH_MAX + NAME_MAX + 2];

    if (snprintf(path, sizeof path, "%s/%s", dir, name) < (int)sizeof path)
        add_change(k, SUBSCRIPTION_FILE, path);
}

/* Another folder is at the path: each file in it that is waited for may be another one. */
static void all_files_changed(struct stream_holder *k, const char *dir) {
    size_t len = strlen(dir);

    for (const struct stream *s = k->head.next; s != &k->head; s = s->next) {
        struct text list = s->subscriptions;
        struct subscription file;

        while (subscription_next(&list, &file)) {
            const struct text path = file.argument;

            if (file.kind == SUBSCRIPTION_FILE && path.len > len + 1 && !memcmp(path.p, dir, len) &&
                path.p[len] == '/' && !memchr(path.p + len + 1, '/', path.len - len - 1)) {
                char *name = strndup(path.p + len + 1, path.len - len - 1);

                file_changed(k, dir, name ? name : "");
                free(name);
            }
        }
    }
}

/* The name "": the folder itself is another one. */
static void take_change(void *arg, const struct folder *f, const char *name) {
    struct stream_holder *k = arg;
    size_t len = strlen(name);

    if (!f->catalog && *name)
        file_changed(k, f->path, name);
    else if (!f->catalog)
        all_files_changed(k, f->path);
    if (!f->catalog || (len && (len < 6 || strcmp(name + len - 5, ".json") != 0)))
        return;
    add_change(k, SUBSCRIPTION_FOLDER, f->path);
    k->catalog_changed = true;
}

static void take_events(struct stream_holder *k) {
    _Alignas(struct inotify_event) char buf[16384];
    ssize_t n;

    while ((n = read(k->folders.fd, buf, sizeof buf)) > 0)
        for (char *p = buf; p < buf + n;) {
            const struct inotify_event *e = (const void *)p;

            folder_watch_take(&k->folders, e, take_change, k);
            p += sizeof *e + e->len;
        }
    if (k->folders.moved)
        send_soon(k);
}

/* ---- the streams ---- */

/* Those of a client that went without a word are the oldest; a client that is there opens another.
 */
static void keep_share(struct stream_holder *k, struct text subscriptions) {
    struct stream *oldest = NULL;
    struct subscription user;
    size_t count = 0;

    if (!subscription_find(subscriptions, SUBSCRIPTION_USER, &user))
        return;
    for (struct stream *s = k->head.next; s != &k->head; s = s->next)
        if (s->user.p && text_equal(s->user, user.argument) && !count++)
            oldest = s;
    if (count < STREAMS_USER_MAX)
        return;
    log_info("oldest_stream_ended", kvn("streams", (int64_t)count),
             kv("why", "one user has no more at once"));
    stream_end(k, oldest);
}

static void take_stream(struct stream_holder *k, const struct stream_message *m) {
    const size_t first_len = m->header.first_len;
    const struct text subscriptions = {m->p + first_len, m->len - first_len};
    struct stream *s;

    if (k->count == STREAMS_MAX) {
        log_warn("too_many_streams", kvn("streams", (int64_t)k->count));
        stream_end_at_once(
            &(struct fcgi_detached){m->fd, m->header.id, (const unsigned char *)m->p, first_len},
            subscriptions);
        close(m->fd);
        return;
    }
    keep_share(k, subscriptions);
    s = stream_keep(k, m->fd, subscriptions);
    s->id = m->header.id;
    s->until_s = m->header.until_s;
    watch_files(k, s);
    stream_holder_subscribe(k, s);
    if (!stream_send_first(k, s, m->p, first_len)) /* now that nothing is missed */
        stream_drop(k, s);
}

/* Streams of the same key wait for something else from now on. */
static void change_streams(struct stream_holder *k, struct text subscriptions) {
    struct subscription key;

    if (!subscription_find(subscriptions, SUBSCRIPTION_KEY, &key))
        return;
    for (struct stream *s = k->head.next; s != &k->head; s = s->next)
        if (s->key.p && text_equal(s->key, key.argument)) {
            stream_set_subscriptions(s, subscriptions);
            watch_files(k, s);
        }
}

static void take_messages(struct stream_holder *k) {
    struct stream_message m;

    while (stream_channel_receive(k->channel, &m))
        switch (m.kind) {
        case STREAM_MESSAGE_STREAM:
            take_stream(k, &m);
            break;
        case STREAM_MESSAGE_REPLACE:
            change_streams(k, (struct text){m.p, m.len});
            break;
        case STREAM_MESSAGE_UNSENT:
            unsent_add(&k->unsent, m.fd, m.file, &m.unsent);
            break;
        }
}

/* false: the peer is gone, or does not read. */
static bool send_changes_to(struct stream_holder *k, struct stream *s) {
    struct subscription found;

    for (size_t i = 0; i < k->change_count; i++)
        if (subscription_find_argument(s->subscriptions, k->changes[i].kind,
                                       text_of(k->changes[i].path), &found) &&
            !stream_send_event(k, s, i, found.text))
            return false;
    return true;
}

static void send_changes(struct stream_holder *k) {
    folder_watch_settle(&k->folders, take_change, k); /* first: what changes from here on is seen */
    if (k->catalog_changed)
        k->board->catalog++; /* first: a client that asks when it hears must get the new lists */
    k->catalog_changed = false;
    k->send_ms = 0;
    for (struct stream *s = k->head.next, *next; s != &k->head; s = next) {
        next = s->next;
        if (!s->silent && !send_changes_to(k, s))
            stream_drop(k, s);
    }
    while (k->change_count)
        free(k->changes[--k->change_count].path);
}

static void keep_alive(struct stream_holder *k, int64_t now_s) {
    for (struct stream *s = k->head.next, *next; s != &k->head; s = next) {
        next = s->next;
        if (s->until_s <= now_s)
            stream_end(k, s);
        else if (s->out ? s->slow : !stream_send_now(k, s, SSE_COMMENT, sizeof SSE_COMMENT - 1))
            stream_drop(k, s);
        else
            s->slow = s->out != NULL;
    }
}

static void end_all(struct stream_holder *k) {
    take_messages(k);
    while (k->head.next != &k->head)
        stream_end(k, k->head.next);
}

static int timeout(const struct stream_holder *k) {
    int64_t due = k->send_ms && k->send_ms < k->alive_ms ? k->send_ms : k->alive_ms, left;

    if (k->wants_tasks && k->tasks.fd < 0 && k->tasks.again_ms < due)
        due = k->tasks.again_ms;
    left = due - clock_monotonic_ms();

    return left < 0 ? 0 : left > WATCHDOG_EVERY_MS ? WATCHDOG_EVERY_MS : (int)left;
}

/* *task_updates: there are some, for later. */
static void take_event(struct stream_holder *k, const struct epoll_event *e, bool *task_updates) {
    void *mark = e->data.ptr;

    if (mark == &inotify_mark)
        take_events(k);
    else if (mark == &signal_mark)
        k->stopping = true;
    else if (mark == &stream_holder_tasks_mark)
        *task_updates = true;
    else if (mark == &unsent_mark)
        unsent_send(&k->unsent);
    else if (mark != &channel_mark && (e->events != EPOLLOUT || !stream_send_out(k, mark)))
        stream_drop(k, mark); /* the client went away */
}

static void do_what_is_due(struct stream_holder *k) {
    if (k->send_ms && clock_monotonic_ms() >= k->send_ms)
        send_changes(k);
    if (clock_monotonic_ms() >= k->alive_ms) {
        keep_alive(k, time(NULL));
        unsent_drop_silent(&k->unsent);
        k->alive_ms = clock_monotonic_ms() + KEEP_ALIVE_MS;
    }
}

static void serve(struct stream_holder *k) {
    struct epoll_event events[64];
    int n = epoll_wait(k->epoll, events, 64, timeout(k));
    bool task_updates = false;

    watchdog_sign();
    for (int i = 0; i < n; i++)
        take_event(k, &events[i], &task_updates);
    /* From here on streams may go that are in `events`. */
    if (task_updates && k->tasks.fd >= 0)
        (void)task_updates_take(&k->tasks, stream_holder_send_update, k);
    if (k->wants_tasks && k->tasks.fd < 0 && clock_monotonic_ms() >= k->tasks.again_ms)
        stream_holder_resubscribe(k);
    take_messages(k); /* last: a new stream may get the memory of one that is in `events` */
    do_what_is_due(k);
}

/* After the last worker, or beside the next stream holder: what readers still take, and nothing
 * else. If the master was killed, nobody but the alarm would end a process that hangs. */
static void send_remaining(struct stream_holder *k, pid_t master) {
    struct pollfd ready = {.fd = k->unsent.epoll, .events = POLLIN};
    bool orphaned = false;

    if (k->tasks.fd >= 0)
        close(k->tasks.fd); /* which ends the task watcher */
    while (k->unsent.count) {
        if (!orphaned && getppid() != master) {
            orphaned = true;
            (void)alarm(WORKER_STUCK_S);
        }
        watchdog_sign();
        if (poll(&ready, 1, WATCHDOG_EVERY_MS) == 1)
            unsent_send(&k->unsent);
        unsent_drop_silent(&k->unsent);
    }
}

static int open_signals(void) {
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void watch_catalogs(struct stream_holder *k, const struct config *config) {
    const char *const dirs[] = {config->tools_dir, config->resources_dir, config->prompts_dir};
    char path[SUBSCRIPTION_PATH_MAX];

    for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++)
        if (subscription_folder_path(dirs[i], path))
            folder_watch_add(&k->folders, path, strlen(path), true);
}

_Noreturn void stream_holder_main(const struct config *config, struct scoreboard *board,
                                  int channel, pid_t master) {
    struct stream_holder *k = xcalloc(1, sizeof *k);
    struct rlimit files;

    if (!getrlimit(RLIMIT_NOFILE, &files)) {
        files.rlim_cur = files.rlim_max; /* each stream is a descriptor */
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    k->board = board;
    k->channel = channel;
    task_subscriptions_init(&k->tasks, config);
    k->head.next = k->head.prev = &k->head;
    k->epoll = epoll_create1(EPOLL_CLOEXEC);
    k->signals = open_signals();
    if (!unsent_init(&k->unsent))
        k->unsent.epoll = -1; /* which stream_holder_add reports */
    stream_holder_add(k, k->unsent.epoll, &unsent_mark, EPOLLIN);
    stream_holder_add(k, k->channel, &channel_mark, EPOLLIN);
    if (!folder_watch_open(&k->folders))
        k->folders.fd = -1; /* which stream_holder_add takes for what it is */
    stream_holder_add(k, k->folders.fd, &inotify_mark, EPOLLIN);
    stream_holder_add(k, k->signals, &signal_mark, EPOLLIN);
    watch_catalogs(k, config);
    board->catalog++; /* what changed while nobody watched */
    k->alive_ms = clock_monotonic_ms() + KEEP_ALIVE_MS;
    while (!k->stopping)
        serve(k);
    end_all(k);
    send_remaining(k, master);
    exit(0);
}
