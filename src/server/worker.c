#include "server/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "app/app.h"
#include "base/base.h"
#include "metrics/metrics.h"
#include "server/server.h"
#include "server/stream_channel.h"
#include "server/stream_holder.h"
#include "web/fcgi.h"

#define UPKEEP_MS 30000 /* app_upkeep about this often */
#define ARENA_MAX                                                                                  \
    (256UL << 20)              /* a request's memory, besides copies of its body: the longest      \
                                  resource has 16 MiB, and 96 if all of it is escaped */
#define ARENA_BODIES 8         /* so many copies */
#define GIVE_BACK_EVERY 64     /* small requests: looking for free memory costs as much as some */
#define WAITED_MS 1000         /* a client that waited less is not looked for: it is there */
#define ACCEPT_PAUSE_US 100000 /* when the host is out of descriptors or memory */

struct worker {
    const struct worker_args *args;
    struct slot *slot;
    struct app *app;
    struct fcgi *fcgi;
    struct arena *arena;
    int epoll;
    sigset_t between; /* the signal mask while nothing is in flight */
    uint64_t requests_max;
    unsigned catalog;  /* of the scoreboard, when the application last read the directories */
    int64_t upkeep_ms; /* when it is due */
    int64_t idle_ms;   /* when it last waited for a connection */
    size_t spare;      /* memory_trim */
};

/* Set by signals. All but one are taken between requests only. */
static volatile sig_atomic_t draining, leaving;
static const struct worker_args *args_of_signal;
static int null_fd; /* takes the place of the listener */

static void on_signal(int signo) {
    if (signo == SIGTERM)
        draining = 1;
    else
        leaving = 1;
}

/* At any moment, also in the middle of a request: closes the listener, since the next daemon needs
 * its address, and serves it. The master would have ended a worker that hangs; the alarm does it
 * instead. */
static void on_orphaned(int signo) {
    int saved = errno;

    (void)signo;
    if (getppid() != args_of_signal->master) {
        (void)dup3(null_fd, args_of_signal->listener, O_CLOEXEC);
        leaving = 1;
        (void)kill(getpid(), SIGQUIT); /* which ends a wait that is about to begin */
        (void)alarm(WORKER_STUCK_S);
    }
    errno = saved;
}

/* Signals stay blocked, as the master had them, but for the two that end a worker. */
static void set_signals(struct worker *w) {
    struct sigaction sa = {.sa_handler = on_signal}; /* no SA_RESTART: epoll_pwait must return */
    struct sigaction orphaned = {.sa_handler = on_orphaned, .sa_flags = SA_RESTART};

    sigemptyset(&sa.sa_mask);
    sigemptyset(&orphaned.sa_mask);
    sigaction(SIGTERM, &sa, NULL);
    sigaction(SIGQUIT, &sa, NULL);
    args_of_signal = w->args;
    null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    sigaction(WORKER_MASTER_ENDED, &orphaned, NULL);
    signal(SIGPIPE, SIG_IGN);
    sigprocmask(SIG_SETMASK, NULL, &w->between);
    sigdelset(&w->between, SIGTERM);
    sigdelset(&w->between, SIGQUIT);
}

static void wake_master(const struct worker *w) {
    static const uint64_t one = 1;

    if (write(w->args->wake_master, &one, sizeof one) < 0) {
        /* EAGAIN: it has been woken often enough. */
    }
}

static _Noreturn void start_failed(const char *what, const char *why, const char *detail) {
    log_error("worker_start_failed", kv("what", what), kv("why", why), kv("detail", detail));
    exit(WORKER_EXIT_START);
}

/* A reader is slow: the stream holder, where there is one, sends the remainder. */
static bool pass_unsent(void *worker, const struct fcgi_unsent *reply) {
    const struct worker *w = worker;

    return w->args->config->endpoints & GROUP_MCP &&
           stream_channel_send_unsent(w->args->stream_channel, reply);
}

