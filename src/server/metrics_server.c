#include "server/metrics_server.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/base.h"
#include "base/watchdog.h"
#include "metrics/metrics.h"

#define REQUEST_LINE_MAX 512
#define DRAIN_MAX 16384  /* of what follows the request line */
#define EXCHANGE_MS 3000 /* for one connection in all */
#define PAUSE_US 100000

struct exchange {
    int fd;
    int64_t until; /* monotonic milliseconds */
};

/* false: the time is over, or nothing more will come. */
static bool wait_for(const struct exchange *x, short events) {
    int64_t left = x->until - clock_monotonic_ms();
    struct pollfd p = {.fd = x->fd, .events = events};

    return left > 0 && poll(&p, 1, (int)left) == 1;
}

/* The first line, without its end; false if there is none of a sane length. */
static bool read_line(const struct exchange *x, char line[REQUEST_LINE_MAX]) {
    size_t len = 0;

    while (len < REQUEST_LINE_MAX - 1 && wait_for(x, POLLIN)) {
        ssize_t n = recv(x->fd, line + len, REQUEST_LINE_MAX - 1 - len, MSG_DONTWAIT);

        if (n <= 0)
            return false;
        len += (size_t)n;
        line[len] = 0;
        if (strchr(line, '\n')) {
            line[strcspn(line, "\r\n")] = 0;
            return true;
        }
    }
    return false;
}

static void send_all(const struct exchange *x, const char *data, size_t len) {
    while (len > 0 && wait_for(x, POLLOUT)) {
        ssize_t n = send(x->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n < 0)
            return;
        data += n;
        len -= (size_t)n;
    }
}

/* A socket that is closed with something unread is reset, and the reply may be lost with it. */
static void finish(const struct exchange *x) {
    char rest[1024];
    size_t len = 0;
    ssize_t n;

    shutdown(x->fd, SHUT_WR);
    while (len < DRAIN_MAX && wait_for(x, POLLIN) &&
           (n = recv(x->fd, rest, sizeof rest, MSG_DONTWAIT)) > 0)
        len += (size_t)n;
}

static void reply(const struct exchange *x, const char *status, const char *headers,
                  const char *body, size_t len) {
    char head[256];
    int n = snprintf(head, sizeof head,
                     "HTTP/1.0 %s\r\n%sContent-Length: %zu\r\nConnection: close\r\n\r\n", status,
                     headers, len);

    send_all(x, head, (size_t)n);
    send_all(x, body, len);
}

static void refuse(const struct exchange *x, const char *status, const char *headers) {
    reply(x, status, headers, "", 0);
}

static void answer(const struct exchange *x) {
    char *body = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&body, &len);

    if (!f) {
        refuse(x, "503 Service Unavailable", "");
        return;
    }
    metrics_text(f);
    if (fclose(f) == 0)
        reply(x, "200 OK", "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n", body, len);
    free(body);
}

static void serve(int fd) {
    static const char path[] = "/metrics";
    const struct exchange x = {fd, clock_monotonic_ms() + EXCHANGE_MS};
    char line[REQUEST_LINE_MAX];
    const char *target;
    size_t n;

    if (!read_line(&x, line)) {
        refuse(&x, "400 Bad Request", "");
    } else if (strncmp(line, "GET ", 4) != 0) {
        refuse(&x, "405 Method Not Allowed", "Allow: GET\r\n");
    } else {
        target = line + 4;
        n = strcspn(target, " ?");
        if (n == sizeof path - 1 && strncmp(target, path, n) == 0)
            answer(&x);
        else
            refuse(&x, "404 Not Found", "");
    }
    finish(&x);
}

static void accept_one(int listener) {
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd >= 0) {
        serve(fd);
        close(fd);
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        usleep(PAUSE_US);
    }
}

_Noreturn void metrics_server_main(int listener) {
    struct pollfd p = {.fd = listener, .events = POLLIN};

    (void)signal(SIGPIPE, SIG_IGN);
    for (;;) {
        int ready = poll(&p, 1, WATCHDOG_INTERVAL_MS);

        watchdog_heartbeat();
        if (ready == 1)
            accept_one(listener);
    }
}
