#include "server/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/param.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/app.h"
#include "metrics/metrics.h"
#include "server/server.h"
#include "server/stream_holder.h"
#include "web/fcgi.h"

#define UPKEEP_MS 30000 /* app_upkeep about this often */
/* A request's memory, besides so many copies of its body: the longest resource has 16 MiB, and 96
 * if all of it is escaped. */
#define ARENA_MAX (384UL << 20)
#define ARENA_BODIES 8
#define TRIM_EVERY 64  /* small requests: memory_trim costs as much as some of them */
#define WAITED_MS 1000 /* it is not checked whether a client that waited less is connected */
#define PARKED_LOOK_MS 20
#define SIGNALS_MS 5           /* a busy worker looks for signals this often */
#define ACCEPT_PAUSE_US 100000 /* when the host is out of descriptors or memory */

struct worker {
    const struct worker_args *args;
    struct slot *slot;
    struct app *app;
    struct fcgi *fcgi;
    struct arena *arena;
    struct request *rq; /* the one that it serves */
    int epoll;
    sigset_t between; /* the signal mask between requests */
    uint64_t requests_max;
    unsigned manifests_seen; /* of the changes on the scoreboard */
    int64_t now_ms;          /* when it last accepted, had served or waited */
    int64_t upkeep_ms;       /* when it is due */
    int64_t idle_ms;         /* when it last waited for a connection */
    int64_t signals_ms;      /* when it last looked for signals */
    size_t spare;            /* memory_trim */
};

/* Set by signals, which are received between requests only, except WORKER_MASTER_ENDED. */
static volatile sig_atomic_t draining, leaving;
static const struct worker_args *args_of_signal;
static int null_fd; /* takes the place of the listener */

static void on_signal(int signo) {
    if (signo == SIGTERM)
        draining = 1;
    else if (signo == SIGQUIT)
        leaving = 1;
}

/* At any moment, also during a request: closes the listener, because the next daemon binds its
 * address. The alarm ends a worker that hangs, as the master would have done. */
static void on_orphaned(int signo) {
    int saved = errno;

    (void)signo;
    if (getppid() != args_of_signal->master) {
        (void)dup3(null_fd, args_of_signal->listener, O_CLOEXEC);
        leaving = 1;
        (void)kill(getpid(), SIGQUIT); /* so that a wait that is about to begin ends */
        (void)alarm(WORKER_STUCK_S);
    }
    errno = saved;
}

/* Signals stay blocked, as the master had them, but for those of worker.h. */
static void set_signals(struct worker *w) {
    struct sigaction sa = {.sa_handler = on_signal}; /* no SA_RESTART: epoll_pwait must return */
    struct sigaction orphaned = {.sa_handler = on_orphaned, .sa_flags = SA_RESTART};

    sigemptyset(&sa.sa_mask);
    sigemptyset(&orphaned.sa_mask);
    sigaction(SIGTERM, &sa, NULL);
    sigaction(SIGQUIT, &sa, NULL);
    sigaction(WORKER_LOOK, &sa, NULL);
    args_of_signal = w->args;
    null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    sigaction(WORKER_MASTER_ENDED, &orphaned, NULL);
    signal(SIGPIPE, SIG_IGN);
    sigprocmask(SIG_SETMASK, NULL, &w->between);
    sigdelset(&w->between, SIGTERM);
    sigdelset(&w->between, SIGQUIT);
    sigdelset(&w->between, WORKER_LOOK);
}

static void wake_master(const struct worker *w) {
    static const uint64_t one = 1;

    if (write(w->args->wake_master, &one, sizeof one) < 0) {
        /* EAGAIN: the counter is full, and the master wakes anyway. */
    }
}

/* A call begins that may take long: another worker answers requests meanwhile. */
static void note_call(void *worker, bool begins) {
    struct worker *w = worker;

    slot_set_call(w->slot, begins);
    if (begins && scoreboard_is_full(w->args->board))
        wake_master(w);
}

static _Noreturn void start_failed(const char *what, const char *why, const char *detail) {
    log_error("worker_start_failed", kv("what", what), kv("why", why), kv("detail", detail));
    exit(WORKER_EXIT_START);
}

/* A reader is slow: the stream holder, if there is one, sends the remainder. */
static bool pass_unsent(void *worker, const struct fcgi_unsent *reply) {
    const struct worker *w = worker;

    return w->args->config->endpoints & GROUP_MCP &&
           stream_channel_send_unsent(w->args->stream_channel, reply);
}