static void start(struct worker *w, const struct worker_args *args) {
    struct epoll_event listener = {.events = EPOLLIN | EPOLLEXCLUSIVE};
    struct err e = {.code = OK};
    uint64_t max = args->config->worker_max_requests;
    int on = 1;

    w->args = args;
    w->slot = &args->board->slots[args->slot];
    metrics_use_slot(args->slot);
    memory_begin();
    set_signals(w);
    w->catalog = args->board->catalog;
    if (app_new(args->config, &w->app, &e))
        start_failed("application", e.text, e.detail);
    w->fcgi = fcgi_new();
    if (!w->fcgi)
        start_failed("FastCGI", strerror(errno), "");
    fcgi_on_unsent(w->fcgi, pass_unsent, w);
    /* Connections have it from their listener. On TCP it keeps the last bytes of a reply from
     * waiting for an ACK; on a Unix socket it fails. */
    (void)setsockopt(args->listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    /* One epoll each: with EPOLLEXCLUSIVE a connection wakes one worker that waits, not all. */
    w->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (w->epoll < 0 || epoll_ctl(w->epoll, EPOLL_CTL_ADD, args->listener, &listener) != 0)
        start_failed("epoll", strerror(errno), "");
    w->arena = arena_new(ARENA_MAX + (size_t)ARENA_BODIES * args->config->max_body_bytes);
    /* Workers that started together must not leave together. */
    w->requests_max = max + max / 8 * (uint64_t)(getpid() % 8) / 8;
    w->idle_ms = clock_monotonic_ms();
    w->upkeep_ms = w->idle_ms + UPKEEP_MS;
}

/* The reply is a stream, which goes on with the stream holder. */
static void detach_stream(struct worker *w, const struct request *rq, const struct reply *rp) {
    const struct fcgi_detached stream = fcgi_detach(w->fcgi, w->arena);

    if (stream.fd < 0)
        return;
    if (!stream_channel_send_stream(w->args->stream_channel, &stream, rp->subscription_until_s,
                                    rp->subscriptions)) {
        log_warn("stream_not_held", kv("request", rq->id), kv("why", strerror(errno)));
        stream_end_at_once(&stream, (struct text){rp->subscriptions->p, rp->subscriptions->len});
    }
    close(stream.fd);
}

static void refresh_if_due(struct worker *w) {
    unsigned now = w->args->board->catalog;

    if (now == w->catalog)
        return;
    w->catalog = now;
    app_refresh(w->app);
}

/* `rc`: what reading the request gave. */
static void answer(struct worker *w, struct request *rq, enum rc rc) {
    struct reply rp;

    reply_init(&rp, w->arena);
    rp.sink = fcgi_sink(w->fcgi);
    refresh_if_due(w);
    w->slot->limit_ms = app_time_limit_s(w->app, rq) * 1000;
    app_handle(w->app, rq, rc, &rp);
    if (rp.status >= 500)
        w->slot->errors++;
    if (rp.subscriptions && !rp.streaming)
        (void)stream_channel_replace(w->args->stream_channel, rp.subscriptions);
    if (rp.subscriptions && rp.streaming && !rp.ended)
        detach_stream(w, rq, &rp);
    else if (fcgi_reply(w->fcgi, &rp))
        log_info("reply_lost", kv("request", rq->id),
                 kv("why", "the web server went away or stopped reading"));
}

static void serve(struct worker *w, int fd, bool waited) {
    struct request rq = {.arena = w->arena, .waited = waited};
    struct err e = {.code = OK};
    uint64_t start_us = metrics_now_us();
    bool was_large;
    enum rc rc = fcgi_read(w->fcgi, fd, w->args->config->max_body_bytes, &rq, &e);

    if (rc != ERR_MISSING) {
        answer(w, &rq, rc);
        metrics_latency(metrics_now_us() - start_us);
    } else {
        LOG_AT(fcgi_got_nothing(w->fcgi) ? LOG_DEBUG : LOG_INFO, "connection_dropped",
               kv("why", e.text));
    }
    was_large = arena_is_large(w->arena);
    arena_reset(w->arena);
    if (was_large || w->slot->requests % GIVE_BACK_EVERY == 0)
        memory_trim(was_large, &w->spare);
    w->slot->requests++;
}

static void upkeep_if_due(struct worker *w) {
    if (clock_monotonic_ms() < w->upkeep_ms)
        return;
    slot_set(w->slot, SLOT_BUSY); /* so that the master sees it if it hangs */
    app_upkeep(w->app);
    w->upkeep_ms = clock_monotonic_ms() + UPKEEP_MS;
}

/* Serves one connection if there is one. false: none, with the reason in errno. `at_once`: this
 * worker did not wait for it, so the connection may have waited for a worker. */
static bool serve_next(struct worker *w, bool at_once) {
    int fd = accept4(w->args->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    bool full;

    if (fd < 0)
        return false;
    slot_set(w->slot, SLOT_BUSY);
    full = scoreboard_is_full(w->args->board);
    if (full && w->args->board->can_grow)
        wake_master(w);
    serve(w, fd, at_once && full && clock_monotonic_ms() - w->idle_ms >= WAITED_MS);
    return true;
}

/* After a failed accept. EINVAL: the listener was shut down, since the daemon stops. Errors of a
 * connection that was closed while it waited (accept(2)) are not logged. */
static void accept_failed(void) {
    switch (errno) {
    case EINVAL:
        leaving = 1;
        break;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
        log_error("accept_failed", kv("why", strerror(errno)));
        usleep(ACCEPT_PAUSE_US);
        break;
    default:
        break;
    }
}

/* epoll_pwait delivers a signal only when it has nothing to report: under steady load it never
 * would (the kernel puts the mask back first), and a worker that is told to leave would stay. */
static void take_signals(void) {
    static const struct timespec now = {0};
    sigset_t both;
    int signo;

    sigemptyset(&both);
    sigaddset(&both, SIGTERM);
    sigaddset(&both, SIGQUIT);
    while ((signo = sigtimedwait(&both, NULL, &now)) > 0)
        on_signal(signo);
}

static void wait_for_connection(struct worker *w) {
    struct epoll_event event;
    int64_t left;

    if (w->slot->state != SLOT_IDLE) {
        bool first = !w->slot->ready;

        if (!first && serve_next(w, true))
            return;
        slot_set(w->slot, SLOT_IDLE);
        if (first)
            wake_master(w);
    }
    left = w->upkeep_ms - clock_monotonic_ms();
    if (epoll_pwait(w->epoll, &event, 1, left > 0 ? (int)left : 0, &w->between) != 1)
        return;
    w->idle_ms = clock_monotonic_ms();
    if (!serve_next(w, false))
        accept_failed();
}

/* Connections that the kernel has taken for us would be reset when the listener closes, so they are
 * answered first. The limit is for a listener that others keep open and fill. */
static void drain(struct worker *w) {
    int64_t until = clock_monotonic_ms() + w->args->drain_ms;

    while (!leaving && clock_monotonic_ms() < until) {
        if (serve_next(w, true) || errno == EINTR || errno == ECONNABORTED)
            continue;
        break;
    }
}

_Noreturn void worker_main(const struct worker_args *args) {
    struct worker w = {0};

    start(&w, args);
    while (!leaving && !draining && w.slot->requests < w.requests_max) {
        wait_for_connection(&w);
        upkeep_if_due(&w);
        take_signals();
    }
    if (draining)
        drain(&w);
    slot_set(w.slot, SLOT_LEAVING);
    fcgi_free(w.fcgi);
    arena_free(w.arena);
    app_free(w.app);
    close(w.epoll);
    exit(0);
}
