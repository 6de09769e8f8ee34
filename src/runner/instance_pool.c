/* Private part of instance.h: the process of the runner that has the idle instances. It waits for
 * nothing but its descriptors, and reads nothing of what programs print but what they leave in
 * stderr at their end. */
#include "runner/instance.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/param.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "runner/packet.h"
#include "runner/process.h"
#include "runner/relay_pool.h"

#define EVENTS_MAX 64
/* What an event is of: the lower bits, which no pointer has. */
#define TAG_BITS 2
enum { TAG_CLIENT = 1, TAG_RELAY };

#define KILL_MS 2000       /* after it was told to end: then nobody waits any more */
#define QUEUE_MS 200       /* that what was given back is in the queue */
#define CLIENTLESS_MS 3000 /* in which clients that have all given up waiting connect anew */

/* It ends in good order: its stdin is closed, and PROCESS_GRACE_MS later the runner is asked to end
 * it, which sends SIGTERM and then SIGKILL (client.h). */
enum state { FREE, IDLE, INPUT_CLOSED, STOPPING };

struct instance {
    enum state state;
    int fds[INSTANCE_FDS];
    struct instance_key key;
    uint64_t given;   /* the greatest was given last */
    int64_t until_ms; /* when the next state begins */
};

static struct pool {
    struct instance_sockets from_runner;
    int epoll, signals;
    int64_t queue_until_ms; /* INT64_MAX: an event will tell that something is in it */
    unsigned clients;
    int64_t needed_until_ms; /* if there are none */
    bool stopping;
    uint64_t gifts;
    unsigned used; /* instances from this one on are free */
    struct instance instances[INSTANCES_MAX];
} pool;

/* ---- one instance ---- */

/* A description that another process has too stays in the set after close(2): epoll(7). */
static void forget(struct instance *x) {
    (void)epoll_ctl(pool.epoll, EPOLL_CTL_DEL, x->fds[INSTANCE_RUN], NULL);
    for (int i = 0; i < INSTANCE_FDS; i++)
        descriptor_clear(&x->fds[i]);
    x->state = FREE;
}

/* What it wrote while it was idle, or since the call was answered. */
static void log_stderr(const struct instance *x) {
    char text[PROCESS_STDERR_MAX + 1], *save = NULL;
    ssize_t n = read(x->fds[INSTANCE_ERR], text, sizeof text - 1); /* does not wait: process.c */

    text[n > 0 ? n : 0] = 0;
    for (char *line = strtok_r(text, "\r\n", &save); line; line = strtok_r(NULL, "\r\n", &save))
        log_info("tool_stderr", kv("program", x->key.name), kv("text", line));
}

static void begin_end(struct instance *x) {
    descriptor_clear(&x->fds[INSTANCE_IN]);
    x->state = INPUT_CLOSED;
    x->until_ms = clock_monotonic_ms() + PROCESS_GRACE_MS;
}

/* The runner has said how it ended, or is gone. */
static void note_end(struct instance *x) {
    struct run_answer a = {0};

    if (!run_answer_take(x->fds[INSTANCE_RUN], &a))
        return; /* the event was of one that was here before */
    if (x->state == IDLE)
        log_warn("instance_ended", kv("program", x->key.name),
                 kv("how", a.end == RUN_SIGNALLED ? "signal"
                           : a.end == RUN_EXITED  ? "exit_status"
                                                  : "lost"),
                 kvn("code", a.code));
    log_stderr(x);
    forget(x);
}

/* Its time is over in this state. */
static void advance(struct instance *x) {
    switch (x->state) {
    case IDLE:
        begin_end(x);
        break;
    case INPUT_CLOSED:
        run_request_say(x->fds[INSTANCE_RUN], RUN_SAY_STOP);
        x->state = STOPPING;
        x->until_ms = clock_monotonic_ms() + KILL_MS;
        break;
    case STOPPING:
        forget(x);
        break;
    case FREE:
        break;
    }
}

/* ---- requests ---- */

/* Of those that may answer, the one that was given last, so that the others become idle for long.
 * Ends those of another revision. NULL: there is none. */
static struct instance *find(const struct instance_key *key) {
    struct instance *found = NULL;

    for (struct instance *x = pool.instances; x < pool.instances + pool.used; x++)
        if (x->state != IDLE || memcmp(x->key.id, key->id, sizeof key->id) != 0)
            continue;
        else if (memcmp(x->key.revision, key->revision, sizeof key->revision) != 0)
            begin_end(x);
        else if (!found || x->given > found->given)
            found = x;
    return found;
}

/* A free place. If there is none, ends the one that was idle longest. NULL: all are ending. */
static struct instance *find_place(void) {
    struct instance *oldest = NULL;

