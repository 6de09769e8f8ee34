/* An HTTP server on loopback in a process of its own: it plays answers in order (the last one
 * repeatedly) and records the requests. */
#ifndef LOOPBACK_H
#define LOOPBACK_H

#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define LOOPBACK_TEXT_MAX 65536
#define LOOPBACK_MOST 16 /* connections, answers, recorded requests */
#define HANGS "hangs"    /* an answer that never comes */
#define RESETS "resets"  /* an answer that is a broken connection */

struct loopback {
    /* Set by the test while the server has nothing to do. */
    char answers[LOOPBACK_MOST][LOOPBACK_TEXT_MAX];
    unsigned answer_count;
    /* Set by the server before it answers. */
    char requests[LOOPBACK_MOST][LOOPBACK_TEXT_MAX];
    unsigned request_count, connection_count;
    int port;
    pid_t pid;
};

/* Reads one request, whose body has a Content-Length if there is one; false at the end. */
static inline bool loopback_read(int fd, char *text) {
    size_t len = 0;

    for (;;) {
        char *end, *length;
        ssize_t got = read(fd, text + len, LOOPBACK_TEXT_MAX - 1 - len);

        if (got <= 0)
            return false;
        len += (size_t)got;
        text[len] = 0;
        if (!(end = strstr(text, "\r\n\r\n")))
            continue;
        length = strcasestr(text, "\r\nContent-Length:");
        if (!length || length > end ||
            len >= (size_t)(end + 4 - text) + strtoul(length + 17, NULL, 10))
            return true;
    }
}

/* False if the connection is to be closed. */
static inline bool loopback_serve(struct loopback *l, int fd) {
    static char text[LOOPBACK_TEXT_MAX];
    unsigned n = l->request_count;
    const char *answer;

    if (!loopback_read(fd, text))
        return false;
    memcpy(l->requests[n % LOOPBACK_MOST], text, sizeof text);
    l->request_count++;
    answer = l->answers[n < l->answer_count ? n : l->answer_count - 1];
    if (!strcmp(answer, RESETS)) {
        const struct linger now = {1, 0};
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
        return false;
    }
    if (!strcmp(answer, HANGS))
        return read(fd, text, 1) > 0;
    return write(fd, answer, strlen(answer)) == (ssize_t)strlen(answer);
}

static inline void loopback_run(struct loopback *l, int listener) {
    struct pollfd fds[LOOPBACK_MOST + 1] = {{listener, POLLIN, 0}};
    nfds_t count = 1;

    while (poll(fds, count, -1) >= 0) {
        for (nfds_t i = count - 1; i > 0; i--) {
            if (!fds[i].revents || loopback_serve(l, fds[i].fd))
                continue;
            close(fds[i].fd);
            fds[i] = fds[--count];
        }
        if (fds[0].revents && count <= LOOPBACK_MOST) {
            fds[count++] = (struct pollfd){accept(listener, NULL, NULL), POLLIN, 0};
            l->connection_count++;
        }
    }
}

static inline struct loopback *loopback_start(void) {
    struct loopback *l =
        mmap(NULL, sizeof *l, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof addr;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (l == MAP_FAILED || bind(fd, (struct sockaddr *)&addr, len) || listen(fd, LOOPBACK_MOST) ||
        getsockname(fd, (struct sockaddr *)&addr, &len))
        abort();
    l->port = ntohs(addr.sin_port);
    pid_t pid = fork(); /* not into what both share: the child's own answer is 0 */
    if (pid < 0)
        abort();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        loopback_run(l, fd);
        _exit(0);
    }
    l->pid = pid;
    close(fd);
    return l;
}

static inline void loopback_stop(struct loopback *l) {
    kill(l->pid, SIGKILL);
    waitpid(l->pid, NULL, 0);
    munmap(l, sizeof *l);
}

/* Forgets what was asked, and plays nothing until there are answers again. */
static inline void loopback_reset(struct loopback *l) {
    l->answer_count = l->request_count = l->connection_count = 0;
}

/* The next answer: a status line's end such as "200 OK", header lines (each with its CRLF), body.
 */
static inline void loopback_answer(struct loopback *l, const char *status, const char *headers,
                                   const char *body) {
    assert_true(l->answer_count < LOOPBACK_MOST);
    snprintf(l->answers[l->answer_count++], LOOPBACK_TEXT_MAX,
             "HTTP/1.1 %s\r\n%sContent-Length: %zu\r\n\r\n%s", status, headers, strlen(body), body);
}

static inline void loopback_fault(struct loopback *l, const char *which) {
    assert_true(l->answer_count < LOOPBACK_MOST);
    snprintf(l->answers[l->answer_count++], LOOPBACK_TEXT_MAX, "%s", which);
}

#endif
