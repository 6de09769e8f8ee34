#include "server/stream_holder.h"

#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/param.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "base/watchdog.h"
#include "server/server.h"

#define STREAMS_MAX 16384
#define STREAMS_USER_MAX 256
#define KEEP_ALIVE_MS 20000 /* between comments: proxies end what is silent for a minute */
/* An editor writes a file in several steps, and who installs some writes several files: */
#define QUIET_MS 5          /* changes are sent when there are no more for so long */
#define CHANGES_WAIT_MS 100 /* and after so long all the same */

/* ---- folders that are watched ---- */

/* Of a file at an absolute path. */
static void watch_folder_of(struct stream_holder *h, const char *path, size_t len) {
    const char *slash = memrchr(path, '/', len);

    folder_watch_add(&h->folders, path, slash > path ? (size_t)(slash - path) : 1, FOLDER_FILES);
}

/* The folders of the files that a stream waits for. */
static void watch_files(struct stream_holder *h, const struct stream *s) {
    struct text list = s->subscriptions;
    struct subscription file;

    while (subscription_next(&list, &file)) {
        if (file.kind == SUBSCRIPTION_FILE && file.argument.len && *file.argument.p == '/')
            watch_folder_of(h, file.argument.p, file.argument.len);
    }
}

static void schedule_send(struct stream_holder *h) {
    const int64_t now = clock_monotonic_ms();

    if (!h->send_ms)
        h->changed_ms = now;
    h->send_ms = MIN(now + QUIET_MS, h->changed_ms + CHANGES_WAIT_MS);
}

static void add_change(struct stream_holder *h, enum subscription_kind kind, const char *path) {
    for (size_t i = 0; i < h->change_count; i++)
        if (h->changes[i].kind == kind && !strcmp(h->changes[i].path, path))
            return;
    if (h->change_count < CHANGES_MAX)
        h->changes[h->change_count++] = (struct change){kind, xstrdup(path)};
    schedule_send(h);
}

/* Another folder is at the path: reports each file in it that a stream waits for. */
static void all_files_changed(struct stream_holder *h, const char *dir) {
    size_t len = strlen(dir);

    for (const struct stream *s = TAILQ_FIRST(&h->streams); s; s = TAILQ_NEXT(s, link)) {
        struct text list = s->subscriptions;
        struct subscription file;

        while (subscription_next(&list, &file)) {
            const struct text path = file.argument;
            char copy[PATH_MAX];

            if (file.kind == SUBSCRIPTION_FILE && path.len > len + 1 && path.len < sizeof copy &&
                !memcmp(path.p, dir, len) && path.p[len] == '/' &&
                !memchr(path.p + len + 1, '/', path.len - len - 1)) {
                memcpy(copy, path.p, path.len);
                copy[path.len] = 0;
                add_change(h, SUBSCRIPTION_FILE, copy);
            }
        }
    }
}

/* The path of a manifest, or of its folder. */
static void add_manifest(struct stream_holder *h, const char *path) {
    for (size_t i = 0; i < h->manifest_count; i++)
        if (!strcmp(h->manifests[i], path))
            return;
    if (h->manifest_count < MANIFESTS_MAX)
        h->manifests[h->manifest_count++] = xstrdup(path);
    else
        h->many_manifests = true;
}

/* Before the events: a client that asks then must get the new lists. */
static void announce_manifests(struct stream_holder *h) {
    if (h->many_manifests)
        manifest_changes_add(&h->board->manifests, "");
    while (h->manifest_count) {
        char *path = h->manifests[--h->manifest_count];

        if (!h->many_manifests)
            manifest_changes_add(&h->board->manifests, path);
        free(path);
    }
    h->many_manifests = false;
}

/* ACCESS_FILE, which several sites may have, decides what a site's lists show. */
static void record_rules(struct stream_holder *h, const char *file) {
    const struct config_sites *sites = h->sites->config;
    char path[SUBSCRIPTION_PATH_MAX];

    add_manifest(h, file);
    for (size_t i = 0; i < sites->count; i++) {
        const struct config *c = sites->all[i].config;
        const char *const dirs[] = {c->tools_dir, c->resources_dir, c->prompts_dir, c->skills_dir};

        for (size_t n = 0;
             h->watched[i] && !strcmp(c->access_file, file) && n < sizeof dirs / sizeof *dirs; n++)
            if (subscription_folder_path(dirs[n], path))
                add_change(h, SUBSCRIPTION_FOLDER, path);
    }
}

