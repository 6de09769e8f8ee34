/* What a metrics scraper sends, over a socket pair: it gets exactly one answer. */
#include <sys/socket.h>

#include "input.h"
#include "standalone.h"

/* For one exchange: the rest accepts connections without end. */
#include "server/metrics_export.c"

#define INPUT_MAX 20000
#define ANSWER_MAX ((size_t)1 << 20)

static size_t read_answer(int fd, char *into) {
    size_t len = 0;
    ssize_t n;

    while (len < ANSWER_MAX && (n = recv(fd, into + len, ANSWER_MAX - len, 0)) > 0)
        len += (size_t)n;
    into[len] = 0;
    return len;
}

/* Only GET of /metrics gets figures. */
static bool wants_metrics(const char *line) {
    static const char start[] = "GET /metrics";

    return !strncmp(line, start, sizeof start - 1) && strchr(" ?\r\n", line[sizeof start - 1]);
}

static void check_answer(const char *request, const char *answer, size_t len) {
    const char *body = strstr(answer, "\r\n\r\n"), *length = strstr(answer, "Content-Length: ");

    MUST(!strncmp(answer, "HTTP/1.0 ", 9) && body && length && length < body);
    body += 4;
    MUST(strtoul(length + 16, NULL, 10) == len - (size_t)(body - answer));
    MUST(strncmp(answer + 9, "200", 3) != 0 || (wants_metrics(request) && *body));
    if (wants_metrics(request) && strcspn(request, "\n") < 200 && strchr(request, '\n'))
        MUST(!strncmp(answer + 9, "200", 3));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    int ends[2], room = 1 << 21;
    struct arena *a;
    char *answer_text;
    size_t len;

    if (size > INPUT_MAX)
        return 0;
    a = arena_new(ARENA_BYTES);
    answer_text = arena_alloc(a, ANSWER_MAX + 1);
    MUST(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
    (void)setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    (void)setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    MUST(!size || send(ends[0], data, size, MSG_NOSIGNAL) == (ssize_t)size);
    MUST(!shutdown(ends[0], SHUT_WR));
    serve(ends[1]);
    MUST(!close(ends[1]));
    len = read_answer(ends[0], answer_text);
    MUST(!close(ends[0]));
    check_answer(arena_strndup(a, (const char *)data, size), answer_text, len);
    arena_free(a);
    return 0;
}
