#include "runner/relay_client.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/param.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runner/packet.h"

#define READ_BYTES 16384

/* ---- connections that are kept ---- */

static struct {
    pid_t owner; /* a process that was forked has its own */
    unsigned next;
    struct relay_connection all[RELAY_KEPT_MAX];
} kept;

static void forget(struct relay_connection *c) {
    free(c->runner);
    *c = (struct relay_connection){0};
}

void relay_connection_close(struct relay_connection *c) {
    (void)close(c->fd);
    forget(c);
}

struct relay_connection *relay_connection_find(const struct instance_key *key) {
    const bool is_forked = kept.owner != getpid();

    for (struct relay_connection *c = kept.all; c < kept.all + RELAY_KEPT_MAX; c++)
        if (is_forked) /* the parent's, and closed in this process: child.h */
            forget(c);
        else if (c->runner && !memcmp(c->id, key->id, sizeof c->id) &&
                 !memcmp(c->revision, key->revision, sizeof c->revision) &&
                 !strcmp(c->runner, runner_chosen()))
            return c;
    if (is_forked)
        kept.owner = getpid();
    return NULL;
}

/* A free one, or the next in turn. */
static struct relay_connection *find_place(void) {
    struct relay_connection *c = kept.all;

    while (c < kept.all + RELAY_KEPT_MAX && c->runner)
        c++;
    if (c < kept.all + RELAY_KEPT_MAX)
        return c;
    c = &kept.all[kept.next];
    kept.next = (kept.next + 1) % RELAY_KEPT_MAX;
    relay_connection_close(c);
    return c;
}

struct relay_connection *relay_connection_make(const struct instance_key *key, int fd) {
    struct relay_connection *c = find_place();

    *c = (struct relay_connection){.runner = xstrdup(runner_chosen()), .fd = fd};
    memcpy(c->id, key->id, sizeof c->id);
    memcpy(c->revision, key->revision, sizeof c->revision);
    return c;
}

/* ---- a request ---- */

struct exchange {
    struct relay_connection *connection;
    const struct relay_exchange *spec;
    struct text left; /* of the request */
    int64_t renew_ms; /* when the next line is due; INT64_MAX: none is */
    bool is_renewed;  /* such a line was sent: so was the whole request */
    bool is_refused;  /* nobody reads it any more; there may be something to read */
    struct buf in;
};

static void send_some(struct exchange *x) {
    const int fd = x->connection->fd;
    ssize_t n;

    if (x->spec->file >= 0 && x->left.len == x->spec->request.len &&
        packet_send(fd, x->left.p, x->left.len, &x->spec->file, 1))
        n = (ssize_t)x->left.len;
    else /* without its file the relay refuses it */
        n = send(fd, x->left.p, x->left.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n > 0)
        x->left = (struct text){x->left.p + n, x->left.len - (size_t)n};
    x->is_refused = n < 0 && errno != EAGAIN && errno != EINTR;
}

/* The complete lines; what was there before `fresh` has no end of one. false: one is too long. */
static bool pass_lines(struct exchange *x, size_t fresh) {
    char *from = x->in.p, *end, *behind = x->in.p + x->in.len, *search = from + fresh;
    bool ok = true;

    while (ok && !*x->spec->answered && (end = memchr(search, '\n', (size_t)(behind - search)))) {
        ok = (size_t)(end - from) <= RELAY_MESSAGE_MAX;
        x->connection->has_spoken = true;
        if (ok)
            x->spec->on_line(x->spec->arg, from, (size_t)(end - from));
        from = search = end + 1;
    }
    x->in.len = (size_t)(behind - from);
    memmove(x->in.p, from, x->in.len);
    return ok && x->in.len <= RELAY_MESSAGE_MAX;
}

/* Reads once. false: the exchange is over. */
static bool receive(struct exchange *x, enum exchange_end *end) {
    char chunk[READ_BYTES];
    const ssize_t n = recv(x->connection->fd, chunk, sizeof chunk, MSG_DONTWAIT);
    const size_t fresh = x->in.len;

    if (n <= 0) {
        /* It was reset: the other end was closed before it had read all that was sent, unix(7). */
        *end = !x->connection->has_spoken || (!x->is_renewed && (x->left.len || n < 0))
                   ? EXCHANGE_UNREAD
                   : EXCHANGE_LOST;
        return n < 0 && (errno == EAGAIN || errno == EINTR);
    }
    buf_add(&x->in, chunk, (size_t)n);
    *end = !pass_lines(x, fresh) ? EXCHANGE_TOO_LONG : EXCHANGE_ANSWERED;
    return *end == EXCHANGE_ANSWERED && !*x->spec->answered;
}

/* The relay has spoken, so it reads the request, and is not sent it again by mistake when it resets
 * the connection because of this line. */
static void renew_if_due(struct exchange *x) {
    const int64_t now = clock_monotonic_ms();

    if (now < x->renew_ms)
        return;
    x->renew_ms = now + x->spec->renew_ms;
    if (x->left.len || !x->connection->has_spoken)
        return;
    x->left = x->spec->renew(x->spec->arg);
    x->is_renewed = true;
    send_some(x);
}

static enum exchange_end serve(struct exchange *x) {
    const struct waiter *waiter = &x->spec->waiter;
    enum exchange_end end;
    int wait;

    while ((wait = waiter_wait_ms(waiter, x->spec->until_ms)) > 0) {
        const short out = x->left.len && !x->is_refused ? POLLOUT : 0;
        struct pollfd fds[] = {{.fd = x->connection->fd, .events = POLLIN | out},
                               {.fd = waiter->watch ? *waiter->watch : -1, .events = POLLIN}};
        const int ready = poll(fds, 2, MIN(wait, clock_wait_ms(x->renew_ms, INT_MAX)));

        renew_if_due(x);
        if (ready <= 0)
            continue; /* EINTR; anything else ends at the deadline */
        if (fds[0].revents & POLLOUT)
            send_some(x);
        if (fds[0].revents & ~POLLOUT && !receive(x, &end))
            return end;
        if (fds[1].revents && waiter_must_stop(waiter))
            return EXCHANGE_CANCELLED;
    }
    return wait ? EXCHANGE_CANCELLED : EXCHANGE_TIMED_OUT;
}

enum exchange_end relay_exchange(struct arena *a, struct relay_connection *c,
                                 const struct relay_exchange *spec) {
    struct exchange x = {.connection = c,
                         .spec = spec,
                         .left = spec->request,
                         .renew_ms =
                             spec->renew ? clock_monotonic_ms() + spec->renew_ms : INT64_MAX};
    enum exchange_end end;

    buf_init(&x.in, a, RELAY_MESSAGE_MAX + READ_BYTES);
    if (x.left.len)
        send_some(&x);
    end = serve(&x);
    c->is_broken = x.left.len;
    if (end != EXCHANGE_ANSWERED)
        relay_connection_close(c);
    return end;
}
