/* What the process that holds streams takes: messages of workers, with and without a connection,
 * updates of tasks, and names of files that changed. An input is a sequence of steps: what it is,
 * two bytes of length, and the bytes. */
#include "input.h"
#include <sys/eventfd.h>

#include "runner/packet.h"
#include "standalone.h"

/* For how it reads: what is public never returns. */
#include "server/stream_holder.c"

#define STEPS_MAX 64
#define CONNECTIONS_MAX 16
#define FCGI_VERSION_1 1
#define HALF_TAKEN                                                                                 \
    65536 /* bytes after which a peer may have been let go in the middle of a record */

struct connection {
    int fd; /* the peer's end */
    const char *first;
    size_t first_len;
};

struct run {
    struct arena *a;
    struct stream_holder *h;
    int channel, tasks, resume, keeper; /* our ends */
    struct connection connections[CONNECTIONS_MAX];
    size_t count;
};

static int lowest_free(void) {
    int fd = dup(STDERR_FILENO);

    MUST(fd >= 0 && !close(fd));
    return fd;
}

/* What it watches stays from one input to the next: closing an inotify descriptor takes long. */
static struct stream_holder *the_holder(void) {
    static struct config_sites none;
    static const struct site_set sites = {.config = &none};
    static struct stream_holder h = {.streams = TAILQ_HEAD_INITIALIZER(h.streams), .sites = &sites};

    if (h.board)
        return &h;
    for (size_t i = 0; i < STREAM_USER_BUCKETS; i++)
        TAILQ_INIT(&h.users[i]);
    MUST(h.board = memory_shared(sizeof *h.board));
    MUST((h.epoll = epoll_create1(EPOLL_CLOEXEC)) >= 0);
    MUST((h.folders.fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) >= 0);
    return &h;
}

static void begin(struct run *r) {
    int channel[2], tasks[2], resume[2], keeper[2];
    struct stream_holder *h = r->h;

    MUST(!socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, channel));
    MUST(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, tasks));
    MUST(!socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, resume));
    parked_calls_open(&h->parked, resume[0]);
    r->resume = resume[1];
    MUST(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, keeper));
    h->parked.keeper.fd = keeper[0]; /* no process is started */
    r->keeper = keeper[1];
    h->channel = channel[0];
    r->channel = channel[1];
    h->tasks = (struct task_subscriptions){.fd = tasks[0],
                                           .restart_ms = INT64_MAX}; /* no process is started */
    r->tasks = tasks[1];
}

/* What came is what was said to come first, and then whole records. */
static void check_connection(const struct connection *c) {
    static char got[4 << 20];
    size_t len = 0, at;
    ssize_t n;

    while (len < sizeof got && (n = recv(c->fd, got + len, sizeof got - len, MSG_DONTWAIT)) > 0)
        len += (size_t)n;
    close(c->fd);
    at = len < c->first_len ? len : c->first_len;
    MUST(!memcmp(got, c->first, at));
    while (len < HALF_TAKEN && at < len) {
        MUST(len - at >= 8 && got[at] == FCGI_VERSION_1);
        at += 8 + ((size_t)(uint8_t)got[at + 4] << 8) + (uint8_t)got[at + 5] + (uint8_t)got[at + 6];
        MUST(at <= len);
    }
}

/* What workers get back is whole, and so is what is kept. */
static void take_parked(struct run *r) {
    struct stream_message m;
    uint64_t kept[4];
    int fds[PARKED_ALL_FDS];
    struct packet packet = {kept, sizeof kept, fds, PARKED_ALL_FDS, 0};

    while (packet_receive(r->keeper, &packet) > 0) {
        MUST(*kept && packet.fd_count <= 2);
        while (packet.fd_count)
            MUST(!close(fds[--packet.fd_count]));
    }
    while (stream_channel_receive(r->resume, &m)) {
        MUST(m.kind == STREAM_MESSAGE_PARKED && m.parked.fds[PARKED_FILE] >= 0);
        for (unsigned i = 0; i < PARKED_ALL_FDS; i++)
            MUST(m.parked.fds[i] < 0 || !close(m.parked.fds[i]));
    }
}