/* Gives a call that only waits for a person to the stream holder. */
static bool park(struct reply_sink *sink, const struct parked *p) {
    struct worker *w = sink->park_arg;
    struct parked_call call = {
        .message = {.until_ms = p->until_ms,
                    .keep_alive_ms = p->keep_alive_ms,
                    .again = p->again,
                    .asleep = p->asleep},
        .fds[PARKED_FILE] = parked_write(w->rq, p->state, p->lost),
    };
    struct fcgi_detached reply;
    bool taken;

    if (call.fds[PARKED_FILE] < 0)
        return false;
    (void)snprintf(call.message.user, sizeof call.message.user, "%s", p->user);
    memcpy(call.fds, p->fds, sizeof p->fds);
    reply = fcgi_detach(w->fcgi, w->arena);
    call.message.id = reply.id;
    call.fds[PARKED_CONNECTION] = p->disconnected ? -1 : reply.fd;
    w->args->board->has_parked = true;
    taken = stream_channel_send_parked(w->args->stream_channel, &call, STREAM_CHANNEL_WAIT_MS);
    close(call.fds[PARKED_FILE]);
    if (!taken)
        fcgi_adopt(w->fcgi, &reply, w->rq);
    else
        descriptor_close(reply.fd);
    return taken;
}

/* Of several sites: refused before its body is read is what is at no site's address, and what would
 * give a site more than its share of the workers. Its own slot counts, so that of workers that come
 * at once none is counted too little. */
static enum rc admit(void *worker, const struct request *rq, struct err *e) {
    const struct worker *w = worker;
    const unsigned max = w->args->config->workers_max;
    struct site_of_request site;
    struct site_load load;

    if (app_admit(w->app, rq, &site, e))
        return e->code;
    w->slot->site = site.number;
    load = scoreboard_load(w->args->board, site.number);
    if (!site_load_is_over(&load, site.workers, max))
        return OK;
    return err_set(e, ERR_OVERLOADED, "its site has %u of %u workers", load.site, max);
}

/* The numbers of the sites that this worker has open: none yet, but the worker that had the slot
 * before may have been killed. */
static _Atomic uint32_t *open_sites_of(const struct worker_args *args) {
    _Atomic uint32_t *numbers = args->board->open_sites[args->slot];

    for (unsigned i = 0; i < OPEN_SITES_MAX; i++)
        numbers[i] = 0;
    return numbers;
}

static bool watch_input(const struct worker *w, int fd) {
    struct epoll_event input = {.events = EPOLLIN | EPOLLEXCLUSIVE, .data.fd = fd};

    return !epoll_ctl(w->epoll, EPOLL_CTL_ADD, fd, &input);
}

