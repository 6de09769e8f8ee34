#include "runner/client.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/param.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "runner/child.h"
#include "runner/packet.h"

#define FULL_PAUSE_MS 5 /* the queue of its socket is full */
#define FULL_TRIES 400

static struct sockaddr_un address = {.sun_family = AF_UNIX};

void runner_use(const char *path, int connector) {
    if (path)
        (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    else /* the kernel follows it to the socket, which has no other name: proc(5) */
        (void)snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d", connector);
    child_keep_always(path ? -1 : connector);
}

static const char *chosen = "";

void runner_choose(const char *path) {
    chosen = path;
}

const char *runner_chosen(void) {
    return chosen;
}

/* Does not block: connect(2) on a full queue says EAGAIN. */
static int connect_runner(void) {
    struct sockaddr_un to = address;
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -1;
    if (*chosen)
        (void)snprintf(to.sun_path, sizeof to.sun_path, "%s", chosen);
    for (int i = 0; i < FULL_TRIES; i++) {
        if (!connect(fd, (const struct sockaddr *)&to, sizeof to))
            return fd;
        if (errno != EAGAIN && errno != EINTR)
            break;
        clock_sleep_ms(FULL_PAUSE_MS);
    }
    descriptor_close(fd);
    return -1;
}

/* Connects, and sends the first message. -1: errno. */
static int connect_with(const void *message, size_t len, const int *fds, unsigned count) {
    int conn = connect_runner();

    if (conn >= 0 && !packet_send(conn, message, len, fds, count))
        descriptor_clear(&conn);
    return conn;
}

int runner_ask(enum run_kind kind) {
    const struct run_question question = {RUN_VERSION, kind};

    return connect_with(&question, sizeof question, NULL, 0);
}

int run_request_send(const struct run_request *r, const int *fds) {
    static char message[RUN_REQUEST_MAX]; /* not on the stack of each call */
    const size_t len = run_request_encode(r, message);

    if (len)
        return connect_with(message, len, fds, 3 + r->secrets);
    errno = E2BIG;
    return -1;
}

int waiter_wait_ms(const struct waiter *w, int64_t until_ms) {
    const int left = clock_wait_ms(until_ms, INT_MAX),
              tick = w->before_wait ? w->before_wait(w->before_wait_arg) : INT_MAX;

    return left && tick < 0 ? -1 : MIN(MAX(tick, 1), left);
}

bool waiter_must_stop(const struct waiter *w) {
    return !w->must_stop || w->must_stop(w->must_stop_arg);
}

void run_request_say(int conn, enum run_word word) {
    const char byte = (char)word;

    (void)send(conn, &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

int run_answer_take(int conn, struct run_answer *out) {
    ssize_t n = recv(conn, out, sizeof *out, MSG_DONTWAIT);
    bool is_reset = n < 0 && errno == ECONNRESET;

    /* What was said too late to be received is told before the answer that has come. */
    if (is_reset)
        n = recv(conn, out, sizeof *out, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n >= 0)
        errno = is_reset ? ECONNRESET : 0;
    return n == sizeof *out && out->version == RUN_VERSION ? 1 : -1;
}

/* 0, or an errno. */
static int await_state(int conn, int wait_ms, struct run_state *out) {
    struct pollfd p = {.fd = conn, .events = POLLIN};
    int ready = poll(&p, 1, wait_ms);
    ssize_t n = ready > 0 ? recv(conn, out, sizeof *out, MSG_DONTWAIT) : -1;

    if (ready <= 0 || n < 0)
        return ready ? errno : ETIMEDOUT;
    if (!n) /* it does not serve this user */
        return ECONNRESET;
    return n == sizeof *out && out->version == RUN_VERSION ? 0 : EPROTO;
}

bool runner_ask_state(int wait_ms, struct run_state *out) {
    int conn = runner_ask(RUN_STATE), why;

    if (conn < 0)
        return false;
    why = await_state(conn, wait_ms, out);
    (void)close(conn);
    errno = why;
    return !why;
}

const char *run_state_text(const struct run_state *s, char out[RUN_STATE_TEXT_MAX]) {
    char landlock[32] = "no Landlock";

    if (s->landlock)
        (void)snprintf(landlock, sizeof landlock, "Landlock (ABI %u)", s->landlock);
    (void)snprintf(out, RUN_STATE_TEXT_MAX, "%s, %s, %s", landlock,
                   s->notify ? "seccomp notifications" : "no seccomp notifications",
                   !s->cgroups            ? "no control groups"
                   : s->memory && s->pids ? "control groups with memory and pids"
                                          : "control groups without memory or pids");
    return out;
}
