/* Opens streams and waits, for `make bench-streams`: one process that reads when all has arrived,
 * and takes the times of arrival from the kernel, so that what is measured is not the reader: in
 * use it is another machine. streams_client PORT[,PORT…] STREAMS REQUESTS The streams are spread
 * over the ports. REQUESTS is a file of HTTP requests with a NUL byte after each; they are sent in
 * turn, an equal share of the streams each. Prints `open MS` when every stream has its
 * acknowledgement. After each byte on its standard input it waits for a changed list of tools, and
 * prints `first EPOCH_MS` and `told EPOCH_MS` when the first one, and when every stream has heard
 * of it. Ends when its standard input does. Says on stderr what goes wrong, such as a stream that
 * ends or no progress for PROGRESS_MS, and exits with 1. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define OPENING_MAX 50    /* streams that wait for their acknowledgement */
#define PROGRESS_MS 20000 /* without an event while streams are being opened */
#define REQUESTS_MAX 1024
#define SERVERS_MAX 16
#define READY_MAX 16384
#define READ_AFTER_US 400000 /* since the first of them was told */
#define FIRST_SHOWN 400      /* bytes of an answer that is no stream */

enum state { CONNECTING, ASKED, OPEN, TOLD };

static const char *const awaited[] = {
    [ASKED] = "subscriptions/acknowledged", [OPEN] = "tools/list_changed"};

struct stream {
    int fd;
    enum state state;
    unsigned matched; /* bytes of what is awaited */
    unsigned request;
};

static struct {
    int epoll;
    struct sockaddr_in servers[SERVERS_MAX];
    unsigned server_count, count, started, opening, told, open;
    int64_t first_told_ms, last_told_ms;
    struct stream *streams;
    const char *requests[REQUESTS_MAX];
    unsigned request_count;
} client;

static int64_t now_ms(void) {
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static _Noreturn void give_up(const char *what, const char *detail) {
    fprintf(stderr, "streams_client: %s%s%s; %u of %u streams are open, %u were told\n", what,
            *detail ? ": " : "", detail, client.open, client.count, client.told);
    exit(1);
}

static void read_requests(const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    char *text;

    if (fd < 0 || fstat(fd, &st) || st.st_size == 0)
        give_up(path, strerror(errno));
    text = calloc(1, (size_t)st.st_size + 1);
    if (!text || read(fd, text, (size_t)st.st_size) != st.st_size)
        give_up(path, "cannot be read");
    close(fd);
    for (char *p = text; p < text + st.st_size && client.request_count < REQUESTS_MAX;
         p += strlen(p) + 1)
        client.requests[client.request_count++] = p;
}

static void start_stream(void) {
    struct stream *s = &client.streams[client.started];
    struct epoll_event event = {.events = EPOLLOUT, .data.ptr = s};

    const struct sockaddr_in *server = &client.servers[client.started % client.server_count];

    s->request = (unsigned)((uint64_t)client.started * client.request_count / client.count);
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->fd < 0)
        give_up("socket", strerror(errno));
    if (connect(s->fd, (const struct sockaddr *)server, sizeof *server) && errno != EINPROGRESS)
        give_up("connect", strerror(errno));
    epoll_ctl(client.epoll, EPOLL_CTL_ADD, s->fd, &event);
    client.started++;
    client.opening++;
}

static void send_request(struct stream *s) {
    const char *request = client.requests[s->request];
    /* Edge-triggered, or the kernel would ask each socket again after it was read. */
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.ptr = s};
    int error = 0;

    getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &(socklen_t){sizeof error});
    if (error)
        give_up("connect", strerror(error));
    if (write(s->fd, request, strlen(request)) != (ssize_t)strlen(request))
        give_up("a request was not sent at once", "");
    s->state = ASKED;
    setsockopt(s->fd, SOL_SOCKET, SO_TIMESTAMPNS, &(int){1}, sizeof(int));
    epoll_ctl(client.epoll, EPOLL_CTL_MOD, s->fd, &event);
}

/* Reads what has arrived, and sets the time when the last of it did, in ms since 1970. */
static ssize_t receive(int fd, char *part, size_t size, int64_t *arrived_ms) {
    union {
        char bytes[CMSG_SPACE(sizeof(struct timespec))];
        struct cmsghdr align;
    } control;
    struct iovec data = {part, size};
    struct msghdr m = {.msg_iov = &data,
                       .msg_iovlen = 1,
                       .msg_control = control.bytes,
                       .msg_controllen = sizeof control.bytes};
    ssize_t n = recvmsg(fd, &m, 0);

    *arrived_ms = 0;
    for (struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&m) : NULL; c; c = CMSG_NXTHDR(&m, c)) {
        struct timespec t;

        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPNS)
            continue;
        memcpy(&t, CMSG_DATA(c), sizeof t);
        *arrived_ms = (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
    }
    return n;
}