    for (struct instance *x = pool.instances; x < pool.instances + pool.used; x++)
        if (x->state == FREE)
            return x;
        else if (x->state == IDLE && (!oldest || x->given < oldest->given))
            oldest = x;
    if (pool.used < INSTANCES_MAX)
        return &pool.instances[pool.used++];
    if (oldest) {
        log_warn("limit_reached", kv("what", "instances"), kvn("limit", INSTANCES_MAX));
        forget(oldest);
    }
    return oldest;
}

static bool add_event(int fd, uint64_t what) {
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = what};

    return !epoll_ctl(pool.epoll, EPOLL_CTL_ADD, fd, &event);
}

static void give(const struct instance_key *key, const int fds[INSTANCE_FDS]) {
    struct instance *x = pool.stopping ? NULL : find_place();

    if (!x || !add_event(fds[INSTANCE_RUN], (uintptr_t)x)) {
        descriptors_close(fds, INSTANCE_FDS);
        return;
    }
    *x = (struct instance){.state = IDLE,
                           .key = *key,
                           .given = ++pool.gifts,
                           .until_ms = clock_monotonic_ms() + (int64_t)key->idle_s * 1000};
    x->key.name[sizeof x->key.name - 1] = 0;
    memcpy(x->fds, fds, sizeof x->fds);
}

/* Takes in all that nobody has taken. false: there was nothing. */
static bool empty_queue(void) {
    struct instance_request given;
    int fds[INSTANCE_FDS];
    bool any = false;

    for (; instance_queue_take(pool.from_runner.queue[QUEUE_OUT], &given, fds); any = true)
        give(&given.key, fds);
    return any;
}

static void take(int client, const struct instance_key *key) {
    struct instance_answer answer = {.version = INSTANCE_VERSION};
    struct instance *x;

    (void)empty_queue(); /* somebody may have given it since the client looked */
    x = find(key);
    answer.found = x ? INSTANCE_FOUND : INSTANCE_NONE;
    if (x)
        (void)epoll_ctl(pool.epoll, EPOLL_CTL_DEL, x->fds[INSTANCE_RUN], NULL);
    (void)packet_send(client, &answer, sizeof answer, x ? x->fds : NULL, x ? INSTANCE_FDS : 0);
    if (x)
        forget(x); /* if it was not sent, this was the last copy, and the program is killed */
}

/* While one after the other is given and taken, that wakes nobody. */
static void watch_queue(void) {
    struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT,
                                .data.ptr = pool.from_runner.queue};

    pool.queue_until_ms = INT64_MAX;
    (void)epoll_ctl(pool.epoll, EPOLL_CTL_MOD, pool.from_runner.queue[QUEUE_OUT], &event);
}

static void serve_queue(void) {
    if (pool.clients && !pool.stopping && clock_monotonic_ms() < pool.queue_until_ms)
        return;
    if (empty_queue())
        pool.queue_until_ms = clock_monotonic_ms() + QUEUE_MS;
    else
        watch_queue();
}

static void call_server(int client, const struct instance_key *key) {
    struct instance_answer answer = {.version = INSTANCE_VERSION};
    int fd = -1;

    answer.found = relay_pool_call(key, &fd, &answer.wait_ms);
    (void)packet_send(client, &answer, sizeof answer, &fd, answer.found == INSTANCE_FOUND);
    descriptor_close(fd);
}

static void tell_state(int client, uint32_t number) {
    struct server_state state = {0};

    (void)relay_pool_state(number, &state); /* without a name: there are no more */
    (void)packet_send(client, &state, sizeof state, NULL, 0);
}

static void start_server(const struct instance_key *key, const int fds[INSTANCE_FDS]) {
    struct relay_entry *x = pool.stopping ? NULL : relay_pool_start(key, fds);

    if (x)
        (void)add_event(x->control, (uintptr_t)x | TAG_RELAY);
    descriptors_close(fds, INSTANCE_FDS);
}

/* Closed: it has ended, or does not speak as we do. */
static void serve_client(int client) {
    int fds[INSTANCE_FDS];
    struct instance_request r;
    struct packet p = {&r, sizeof r, fds, INSTANCE_FDS, 0};
    ssize_t n = packet_receive(client, &p);
    const bool ok = n == sizeof r && r.version == INSTANCE_VERSION;

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (ok && r.kind == INSTANCE_TAKE && !p.fd_count)
        take(client, &r.key);
    else if (ok && r.kind == INSTANCE_CALL && !p.fd_count)
        call_server(client, &r.key);
    else if (ok && r.kind == INSTANCE_STATE && !p.fd_count)
        tell_state(client, r.key.call_ms);
    else if (ok && r.kind == INSTANCE_SERVICE && p.fd_count == 1) {
        relay_pool_renew_service(&r.key, fds[0]);
        (void)close(fds[0]);
    } else if (ok && r.kind == INSTANCE_GIVE && p.fd_count == INSTANCE_FDS)
        give(&r.key, fds);
    else if (ok && r.kind == INSTANCE_START && p.fd_count == INSTANCE_FDS)
        start_server(&r.key, fds);
    else {
        descriptors_close(fds, p.fd_count);
        (void)close(client);
        pool.clients--;
    }
}

