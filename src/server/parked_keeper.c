/* Private part of stream_holder.h: what parked calls become if the stream holder is killed. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runner/child.h"
#include "runner/packet.h"
#include "server/stream_holder.h"
#include "web/fcgi_conn.h"

#define TAKE_MS 1000 /* for a message: it does nothing but take them */
#define KEPT_FDS 2   /* the file, and the connection unless the client has disconnected */

/* With descriptors: keep them. Without: forget them. */
struct keep_message {
    uint64_t number;
    uint32_t id; /* of the FastCGI request */
    uint32_t unused;
};

void parked_call_tell_lost(const struct parked_call *call) {
    char text[PARKED_LOST_MAX];
    const size_t len = parked_read_lost(call->fds[PARKED_FILE], text);

    if (len && call->fds[PARKED_CONNECTION] >= 0)
        (void)fcgi_send_now(call->fds[PARKED_CONNECTION], call->message.id, text, len, true);
}

/* ---- the process ---- */

struct kept_call {
    LIST_ENTRY(kept_call) link;
    uint64_t number;
    struct parked_call call;
};
LIST_HEAD(kept_calls, kept_call);

static void keep(struct kept_calls *list, const struct keep_message *m, const int *fds,
                 unsigned count) {
    struct kept_call *c = xcalloc(1, sizeof *c);

    c->number = m->number;
    c->call.message.id = m->id;
    c->call.fds[PARKED_FILE] = fds[0];
    c->call.fds[PARKED_CONNECTION] = count > 1 ? fds[1] : -1;
    LIST_INSERT_HEAD(list, c, link);
}

static void forget(struct kept_call *c) {
    LIST_REMOVE(c, link);
    (void)close(c->call.fds[PARKED_FILE]);
    descriptor_clear(&c->call.fds[PARKED_CONNECTION]);
    free(c);
}

static void take(struct kept_calls *list, const struct keep_message *m, const int *fds,
                 unsigned count) {
    struct kept_call *c;

    if (count) {
        keep(list, m, fds, count);
        return;
    }
    LIST_FOREACH(c, list, link) {
        if (c->number == m->number) {
            forget(c);
            return;
        }
    }
}

/* If not, there was no room for descriptors that came: the calls go on without this process. */
static bool has_ended(int holder) {
    struct pollfd p = {.fd = holder};

    return poll(&p, 1, 0) > 0 && p.revents & POLLHUP;
}

/* Until the stream holder has ended. What is left then is lost. */
static _Noreturn void keeper_main(int holder) {
    struct kept_calls list = LIST_HEAD_INITIALIZER(list);
    struct pollfd p = {.fd = holder, .events = POLLIN};
    struct kept_call *c;
    struct keep_message m;
    int fds[KEPT_FDS];
    struct packet packet = {&m, sizeof m, fds, KEPT_FDS, 0};
    int64_t lost = 0;
    ssize_t n;

    while ((n = packet_receive(holder, &packet)) != 0)
        if (n == (ssize_t)sizeof m)
            take(&list, &m, fds, packet.fd_count);
        else
            (void)poll(&p, 1, -1);
    if (!has_ended(holder))
        _exit(0);
    while ((c = LIST_FIRST(&list))) {
        parked_call_tell_lost(&c->call);
        forget(c);
        lost++;
    }
    if (lost)
        log_warn("parked_calls_lost", kvn("calls", lost));
    _exit(0);
}

/* ---- the stream holder's side ---- */

static void start(struct parked_keeper *k) {
    struct child_start how = {.name = "mcp-parked"};
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
        return;
    how.keep[0] = ends[1];
    k->pid = child_fork(&how);
    if (k->pid == 0)
        keeper_main(ends[1]);
    (void)close(ends[1]);
    k->fd = ends[0];
}

/* One that has ended, or takes nothing, must not tell clients that calls are lost which go on. */
static void end(struct parked_keeper *k) {
    if (k->pid > 0) {
        (void)kill(k->pid, SIGKILL);
        while (waitpid(k->pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    (void)close(k->fd);
    *k = (struct parked_keeper){.fd = -1, .last = k->last};
}

static bool tell(struct parked_keeper *k, const struct keep_message *m, const int *fds,
                 unsigned count) {
    if (packet_send(k->fd, m, sizeof *m, fds, count) ||
        (errno == EAGAIN && descriptor_wait(k->fd, POLLOUT, clock_monotonic_ms() + TAKE_MS) &&
         packet_send(k->fd, m, sizeof *m, fds, count)))
        return true;
    end(k);
    return false;
}

uint64_t parked_keeper_add(struct parked_keeper *k, const struct parked_call *call) {
    const struct keep_message m = {.number = k->last + 1, .id = call->message.id};
    const int fds[KEPT_FDS] = {call->fds[PARKED_FILE], call->fds[PARKED_CONNECTION]};

    if (k->fd < 0)
        start(k);
    if (k->fd < 0 || !tell(k, &m, fds, fds[1] >= 0 ? 2 : 1))
        return 0;
    return k->last = m.number;
}

void parked_keeper_remove(struct parked_keeper *k, uint64_t number) {
    if (number && k->fd >= 0)
        (void)tell(k, &(struct keep_message){.number = number}, NULL, 0);
}