/* Does what is awaited end in these bytes? It begins again only at a byte like its first one, which
 * is enough for the two texts. */
static bool heard(struct stream *s, const char *p, size_t n) {
    const char *text = awaited[s->state];

    for (size_t i = 0; i < n; i++) {
        s->matched = p[i] == text[s->matched] ? s->matched + 1 : p[i] == text[0];
        if (!text[s->matched])
            return true;
    }
    return false;
}

static void check_first(const struct stream *s, char *part, size_t n) {
    const bool begins = s->state == ASKED && !s->matched && !strncmp(part, "HTTP/1.1 ", 9);

    if (begins && (strncmp(part + 9, "200", 3) != 0 || !strstr(part, "text/event-stream"))) {
        part[FIRST_SHOWN < n ? FIRST_SHOWN : n] = 0;
        give_up("the answer is no stream", part);
    }
}

static void note_told(int64_t arrived_ms) {
    if (!arrived_ms)
        give_up("the kernel gave no time of arrival", "");
    if (client.told == 0 || arrived_ms < client.first_told_ms)
        client.first_told_ms = arrived_ms;
    if (client.told == 0 || arrived_ms > client.last_told_ms)
        client.last_told_ms = arrived_ms;
    if (++client.told < client.count)
        return;
    printf("first %lld\ntold %lld\n", (long long)client.first_told_ms,
           (long long)client.last_told_ms);
    fflush(stdout);
}

static void read_stream(struct stream *s) {
    char part[8192];
    int64_t arrived_ms;
    ssize_t n = receive(s->fd, part, sizeof part - 1, &arrived_ms);

    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0)
        give_up("a stream ended", n ? strerror(errno) : "");
    if (n == sizeof part - 1)
        give_up("more arrived at once than a stream is sent", "");
    part[n] = 0;
    check_first(s, part, (size_t)n);
    if (s->state == TOLD || !heard(s, part, (size_t)n))
        return;
    s->matched = 0;
    if (s->state == ASKED) {
        s->state = OPEN;
        client.opening--;
        client.open++;
    } else {
        s->state = TOLD;
        note_told(arrived_ms);
    }
}

static void await_next_change(void) {
    char byte;

    if (read(STDIN_FILENO, &byte, 1) != 1)
        exit(0);
    client.told = 0;
    for (unsigned i = 0; i < client.count; i++)
        client.streams[i].state = OPEN;
}

static void serve(int wait_ms) {
    static struct epoll_event events[READY_MAX];
    int n = epoll_wait(client.epoll, events, READY_MAX, wait_ms);

    if (n == 0)
        give_up("nothing was opened or heard for 20 s", "");
    for (int i = 0; i < n; i++) {
        struct stream *s = events[i].data.ptr;

        if (!s)
            await_next_change();
        else if (s->state == CONNECTING)
            send_request(s);
        else
            read_stream(s);
    }
}

int main(int argc, char **argv) {
    struct epoll_event input = {.events = EPOLLIN, .data.ptr = NULL};
    struct rlimit files;
    int64_t began;
    char needed[64];

    client.count = argc == 4 ? (unsigned)strtoul(argv[2], NULL, 10) : 0;
    if (!client.count) {
        fputs("usage: streams_client PORT[,PORT...] STREAMS REQUESTS\n", stderr);
        return 2;
    }
    read_requests(argv[3]);
    for (char *port = strtok(argv[1], ","); port && client.server_count < SERVERS_MAX;
         port = strtok(NULL, ","))
        client.servers[client.server_count++] =
            (struct sockaddr_in){.sin_family = AF_INET,
                                 .sin_port = htons((uint16_t)strtoul(port, NULL, 10)),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    snprintf(needed, sizeof needed, "%u descriptors are needed", client.count + 16);
    if (files.rlim_max < client.count + 16)
        give_up("the hard limit of open files (ulimit -Hn) is too low", needed);
    client.streams = calloc(client.count, sizeof *client.streams);
    client.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!client.streams || client.epoll < 0 ||
        epoll_ctl(client.epoll, EPOLL_CTL_ADD, STDIN_FILENO, &input))
        give_up("out of memory, or standard input is a file", "");

    began = now_ms();
    while (client.open < client.count) {
        while (client.started < client.count && client.opening < OPENING_MAX)
            start_stream();
        serve(PROGRESS_MS);
    }
    printf("open %lld\n", (long long)(now_ms() - began));
    fflush(stdout);
    for (;; usleep(READ_AFTER_US))
        serve(-1);
}
