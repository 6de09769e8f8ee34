/* Private part of instance.h: the daemon's side. */
#include "runner/instance.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "runner/client.h"
#include "runner/packet.h"

#define ANSWER_MS 1000
#define AGAIN_MS 20 /* after no answer */

/* A process keeps its connections, one to each runner that it has asked: programs of one user must
 * not get into the pool of another's. One that was forked has its own. */
#define CONNECTIONS_MAX 16 /* of more runners, the one that was connected first gives way */
static struct {
    pid_t owner;
    unsigned next;
    struct connection {
        char *runner; /* runner_chosen; NULL: this place is free */
        int fd, queue[INSTANCE_QUEUE_FDS];
    } all[CONNECTIONS_MAX];
} pools;

static void disconnect(struct connection *c) {
    if (c->runner && pools.owner == getpid()) {
        (void)close(c->fd);
        descriptors_close(c->queue, INSTANCE_QUEUE_FDS);
    }
    free(c->runner);
    *c = (struct connection){0};
}

/* To the chosen runner; NULL: there is none. */
static struct connection *find(void) {
    const bool is_forked = pools.owner != getpid();

    for (unsigned i = 0; i < CONNECTIONS_MAX; i++)
        if (is_forked) /* the parent's, and closed in this process: child.h */
            disconnect(&pools.all[i]);
        else if (pools.all[i].runner && !strcmp(pools.all[i].runner, runner_chosen()))
            return &pools.all[i];
    pools.owner = getpid();
    return NULL;
}

/* An answer of exactly this size. */
static bool receive(int fd, struct packet *p) {
    struct pollfd readable = {.fd = fd, .events = POLLIN};

    return poll(&readable, 1, ANSWER_MS) > 0 && packet_receive(fd, p) == (ssize_t)p->size;
}

/* With `count` descriptors if it says INSTANCE_FOUND. */
static bool receive_found(int fd, struct instance_answer *answer, int *fds, unsigned count) {
    struct packet p = {answer, sizeof *answer, fds, count, 0};

    if (receive(fd, &p) && answer->version == INSTANCE_VERSION &&
        p.fd_count == (answer->found == INSTANCE_FOUND ? count : 0))
        return true;
    descriptors_close(fds, p.fd_count);
    return false;
}

static struct connection *connect_pool(void) {
    struct connection *c = &pools.all[pools.next], new = {.fd = runner_ask(RUN_INSTANCES)};
    struct instance_answer answer;

    if (new.fd < 0)
        return NULL;
    if (!receive_found(new.fd, &answer, new.queue, INSTANCE_QUEUE_FDS)) {
        (void)close(new.fd);
        return NULL;
    }
    pools.next = (pools.next + 1) % CONNECTIONS_MAX;
    disconnect(c);
    new.runner = xstrdup(runner_chosen());
    *c = new;
    return c;
}

/* Waits while the pool has too much to read. */
static bool send_request(const struct connection *c, const struct instance_request *r,
                         const int *fds, unsigned count) {
    struct pollfd writable = {.fd = c->fd, .events = POLLOUT};

    while (!packet_send(c->fd, r, sizeof *r, fds, count))
        if (errno != EAGAIN || poll(&writable, 1, ANSWER_MS) <= 0)
            return false;
    return true;
}

/* Connects once more if the connection is broken, as after a restart of the runner. NULL: nobody
 * was asked. */
static struct connection *ask(enum instance_request_kind kind, const struct instance_key *key,
                              const int *fds, unsigned count) {
    const struct instance_request r = {INSTANCE_VERSION, kind, *key};
    struct connection *c = find();

    if (c && send_request(c, &r, fds, count))
        return c;
    if (c)
        disconnect(c);
    c = connect_pool();
    return c && send_request(c, &r, fds, count) ? c : NULL;
}

static bool receive_answer(struct connection *c, struct instance_answer *answer, int *fds,
                           unsigned count) {
    if (receive_found(c->fd, answer, fds, count))
        return true;
    disconnect(c); /* a late answer must not be taken for the next one */
    return false;
}

