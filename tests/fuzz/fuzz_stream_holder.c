/* What the process that holds streams takes: messages of workers, with and without a connection,
 * updates of tasks, and names of files that changed. An input is a sequence of steps: what it is,
 * two bytes of length, and the bytes. */
#include "input.h"
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
    int channel, tasks; /* our ends */
    struct connection connections[CONNECTIONS_MAX];
    size_t count;
};

static int lowest_free(void) {
    int fd = dup(STDERR_FILENO);

    MUST(fd >= 0 && !close(fd));
    return fd;
}

/* What it watches stays from one input to the next: giving up an inotify descriptor takes long. */
static struct stream_holder *the_holder(void) {
    static struct stream_holder h = {.head = {.next = &h.head, .prev = &h.head}};

    if (h.board)
        return &h;
    MUST(h.board = scoreboard_new());
    MUST((h.epoll = epoll_create1(EPOLL_CLOEXEC)) >= 0);
    MUST(folder_watch_open(&h.folders));
    return &h;
}

static void begin(struct run *r) {
    int channel[2], tasks[2];
    struct stream_holder *h = r->h;

    MUST(!socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, channel));
    MUST(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, tasks));
    h->channel = channel[0];
    r->channel = channel[1];
    h->tasks = (struct task_subscriptions){.fd = tasks[0],
                                           .again_ms = INT64_MAX}; /* no process is started */
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

static void end(struct run *r) {
    end_all(r->h);
    MUST(!r->h->count && !r->h->board->streams);
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
            if (l.first_len <= len - sizeof l)
                r->connections[r->count] = (struct connection){ends[1], p + sizeof l, l.first_len};
        }
        r->count++;
    }
    MUST(sendmsg(r->channel, &m, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)len);
    if (with_connection)
        close(ends[0]);
    take_messages(r->h);
}

static void take_step(struct run *r, char what, const char *p, size_t len) {
    struct stream_holder *h = r->h;

    switch (what) {
    case 's': /* a stream */
        if (r->count < CONNECTIONS_MAX)
            send_message(r, p, len, true);
        break;
    case 'c': /* what streams of one key wait for changes */
        send_message(r, p, len, false);
        break;
    case 'n': /* of tasks */
        if (h->tasks.fd < 0)
            break;
        MUST(send(r->tasks, p, len, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)len || !len);
        stream_holder_take_updates(h);
        break;
    case 'f': /* a file changed, or without a name its folder */
        if (len)
            file_changed(h, "/fuzz", arena_strndup(r->a, p, len));
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