/* The name "": another folder is at the path. */
static void record_change(void *arg, const struct folder *f, const char *name) {
    struct stream_holder *h = arg;
    char path[PATH_MAX + NAME_MAX + 2];

    if (f->kind == FOLDER_OF_FILE) {
        record_rules(h, f->path);
    } else if (f->kind != FOLDER_FILES) {
        add_change(h, SUBSCRIPTION_FOLDER, f->path);
        if (!*name)
            add_manifest(h, f->path);
        else if (snprintf(path, sizeof path, "%s/%s", f->path, name) < (int)sizeof path)
            add_manifest(h, path);
    } else if (!*name) {
        all_files_changed(h, f->path);
    } else if (snprintf(path, sizeof path, "%s/%s", f->path, name) < (int)sizeof path) {
        add_change(h, SUBSCRIPTION_FILE, path);
    }
}

static void read_inotify(struct stream_holder *h) {
    _Alignas(struct inotify_event) char buf[16384];
    ssize_t n;

    while ((n = read(h->folders.fd, buf, sizeof buf)) > 0)
        for (char *p = buf; p < buf + n;) {
            const struct inotify_event *e = (const void *)p;

            folder_watch_take(&h->folders, e, record_change, h);
            p += sizeof *e + e->len;
        }
    if (h->folders.stale)
        schedule_send(h);
}

/* ---- the streams ---- */

/* Ends the oldest stream of a user who has as many as are allowed: its client has most likely
 * disconnected, and otherwise opens another one. */
static void make_room_for_user(struct stream_holder *h, struct text subscriptions) {
    struct stream *oldest = NULL, *s;
    struct subscription user;
    size_t count = 0;

    if (!subscription_find(subscriptions, SUBSCRIPTION_USER, &user))
        return;
    TAILQ_FOREACH(s, &h->users[stream_user_bucket(user.argument)], of_user)
    if (text_equal(s->user, user.argument) && !count++)
        oldest = s;
    if (count < STREAMS_USER_MAX)
        return;
    log_info("oldest_stream_ended", kvn("streams", (int64_t)count),
             kv("why", "one user has no more at once"));
    stream_end(h, oldest);
}