static void start(struct worker *w, const struct worker_args *args) {
    const struct app_options options = {.catalog = args->catalog,
                                        .shared = args->shared,
                                        .on_call = note_call,
                                        .on_call_arg = w,
                                        .limit_ms = &args->board->slots[args->slot].limit_ms,
                                        .numbers =
                                            args->sites->entries ? open_sites_of(args) : NULL};
    struct err e = {.code = OK};
    uint64_t max = args->config->worker_max_requests;
    int on = 1;

    w->args = args;
    w->slot = &args->board->slots[args->slot];
    metrics_use_slot(args->slot);
    memory_begin();
    set_signals(w);
    w->manifests_seen = args->manifests_seen;
    if (app_new(args->sites, &options, &w->app, &e))
        start_failed("application", e.text, e.detail);
    w->fcgi = fcgi_new(pass_unsent, args->sites->entries ? admit : NULL, w);
    /* Connections have it from their listener. On TCP it keeps the last bytes of a reply from
     * waiting for an ACK; on a Unix socket it fails. */
    (void)setsockopt(args->listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    /* One epoll each: with EPOLLEXCLUSIVE a connection wakes one worker that waits, not all. */
    w->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (w->epoll < 0 || !watch_input(w, args->listener) || !watch_input(w, args->resume))
        start_failed("epoll", strerror(errno), "");
    w->arena = arena_new(ARENA_MAX + (size_t)ARENA_BODIES * args->config->max_body_bytes);
    /* Workers that started together must not exit together. */
    w->requests_max = max + max / 8 * (uint64_t)(getpid() % 8) / 8;
    w->now_ms = w->idle_ms = clock_monotonic_ms();
    w->upkeep_ms = w->idle_ms + UPKEEP_MS;
}

/* Passes the stream of a reply to the stream holder. */
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

static void manifest_changed(void *worker, const char *path, int64_t at_ms) {
    const struct worker *w = worker;

    app_update(w->app, path, at_ms);
}

/* `rc`: the result of reading the request. False: it was parked. */
static bool answer(struct worker *w, struct request *rq, enum rc rc) {
    struct reply rp;

    reply_init(&rp, w->arena);
    rp.sink = fcgi_sink(w->fcgi);
    rp.sink->park = park;
    rp.sink->park_arg = w;
    if (rq->resumed) {
        rp.status = 200;
        rp.streaming = true;
    }
    w->rq = rq;
    manifest_changes_take(&w->args->board->manifests, &w->manifests_seen, manifest_changed, w);
    app_handle(w->app, rq, rc, &rp);
    if (rp.parked)
        return false;
    w->slot->site = 0; /* before the client, which has its answer, sends the next request */
    if (rp.status >= 500)
        w->slot->errors++;
    if (rp.subscriptions && !rp.streaming)
        (void)stream_channel_replace(w->args->stream_channel, rp.subscriptions);
    if (rp.subscriptions && rp.streaming && !rp.ended)
        detach_stream(w, rq, &rp);
    else if (fcgi_reply(w->fcgi, &rp))
        log_info("reply_lost", kv("request", rq->id),
                 kv("why", "the web server went away or stopped reading"));
    return true;
}

/* Gives the memory of a request back. */
static void clean_up(struct worker *w) {
    bool was_large = arena_is_large(w->arena);

    arena_reset(w->arena);
    if (was_large || w->slot->requests % TRIM_EVERY == 0)
        memory_trim(was_large, &w->spare);
    w->slot->requests++;
    w->slot->site = 0;
}

static void serve(struct worker *w, int fd, bool waited, uint64_t start_us) {
    struct request rq = {
        .arena = w->arena, .waited = waited, .started_ms = (int64_t)(start_us / 1000)};
    struct err e = {.code = OK};
    enum rc rc = fcgi_read(w->fcgi, fd, w->args->config->max_body_bytes, &rq, &e);
    const bool answered = rc != ERR_MISSING && answer(w, &rq, rc);
    const uint64_t end_us = metrics_now_us();

    w->now_ms = (int64_t)(end_us / 1000);
    if (answered)
        metrics_latency(end_us - start_us);
    else if (rc == ERR_MISSING)
        LOG_AT(fcgi_got_nothing(w->fcgi) ? LOG_DEBUG : LOG_INFO, "connection_dropped",
               kv("why", e.text));
    clean_up(w);
}

/* For the status: a parked call is admitted already. 0: there is one site, or it is no more. */
static uint32_t site_of(const struct worker *w, const struct request *rq) {
    struct site_of_request site = {0};

    return w->args->sites->entries && !app_admit(w->app, rq, &site, ERR_IGNORED) ? site.number : 0;
}

/* Continues a parked call. */
static void resume(struct worker *w, struct parked_call *call) {
    struct resumed resumed = {.refused = call->message.refused};
    struct request rq = {.arena = w->arena, .resumed = &resumed};
    const int64_t now_ms = clock_monotonic_ms();

    memcpy(resumed.fds, call->fds, sizeof resumed.fds);
    if (parked_read(call->fds[PARKED_FILE], &rq, &resumed.state)) {
        fcgi_adopt(
            w->fcgi,
            &(struct fcgi_detached){.fd = call->fds[PARKED_CONNECTION], .id = call->message.id},
            &rq);
        w->slot->site = site_of(w, &rq); /* by the path, which is there now */
        if (answer(w, &rq, OK))
            metrics_latency((uint64_t)(now_ms - rq.started_ms) * 1000);
    } else {
        log_error("parked_call_malformed");
        descriptor_clear(&call->fds[PARKED_CONNECTION]);
    }
    close(call->fds[PARKED_FILE]);
    for (unsigned i = 0; i < PARKED_FDS; i++)
        descriptor_clear(&resumed.fds[i]);
    clean_up(w);
    w->now_ms = clock_monotonic_ms();
}

/* Continues a parked call if there is one that can go on. */
static bool resume_next(struct worker *w) {
    struct stream_message m;

    if (!stream_channel_receive(w->args->resume, &m))
        return false;
    slot_set(w->slot, SLOT_BUSY, clock_monotonic_ms());
    resume(w, &m.parked);
    return true;
}

static void upkeep_if_due(struct worker *w) {
    if (w->now_ms < w->upkeep_ms)
        return;
    slot_set(w->slot, SLOT_BUSY, w->now_ms); /* so that the master sees it if it hangs */
    app_upkeep(w->app);
    w->upkeep_ms = clock_monotonic_ms() + UPKEEP_MS;
}

/* Serves one connection if there is one. false: none, with the reason in errno. `at_once`: this
 * worker did not wait for it, so the connection may have waited for a worker. */
static bool serve_next(struct worker *w, bool at_once) {
    int fd = accept4(w->args->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    uint64_t now_us;
    bool full;

    if (fd < 0)
        return false;
    now_us = metrics_now_us();
    w->now_ms = (int64_t)(now_us / 1000);
    slot_set(w->slot, SLOT_BUSY, w->now_ms);
    if (!at_once)
        w->idle_ms = w->now_ms;
    full = scoreboard_is_full(w->args->board);
    if (full && w->args->board->can_grow)
        wake_master(w);
    serve(w, fd, at_once && full && w->now_ms - w->idle_ms >= WAITED_MS, now_us);
    return true;
}

/* After a failed accept. EINVAL: the listener was shut down, since the daemon stops. Errors of a
 * connection that was closed while it waited (accept(2)) are not logged. */
static void accept_failed(void) {
    if (errno == EINVAL) {
        leaving = 1;
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        log_error("accept_failed", kv("why", strerror(errno)));
        usleep(ACCEPT_PAUSE_US);
    }
}

/* epoll_pwait delivers a signal only when it has no event to report (the kernel restores the mask
 * first), so under steady load it would never do so. */
static void take_signals(struct worker *w) {
    static const struct timespec now = {0};
    sigset_t both;
    int signo;

    if (w->now_ms < w->signals_ms + SIGNALS_MS)
        return;
    w->signals_ms = w->now_ms;
    sigemptyset(&both);
    sigaddset(&both, SIGTERM);
    sigaddset(&both, SIGQUIT);
    while ((signo = sigtimedwait(&both, NULL, &now)) > 0)
        on_signal(signo);
}

static void wait_for_connection(struct worker *w) {
    const int64_t left = MAX(w->upkeep_ms - w->now_ms, 0);
    struct epoll_event event = {.data.fd = -1};

    if (w->slot->state != SLOT_IDLE) {
        bool first = !w->slot->ready;

        if (!first && ((w->args->board->has_parked && resume_next(w)) || serve_next(w, true)))
            return;
        slot_set(w->slot, SLOT_IDLE, 0);
        if (first)
            wake_master(w);
    }
    (void)epoll_pwait(w->epoll, &event, 1, (int)left, &w->between);
    if (event.data.fd != w->args->resume) { /* also after WORKER_LOOK */
        if (serve_next(w, false))
            return;
        accept_failed();
    }
    w->idle_ms = w->now_ms = clock_monotonic_ms();
    if (event.data.fd != w->args->listener)
        (void)resume_next(w);
}

/* Connections in the queue would be reset when the listener closes, so they are answered first. The
 * limit is for a listener that other processes keep open and clients keep filling. */
static void drain(struct worker *w) {
    int64_t until = clock_monotonic_ms() + w->args->drain_ms;

    while (!leaving && clock_monotonic_ms() < until &&
           (serve_next(w, true) || errno == EINTR || errno == ECONNABORTED))
        ;
}

/* Does the stream holder have parked calls, or is one on its way to it? */
static bool are_parked(const struct worker *w) {
    int unread = 0;

    (void)ioctl(w->args->stream_channel, SIOCOUTQ, &unread);
    return unread || w->args->board->parked;
}

/* When the daemon stops, continues parked calls until there are none; the master ends it in time.
 * Only a second look at rest finds one that the stream holder is about to take or to give back. */
static void finish_parked(struct worker *w) {
    struct pollfd input = {.fd = w->args->resume, .events = POLLIN};
    bool at_rest = !w->args->board->has_parked;

    slot_set(w->slot, SLOT_LEAVING, clock_monotonic_ms());
    while (w->args->board->stopping && !at_rest) {
        at_rest = !are_parked(w);
        while (resume_next(w))
            at_rest = false;
        slot_set(w->slot, SLOT_LEAVING, clock_monotonic_ms());
        if (poll(&input, 1, PARKED_LOOK_MS) > 0 || are_parked(w))
            at_rest = false;
    }
}

_Noreturn void worker_main(const struct worker_args *args) {
    struct worker w = {0};

    start(&w, args);
    while (!leaving && !draining && w.slot->requests < w.requests_max) {
        wait_for_connection(&w);
        upkeep_if_due(&w);
        take_signals(&w);
    }
    if (draining)
        drain(&w);
    finish_parked(&w);
    fcgi_free(w.fcgi);
    arena_free(w.arena);
    app_free(w.app);
    close(w.epoll);
    exit(0);
}