bool instance_server_state(uint32_t number, struct server_state *out) {
    const struct instance_key key = {.call_ms = number};
    struct connection *c = ask(INSTANCE_STATE, &key, NULL, 0);
    struct packet p = {out, sizeof *out, NULL, 0, 0};

    if (c && receive(c->fd, &p))
        return *out->name;
    if (c)
        disconnect(c); /* a late answer must not be taken for the next one */
    return false;
}

bool instance_queue_take(int queue, struct instance_request *out, int fds[INSTANCE_FDS]) {
    struct packet p = {out, sizeof *out, fds, INSTANCE_FDS, 0};

    if (packet_receive(queue, &p) == sizeof *out && p.fd_count == INSTANCE_FDS)
        return true;
    descriptors_close(fds, p.fd_count);
    return false;
}

static bool may_answer(const struct instance_request *given, const struct instance_key *key,
                       int run) {
    struct run_answer ended;

    return !memcmp(given->key.id, key->id, sizeof key->id) &&
           !memcmp(given->key.revision, key->revision, sizeof key->revision) &&
           !run_answer_take(run, &ended);
}

static void give_to_pool(const struct instance_request *given, const int fds[INSTANCE_FDS]) {
    (void)ask(INSTANCE_GIVE, &given->key, fds, INSTANCE_FDS);
    descriptors_close(fds, INSTANCE_FDS);
}

/* Others that it meets in the queue, and those that have ended, go to the pool. */
static bool take_from_queue(const struct instance_key *key, int fds[INSTANCE_FDS]) {
    struct instance_request given;
    const struct connection *c;

    while ((c = find()) && instance_queue_take(c->queue[QUEUE_OUT], &given, fds)) {
        if (may_answer(&given, key, fds[INSTANCE_RUN]))
            return true;
        give_to_pool(&given, fds);
    }
    return false;
}

bool instance_take(const struct instance_key *key, int fds[INSTANCE_FDS]) {
    struct instance_answer answer;
    struct run_answer ended;
    struct connection *c;

    if (take_from_queue(key, fds))
        return true;
    while ((c = ask(INSTANCE_TAKE, key, NULL, 0)) &&
           receive_answer(c, &answer, fds, INSTANCE_FDS) && answer.found == INSTANCE_FOUND) {
        if (!run_answer_take(fds[INSTANCE_RUN], &ended))
            return true;
        descriptors_close(fds, INSTANCE_FDS);
    }
    return false;
}

/* If the queue is full, what was given first goes to the pool. */
bool instance_give(const struct instance_key *key, const int fds[INSTANCE_FDS]) {
    const struct instance_request r = {INSTANCE_VERSION, INSTANCE_GIVE, *key};
    struct instance_request first;
    int its[INSTANCE_FDS];
    const struct connection *c = find();

    for (c = c ? c : connect_pool(); c; c = find()) {
        if (packet_send(c->queue[QUEUE_IN], &r, sizeof r, fds, INSTANCE_FDS))
            return true;
        if (!instance_queue_take(c->queue[QUEUE_OUT], &first, its))
            break;
        give_to_pool(&first, its);
    }
    return ask(INSTANCE_GIVE, key, fds, INSTANCE_FDS);
}

enum instance_found instance_call(const struct instance_key *key, int *fd, uint32_t *wait_ms) {
    struct connection *c = ask(INSTANCE_CALL, key, NULL, 0);
    struct instance_answer answer = {0};

    *wait_ms = 0;
    if (!c)
        return INSTANCE_BACK_OFF;
    if (!receive_answer(c, &answer, fd, 1)) { /* the runner has much to do, or begins anew */
        *wait_ms = AGAIN_MS;
        return INSTANCE_STARTING;
    }
    *wait_ms = answer.wait_ms;
    return answer.found;
}

bool instance_start(const struct instance_key *key, const int fds[INSTANCE_FDS]) {
    return ask(INSTANCE_START, key, fds, INSTANCE_FDS);
}

bool instance_renew_service(const struct instance_key *key, int file) {
    return ask(INSTANCE_SERVICE, key, &file, 1);
}
