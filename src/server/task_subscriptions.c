#include "server/task_subscriptions.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/app.h"
#include "base/clock.h"
#include "base/log.h"
#include "metrics/metrics.h"
#include "runner/child.h"
#include "web/subscription.h"

#define AGAIN_MS 1000
#define QUESTION_MAX 512
#define SILENT_MS 60000 /* more than a look at a table that is slow */

void news_init(struct news *n, const struct config *config) {
    *n = (struct news){.config = config, .fd = -1};
}

static bool lost(struct news *n) {
    if (n->fd >= 0)
        close(n->fd);
    n->fd = -1;
    n->have = 0;
    n->again_ms = clock_monotonic_ms() + AGAIN_MS;
    return false;
}

static _Noreturn void watcher(const struct config *config, int fd) {
    (void)signal(SIGPIPE, SIG_IGN);
    metrics_use_shared_slot();
    app_watch(config, fd);
    _exit(0);
}

bool news_start(struct news *n) {
    int ends[2], started;

    if (n->fd >= 0)
        return true;
    if (clock_monotonic_ms() < n->again_ms ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
        return false;
    /* It keeps no stream: one that it kept would stay open when the keeper closes it. Nobody waits
     * for its end: the socket shows it. */
    started = child_fork_detached(&(struct child_start){.name = "mcp-task-watch",
                                                        .keep = {ends[1]},
                                                        .signals = CHILD_SIGNALS_DEFAULT,
                                                        .silent_max_ms = SILENT_MS});
    if (started == 0)
        watcher(n->config, ends[1]);
    close(ends[1]);
    n->fd = ends[0];
    if (started > 0)
        return true;
    log_error("fork_failed", kv("why", strerror(errno)));
    return lost(n);
}

bool news_ask(struct news *n, const char *what, size_t len, bool wanted) {
    uint32_t lengths[2] = {(uint32_t)len, 1};
    char question[sizeof lengths + QUESTION_MAX + 1];
    size_t all = sizeof lengths + len + 1;

    if (n->fd < 0 || len > QUESTION_MAX)
        return false;
    memcpy(question, lengths, sizeof lengths);
    memcpy(question + sizeof lengths, what, len);
    question[all - 1] = wanted ? '+' : '-';
    if (send(n->fd, question, all, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)all)
        return true;
    return lost(n);
}

bool news_take(struct news *n, news_fn *fn, void *arg) {
    if (!n->in)
        n->in = xmalloc(NEWS_BYTES_MAX);
    for (;;) {
        const char *p = n->in;
        struct subscription_entry e;
        ssize_t got = recv(n->fd, n->in + n->have, NEWS_BYTES_MAX - n->have, MSG_DONTWAIT);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EAGAIN)
            return true;
        if (got <= 0) {
            log_warn("watcher_exited", kv("why", got ? strerror(errno) : "it ended"));
            return lost(n);
        }
        n->have += (size_t)got;
        while (subscription_next(&p, n->in + n->have, &e)) {
            fn(arg, e.topic, e.topic_len, e.text, e.text_len);
            if (n->fd < 0) /* something that fn asked for was not taken */
                return false;
        }
        n->have -= (size_t)(p - n->in);
        memmove(n->in, p, n->have);
        if (n->have == NEWS_BYTES_MAX)
            return lost(n);
    }
}