static void end(struct run *r) {
    end_all(r->h, getppid());
    MUST(!r->h->count && !r->h->board->streams);
    while (r->h->parked.count) {
        take_parked(r);
        parked_calls_serve(&r->h->parked);
    }
    take_parked(r);
    close(r->h->parked.epoll);
    close(r->h->parked.resume);
    close(r->resume);
    close(r->h->parked.keeper.fd);
    close(r->keeper);
    for (size_t i = 0; i < r->count; i++)
        check_connection(&r->connections[i]);
    free(r->h->tasks.in);
    close(r->h->channel);
    close(r->channel);
    if (r->h->tasks.fd >= 0)
        close(r->h->tasks.fd);
    close(r->tasks);
}

/* A worker's message: its own bytes, whatever they say. */
static void send_message(struct run *r, const char *p, size_t len, bool with_connection) {
    struct iovec part = {(void *)(uintptr_t)p, len};
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct stream_header l;
    int ends[2];

    if (with_connection) {
        struct cmsghdr *c;

        MUST(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
        m.msg_control = &control;
        m.msg_controllen = sizeof control;
        c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof *ends);
        memcpy(CMSG_DATA(c), ends, sizeof *ends);
        r->connections[r->count] = (struct connection){ends[1], "", 0};
        if (len >= sizeof l) {
            memcpy(&l, p, sizeof l);
            if (l.records_len <= len - sizeof l)
                r->connections[r->count] =
                    (struct connection){ends[1], p + sizeof l, l.records_len};
        }
        r->count++;
    }
    MUST(sendmsg(r->channel, &m, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)len);
    if (with_connection)
        close(ends[0]);
    receive_messages(r->h);
}

/* The same of a parked call: the first byte says how many descriptors it brings. */
static void send_parked(struct run *r, const char *p, size_t len) {
    struct iovec part = {(void *)(uintptr_t)(p + 1), len ? len - 1 : 0};
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};
    size_t count = len ? (uint8_t)*p % (PARKED_ALL_FDS - 1) + 2 : 0;
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(PARKED_ALL_FDS * sizeof(int))];
    } control = {0};
    int fds[PARKED_ALL_FDS];
    struct cmsghdr *c;

    if (!len)
        return;
    for (size_t i = 0; i < count; i++)
        MUST((fds[i] = eventfd(i & 1, EFD_CLOEXEC)) >= 0);
    m.msg_control = &control;
    m.msg_controllen = CMSG_SPACE(count * sizeof *fds);
    c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(count * sizeof *fds);
    memcpy(CMSG_DATA(c), fds, count * sizeof *fds);
    MUST(sendmsg(r->channel, &m, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0);
    while (count)
        close(fds[--count]);
    receive_messages(r->h);
    parked_calls_keep_alive(&r->h->parked);
    take_parked(r);
}

static void take_step(struct run *r, char what, const char *p, size_t len) {
    static char path[] = "/fuzz";
    const struct folder folder = {.path = path};
    struct stream_holder *h = r->h;

    switch (what) {
    case 's': /* a stream */
        if (r->count < CONNECTIONS_MAX)
            send_message(r, p, len, true);
        break;
    case 'c': /* what streams of one key wait for changes */
        send_message(r, p, len, false);
        break;
    case 'p': /* a parked call */
        send_parked(r, p, len);
        break;
    case 'n': /* of tasks */
        if (h->tasks.fd < 0)
            break;
        MUST(send(r->tasks, p, len, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)len || !len);
        stream_holder_take_updates(h);
        break;
    case 'f': /* a file changed, or without a name its folder */
        if (len)
            record_change(h, &folder, arena_strndup(r->a, p, len));
        else
            add_change(h, SUBSCRIPTION_FOLDER, "/fuzz");
        send_changes(h);
        break;
    case 'a': /* comments are due, and streams that end */
        keep_alive(h, len ? (uint8_t)*p : 0);
        break;
    default:
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct run r = {.a = arena_new(ARENA_BYTES), .h = the_holder()};
    int before = lowest_free();

    (void)fuzz_folder(); /* nothing is logged */
    begin(&r);
    for (size_t i = 0; i < STEPS_MAX && size >= 3; i++) {
        size_t len = (size_t)data[1] << 8 | data[2];

        len = len < size - 3 ? len : size - 3;
        take_step(&r, (char)*data, (const char *)data + 3, len);
        data += 3 + len;
        size -= 3 + len;
    }
    end(&r);
    MUST(lowest_free() == before); /* every connection was closed */
    arena_free(r.a);
    return 0;
}