static void hold_stream(struct stream_holder *h, const struct stream_message *m) {
    const size_t records_len = m->header.records_len;
    const struct text subscriptions = {m->p + records_len, m->len - records_len};
    struct stream *s;

    if (h->count == STREAMS_MAX) {
        log_warn("too_many_streams", kvn("streams", (int64_t)h->count));
        stream_end_at_once(&(struct fcgi_detached){m->fd, m->header.id, m->p, records_len},
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
    if (!stream_send_first(h, s, m->p, records_len)) /* after the watch is set */
        stream_drop(h, s);
}

/* Replaces the subscriptions of the streams that have the same key, or ends them. */
static void change_streams(struct stream_holder *h, struct text subscriptions) {
    struct subscription key, user;

    if (!subscription_find(subscriptions, SUBSCRIPTION_KEY, &key))
        return;
    for (struct stream *s = TAILQ_FIRST(&h->streams), *next; s; s = next) {
        next = TAILQ_NEXT(s, link);
        if (!s->key.p || !text_equal(s->key, key.argument))
            continue;
        if (subscription_find(subscriptions, SUBSCRIPTION_USER, &user)) {
            stream_set_subscriptions(h, s, subscriptions);
            watch_files(h, s);
        } else {
            stream_end(h, s);
        }
    }
}

static void receive_messages(struct stream_holder *h) {
    struct stream_message m;

    while (stream_channel_receive(h->channel, &m))
        if (m.kind == STREAM_MESSAGE_STREAM)
            hold_stream(h, &m);
        else if (m.kind == STREAM_MESSAGE_REPLACE)
            change_streams(h, (struct text){m.p, m.len});
        else if (m.kind == STREAM_MESSAGE_PARKED)
            parked_calls_add(&h->parked, &m.parked);
        else
            unsent_add(&h->unsent, m.fd, m.file, &m.unsent);
    parked_calls_serve(&h->parked);
    if (!h->stopping) /* otherwise the next stream holder writes it */
        h->board->parked = (unsigned)h->parked.count;
}

/* One change may be of several things: all lists change with what an MCP server offers. false: the
 * peer has disconnected, or does not read. */
static bool send_changes_to(struct stream_holder *h, struct stream *s) {
    size_t sent = 0;

    for (size_t i = 0; i < h->change_count; i++) {
        const struct text path = text_of(h->changes[i].path);
        struct text list = s->subscriptions;
        struct subscription found = {0};

        while (subscription_next_argument(&list, h->changes[i].kind, path, &found))
            if (!stream_send_event(h, s, sent++, found.text))
                return false;
    }
    return true;
}

static void send_changes(struct stream_holder *h) {
    folder_watch_renew(&h->folders, record_change, h); /* first: later changes cause events */
    announce_manifests(h);
    h->send_ms = 0;
    for (struct stream *s = TAILQ_FIRST(&h->streams), *next; s; s = next) {
        next = TAILQ_NEXT(s, link);
        if (!s->superseded && !send_changes_to(h, s))
            stream_drop(h, s);
    }
    while (h->change_count)
        free(h->changes[--h->change_count].path);
}

static void keep_alive(struct stream_holder *h, int64_t now_s) {
    for (struct stream *s = TAILQ_FIRST(&h->streams), *next; s; s = next) {
        next = TAILQ_NEXT(s, link);
        if (s->until_s <= now_s)
            stream_end(h, s);
        else if (s->out ? s->slow : !stream_send_now(h, s, SSE_COMMENT, sizeof SSE_COMMENT - 1))
            stream_drop(h, s);
        else
            s->slow = s->out != NULL;
    }
}

/* At the end, also of streams that workers have sent but that are not yet received. */
static void end_all(struct stream_holder *h, pid_t master) {
    receive_messages(h);
    while (!TAILQ_EMPTY(&h->streams))
        stream_end(h, TAILQ_FIRST(&h->streams));
    if (h->board->stopping || getppid() != master) /* there is no next stream holder */
        parked_calls_lose(&h->parked);
    else
        parked_calls_give_back(&h->parked); /* workers give them to it */
}

static int timeout(const struct stream_holder *h) {
    int64_t due = h->send_ms && h->send_ms < h->keep_alive_ms ? h->send_ms : h->keep_alive_ms;

    if (h->wants_tasks && h->tasks.fd < 0 && h->tasks.restart_ms < due)
        due = h->tasks.restart_ms;
    return clock_wait_ms(MIN(due, parked_calls_due(&h->parked)), WATCHDOG_INTERVAL_MS);
}

/* *task_updates: there are some, for later. */
static void handle_event(struct stream_holder *h, const struct epoll_event *e, bool *task_updates) {
    void *data = e->data.ptr; /* one of our own descriptors, or a stream */

    if (data == &h->folders.fd)
        read_inotify(h);
    else if (data == &h->signals)
        h->stopping = true;
    else if (data == &h->tasks.fd)
        *task_updates = true;
    else if (data == &h->unsent.epoll)
        unsent_send(&h->unsent);
    else if (data != &h->channel && data != &h->parked.epoll &&
             (e->events != EPOLLOUT || !stream_send_out(h, data)))
        stream_drop(h, data); /* the client has disconnected */
}

static void run_timers(struct stream_holder *h) {
    if (h->send_ms && clock_monotonic_ms() >= h->send_ms)
        send_changes(h);
    if (clock_monotonic_ms() >= h->parked_ms) {
        parked_calls_keep_alive(&h->parked);
        h->parked_ms = clock_monotonic_ms() + WATCHDOG_INTERVAL_MS;
    }
    if (clock_monotonic_ms() >= h->keep_alive_ms) {
        keep_alive(h, time(NULL));
        unsent_drop_silent(&h->unsent);
        h->keep_alive_ms = clock_monotonic_ms() + KEEP_ALIVE_MS;
    }
}

/* A change before the watch began causes no event. If there has been another stream holder, or
 * workers have read the manifests before, nobody knows what was missed. */
static void watch_catalog(struct stream_holder *h, const struct config *config) {
    char path[SUBSCRIPTION_PATH_MAX], lists[SUBSCRIPTION_PATH_MAX];
    const char *const dirs[] = {config->tools_dir,  config->resources_dir, config->prompts_dir,
                                config->skills_dir, config->servers_dir,   lists};
    bool changed = h->board->manifests.count || h->sites->entries;

    (void)snprintf(lists, sizeof lists, "%s/servers", config->state_dir);
    for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++)
        if (subscription_folder_path(dirs[i], path)) {
            const bool is_tree = dirs[i] == config->skills_dir;

            folder_watch_add(&h->folders, path, strlen(path),
                             is_tree ? FOLDER_TREE : FOLDER_MANIFESTS);
            changed = changed || folder_has_changed(path, h->board->manifests.read_ms);
            if (h->sites->entries || is_tree)
                manifest_changes_add(&h->board->manifests, path);
        }
    if (*config->access_file) {
        folder_watch_add(&h->folders, config->access_file, strlen(config->access_file),
                         FOLDER_OF_FILE);
        manifest_changes_add(&h->board->manifests, config->access_file); /* since it was read */
    }
    if (changed && !h->sites->entries)
        manifest_changes_add(&h->board->manifests, "");
}

/* Of the only site at once; of several, when a worker has opened them. */
static void watch_catalogs(struct stream_holder *h) {
    const struct config_sites *sites = h->sites->config;

    for (size_t i = 0; i < sites->count; i++)
        if (!h->watched[i] && (!h->sites->entries || h->sites->opened[i])) {
            watch_catalog(h, sites->all[i].config);
            h->watched[i] = true;
        }
}

static void serve(struct stream_holder *h) {
    struct epoll_event events[64];
    int n = epoll_wait(h->epoll, events, 64, timeout(h));
    bool task_updates = false;

    watchdog_heartbeat();
    for (int i = 0; i < n; i++)
        handle_event(h, &events[i], &task_updates);
    /* From here on streams that are in `events` may be freed. */
    if (task_updates && h->tasks.fd >= 0)
        stream_holder_take_updates(h);
    if (h->wants_tasks && h->tasks.fd < 0 && clock_monotonic_ms() >= h->tasks.restart_ms)
        stream_holder_resubscribe(h);
    if (h->sites->entries)
        watch_catalogs(h);
    receive_messages(h); /* last: a new stream may get the memory of a freed one */
    run_timers(h);
}

/* After the last worker has ended, or beside the next stream holder: sends only what is unsent, and
 * gives parked calls back as fast as workers take them. If the master was killed, the alarm ends a
 * process that hangs. */
static void send_remaining(struct stream_holder *h, pid_t master) {
    struct pollfd ready[] = {{.fd = h->unsent.epoll, .events = POLLIN},
                             {.fd = h->parked.epoll, .events = POLLIN}};
    bool orphaned = false;

    descriptor_clear(&h->tasks.fd); /* which ends the task watcher */
    while (h->unsent.count || h->parked.count) {
        if (!orphaned && getppid() != master) {
            orphaned = true;
            (void)alarm(WORKER_STUCK_S);
        }
        watchdog_heartbeat();
        (void)poll(ready, 2, WATCHDOG_INTERVAL_MS);
        unsent_send(&h->unsent);
        parked_calls_serve(&h->parked);
        unsent_drop_silent(&h->unsent);
    }
}

static int open_signals(void) {
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void add_input(struct stream_holder *h, int *fd) {
    stream_holder_add(h, *fd, fd, EPOLLIN);
}

_Noreturn void stream_holder_main(const struct site_set *sites, struct scoreboard *board,
                                  int channel, int resume, pid_t master) {
    struct stream_holder *h = xcalloc(1, sizeof *h);

    h->board = board;
    h->channel = channel;
    h->tasks = (struct task_subscriptions){.sites = sites, .fd = -1};
    h->sites = sites;
    h->watched = xcalloc(sites->config->count, sizeof *h->watched);
    TAILQ_INIT(&h->streams);
    for (size_t i = 0; i < STREAM_USER_BUCKETS; i++)
        TAILQ_INIT(&h->users[i]);
    h->epoll = epoll_create1(EPOLL_CLOEXEC);
    h->signals = open_signals();
    h->unsent.epoll = epoll_create1(EPOLL_CLOEXEC);
    h->folders.fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    parked_calls_open(&h->parked, resume);
    add_input(h, &h->parked.epoll);
    add_input(h, &h->unsent.epoll); /* which reports what could not be opened */
    add_input(h, &h->channel);
    add_input(h, &h->folders.fd);
    add_input(h, &h->signals);
    watch_catalogs(h);
    h->keep_alive_ms = clock_monotonic_ms() + KEEP_ALIVE_MS;
    while (!h->stopping)
        serve(h);
    end_all(h, master);
    send_remaining(h, master);
    exit(0);
}
