/* Private part of stream_holder.h: calls that wait for a person (web/parked.h). Nothing that
 * arrives is read here: the call goes back to a worker, with all its descriptors. */
#include <sys/epoll.h>
#include <unistd.h>

#include "server/stream_holder.h"
#include "web/fcgi_conn.h"

#define PARKED_MAX 4096
#define PARKED_EACH_MAX 256 /* of one user */
#define READY_MAX 64

struct held_call {
    TAILQ_ENTRY(held_call) link;
    struct parked_list *list; /* in which it is */
    struct parked_call call;
    uint64_t kept;      /* its number in the keeper; 0: it has not */
    int64_t comment_ms; /* monotonic: when one is due */
};

void parked_calls_open(struct parked_calls *p, int resume) {
    *p = (struct parked_calls){
        .epoll = epoll_create1(EPOLL_CLOEXEC), .resume = resume, .keeper.fd = -1};
    TAILQ_INIT(&p->waiting);
    TAILQ_INIT(&p->asleep);
    TAILQ_INIT(&p->ready);
}

static void move(struct held_call *c, struct parked_list *to) {
    if (c->list)
        TAILQ_REMOVE(c->list, c, link);
    TAILQ_INSERT_TAIL(to, c, link);
    c->list = to;
}

/* What is watched: not the replay log and the file. */
static bool is_watched(unsigned fd) {
    return fd == PARKED_ANSWERS || fd == PARKED_CANCEL || fd == PARKED_CONNECTION;
}

/* It is for a worker now. */
static void make_ready(struct parked_calls *p, struct held_call *c) {
    /* close(2) does not remove a descriptor while another process has it, too (epoll(7)). */
    for (unsigned i = 0; c->list == &p->waiting && i < PARKED_ALL_FDS; i++)
        if (is_watched(i) && c->call.fds[i] >= 0)
            (void)epoll_ctl(p->epoll, EPOLL_CTL_DEL, c->call.fds[i], NULL);
    move(c, &p->ready);
}

static void watch(struct parked_calls *p, struct held_call *c) {
    struct epoll_event e = {.events = EPOLLIN | EPOLLRDHUP, .data.ptr = c};

    for (unsigned i = 0; i < PARKED_ALL_FDS; i++)
        if (is_watched(i) && c->call.fds[i] >= 0 &&
            epoll_ctl(p->epoll, EPOLL_CTL_ADD, c->call.fds[i], &e)) {
            c->call.message.refused = true; /* the host has no more memory for it */
            make_ready(p, c);
            return;
        }
}

static bool is_too_many(const struct parked_calls *p, const struct parked_message *m) {
    const struct held_call *c;
    size_t own = 0;

    TAILQ_FOREACH(c, &p->waiting, link)
    own += !strcmp(c->call.message.user, m->user);
    if (own < PARKED_EACH_MAX && p->count < PARKED_MAX)
        return false;
    log_warn("too_many_parked_calls", kvn("of_user", (int64_t)own),
             kvn("of_host", (int64_t)p->count));
    return true;
}

void parked_calls_add(struct parked_calls *p, const struct parked_call *call) {
    struct held_call *c = xcalloc(1, sizeof *c);

    c->call = *call;
    c->call.message.refused = !call->message.again && is_too_many(p, &call->message);
    c->comment_ms = clock_monotonic_ms() + call->message.keep_alive_ms;
    p->count++;
    c->kept = parked_keeper_add(&p->keeper, call);
    if (c->call.message.refused) {
        move(c, &p->ready);
    } else if (call->message.asleep) {
        move(c, &p->asleep);
    } else {
        move(c, &p->waiting);
        watch(p, c);
    }
}

static void drop(struct parked_calls *p, struct held_call *c) {
    make_ready(p, c);
    parked_keeper_remove(&p->keeper, c->kept);
    TAILQ_REMOVE(c->list, c, link);
    for (unsigned i = 0; i < PARKED_ALL_FDS; i++)
        descriptor_clear(&c->call.fds[i]);
    free(c);
    p->count--;
}

/* Reports when workers have made room. */
static void watch_room(struct parked_calls *p, bool full) {
    struct epoll_event e = {.events = EPOLLOUT};

    if (full != p->full)
        (void)epoll_ctl(p->epoll, full ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, p->resume, &e);
    p->full = full;
}

static void send_ready(struct parked_calls *p) {
    struct held_call *c;

    while ((c = TAILQ_FIRST(&p->ready))) {
        parked_keeper_remove(&p->keeper, c->kept);
        c->kept = 0;
        if (!stream_channel_send_parked(p->resume, &c->call, 0))
            break;
        drop(p, c);
    }
    watch_room(p, c != NULL);
}

static void wake_due(struct parked_calls *p, struct parked_list *list) {
    const int64_t now = clock_monotonic_ms();

    for (struct held_call *c = TAILQ_FIRST(list), *next; c; c = next) {
        next = TAILQ_NEXT(c, link);
        if (c->call.message.until_ms <= now)
            make_ready(p, c);
    }
}

void parked_calls_serve(struct parked_calls *p) {
    struct epoll_event events[READY_MAX];
    int n = epoll_wait(p->epoll, events, READY_MAX, 0);

    for (int i = 0; i < n; i++)
        if (events[i].data.ptr)
            make_ready(p, events[i].data.ptr);
    wake_due(p, &p->asleep);
    send_ready(p);
}

static void send_comment(struct parked_calls *p, struct held_call *c, int64_t now) {
    const struct parked_message *m = &c->call.message;
    const int fd = c->call.fds[PARKED_CONNECTION];

    if (fd < 0 || c->comment_ms > now)
        return;
    c->comment_ms = now + m->keep_alive_ms;
    if (fcgi_send_now(fd, m->id, SSE_COMMENT, sizeof SSE_COMMENT - 1, false))
        return;
    /* Without its connection, the worker will find that the client has disconnected. */
    make_ready(p, c);
    descriptor_clear(&c->call.fds[PARKED_CONNECTION]);
}

void parked_calls_keep_alive(struct parked_calls *p) {
    const int64_t now = clock_monotonic_ms();

    wake_due(p, &p->waiting);
    for (struct held_call *c = TAILQ_FIRST(&p->waiting), *next; c; c = next) {
        next = TAILQ_NEXT(c, link);
        send_comment(p, c, now);
    }
    send_ready(p);
}

void parked_calls_give_back(struct parked_calls *p) {
    struct held_call *c;

    while ((c = TAILQ_FIRST(&p->waiting)) || (c = TAILQ_FIRST(&p->asleep)))
        make_ready(p, c);
    send_ready(p);
}

void parked_calls_lose(struct parked_calls *p) {
    const size_t count = p->count;
    struct held_call *c;

    while ((c = TAILQ_FIRST(&p->waiting)) || (c = TAILQ_FIRST(&p->asleep)) ||
           (c = TAILQ_FIRST(&p->ready))) {
        parked_call_tell_lost(&c->call);
        drop(p, c);
    }
    if (count)
        log_warn("parked_calls_lost", kvn("calls", (int64_t)count));
}

int64_t parked_calls_due(const struct parked_calls *p) {
    const struct held_call *first = TAILQ_FIRST(&p->asleep); /* all of them sleep equally long */

    return first ? first->call.message.until_ms : INT64_MAX;
}