static void accept_client(void) {
    char word;
    int client;
    struct packet p = {&word, sizeof word, &client, 1, 0};
    const struct instance_answer answer = {INSTANCE_VERSION, INSTANCE_FOUND, 0};

    if (packet_receive(pool.from_runner.connections, &p) <= 0 || !p.fd_count)
        return;
    if (packet_send(client, &answer, sizeof answer, pool.from_runner.queue, INSTANCE_QUEUE_FDS) &&
        add_event(client, (uint64_t)client << TAG_BITS | TAG_CLIENT))
        pool.clients++;
    else
        (void)close(client);
}

/* ---- the process ---- */

static bool open_pool(const struct instance_sockets *s) {
    struct epoll_event nothing = {0};
    sigset_t set;

    (void)signal(SIGCHLD, SIG_IGN); /* relays leave no zombies; their end is that of the control */
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    pool.from_runner = *s;
    pool.epoll = epoll_create1(EPOLL_CLOEXEC);
    pool.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK); /* blocked: runner.c */
    if (pool.epoll < 0 || pool.signals < 0 ||
        epoll_ctl(pool.epoll, EPOLL_CTL_ADD, s->queue[QUEUE_OUT], &nothing))
        return false;
    watch_queue();
    return add_event(s->connections, (uintptr_t)&pool.from_runner.connections) &&
           add_event(pool.signals, (uintptr_t)&pool.signals);
}

static void serve_event(const struct epoll_event *event) {
    struct signalfd_siginfo s;

    const uint64_t tag = event->data.u64 & ((1U << TAG_BITS) - 1);

    if (tag == TAG_CLIENT)
        serve_client((int)(event->data.u64 >> TAG_BITS));
    else if (tag == TAG_RELAY)
        relay_pool_event((struct relay_entry *)(uintptr_t)(event->data.u64 - tag));
    else if (event->data.ptr == &pool.from_runner.connections)
        accept_client();
    else if (event->data.ptr == pool.from_runner.queue)
        pool.queue_until_ms = clock_monotonic_ms() + QUEUE_MS;
    else if (event->data.ptr == &pool.signals)
        pool.stopping = pool.stopping || read(pool.signals, &s, sizeof s) > 0;
    else if (((struct instance *)event->data.ptr)->state != FREE)
        note_end(event->data.ptr);
}

/* Does what is due. Returns when the next is; INT64_MAX: nothing is. *count: of instances. */
static int64_t serve_instances(bool end_all, unsigned *count) {
    int64_t now = clock_monotonic_ms(), next;

    *count = 0;
    serve_queue();
    next = pool.queue_until_ms;
    while (pool.used && pool.instances[pool.used - 1].state == FREE)
        pool.used--;
    for (struct instance *x = pool.instances; x < pool.instances + pool.used; x++) {
        if (x->state != FREE && (x->until_ms <= now || (end_all && x->state == IDLE)))
            advance(x);
        if (x->state == FREE)
            continue;
        (*count)++;
        next = x->until_ms < next ? x->until_ms : next;
    }
    return next;
}

/* Until when the instances are needed; INT64_MAX: for ever. Without a client nobody will need them:
 * a daemon that has stopped leaves nothing behind. But when the machine has paused for longer than
 * clients wait for an answer, all of them connect anew (instance_client.c). */
static int64_t needed_until(void) {
    if (pool.stopping)
        return 0;
    if (pool.clients)
        pool.needed_until_ms = clock_monotonic_ms() + CLIENTLESS_MS;
    return pool.clients ? INT64_MAX : pool.needed_until_ms;
}

void instance_pool_main(const struct instance_sockets *s) {
    struct epoll_event events[EVENTS_MAX];
    unsigned count = 0;

    if (!open_pool(s)) {
        log_error("runner_failed", kv("why", strerror(errno)));
        _exit(1);
    }
    accept_client();
    for (;;) {
        const int64_t needed = needed_until();
        const bool end_all = needed <= clock_monotonic_ms();
        const int64_t due = serve_instances(end_all, &count);
        int n;

        if (end_all)
            relay_pool_retire_all();
        /* A connection that has come meanwhile stays in the socket, for the next pool. */
        if (needed != INT64_MAX && !count && !relay_pool_count())
            _exit(0);
        n = epoll_wait(pool.epoll, events, EVENTS_MAX,
                       clock_wait_ms(end_all ? due : MIN(due, needed), INT_MAX));
        for (int i = 0; i < n; i++)
            serve_event(&events[i]);
    }
}
