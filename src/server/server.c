#include "server/server.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "base/base.h"
#include "runner/child.h"
#include "server/master.h"

#define END_ORPHANS_MS 1000 /* for what programs have left behind, when all else has ended */

static const struct server_timing usual_times = {
    .tick_ms = 1000,
    .start_ms = WORKER_START_S * 1000,
    .stuck_ms = WORKER_STUCK_S * 1000,
    .kill_grace_ms = 5000,
    .stop_ms = SERVER_STOP_S * 1000,
    .drain_ms = 10000,
    .idle_retire_ms = WORKER_IDLE_RETIRE_S * 1000,
    .backoff_first_ms = 100,
    .backoff_max_ms = 5000,
};

static const int handled[] = {SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2, SIGCHLD};
#define HANDLED_COUNT (sizeof handled / sizeof *handled)

/* All signals come through a descriptor; they stay blocked here and, by inheritance, in workers. */
static int open_signals(void) {
    sigset_t set;

    sigemptyset(&set);
    for (unsigned i = 0; i < HANDLED_COUNT; i++) {
        /* One that we were started with ignored (nohup, some supervisors) would not arrive. */
        signal(handled[i], SIG_DFL);
        sigaddset(&set, handled[i]);
    }
    (void)signal(SIGPIPE, SIG_IGN); /* a log whose reader has gone is an error of a line */
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
        return -1;
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void kill_all(struct master *m, const char *why) {
    log_warn("workers_killed", kvn("workers", workers_alive(m)), kv("why", why));
    workers_signal(m, SIGKILL);
    helper_signal(m, STREAM_HOLDER, SIGKILL);
    (void)others_signal(m, SIGKILL);
}

static void stop(struct master *m, const char *signal_name, int64_t now) {
    if (m->stopping) {
        kill_all(m, "told to stop twice");
        return;
    }
    m->stopping = true;
    m->stop_kill_ms = now + m->timing->stop_ms;
    /* In this order: what connects after the first step is refused and can be told so by the web
     * server; what came before it is in the queue that the workers now drain. */
    listener_close(m->address, m->listener, m->source);
    m->listener = -1;
    state_unlock(&m->state); /* whoever comes next need not wait for the last worker */
    systemd_notify_send(&m->systemd, "STOPPING=1\nSTATUS=finishing what is in flight");
    log_info("stopping", kv("signal", signal_name), kvn("workers", workers_alive(m)));
    /* What waits in systemd's socket is for the daemon that comes next: a restart under load must
     * not wait until the queue is empty for once. */
    workers_signal(m, m->source == LISTENER_SYSTEMD ? SIGQUIT : SIGTERM);
}

static void take_signals(struct master *m) {
    struct signalfd_siginfo s;

    while (read(m->signals, &s, sizeof s) == sizeof s) {
        switch (s.ssi_signo) {
        case SIGTERM:
        case SIGINT:
        case SIGQUIT:
            stop(m, sigabbrev_np((int)s.ssi_signo), clock_monotonic_ms());
            break;
        case SIGHUP:
            reload_start(m);
            break;
        default: /* SIGCHLD: every round reaps. SIGUSR1, SIGUSR2: nothing to do. */
            break;
        }
    }
}

/* Sleeps until a signal, a worker's call, or time. */
static void wait_for_event(const struct master *m) {
    struct pollfd fds[] = {{.fd = m->signals, .events = POLLIN}, {.fd = m->wake, .events = POLLIN}};
    int64_t now = clock_monotonic_ms(), due[] = {m->now.respawn_ms - now, m->next.respawn_ms - now};
    int timeout = m->timing->tick_ms;
    uint64_t calls;

    for (int i = 0; i < 2; i++)
        if (due[i] > 0 && due[i] < timeout)
            timeout = (int)due[i];
    if (m->systemd.watchdog_ms && m->systemd.watchdog_ms < timeout)
        timeout = (int)m->systemd.watchdog_ms;
    (void)poll(fds, 2, timeout);
    if (read(m->wake, &calls, sizeof calls) < 0) {
        /* EAGAIN: nobody called. */
    }
}

static void give_up(struct master *m) {
    log_error("giving_up", kvn("workers_died", m->now.deaths),
              kv("hint", "no worker has ever come up; the lines above say why"));
    m->exit_status = 1;
    stop(m, "none", clock_monotonic_ms());
}

static void export_metrics(struct master *m, int64_t now) {
    unsigned workers[SLOT_STATES] = {0};

    workers_count(m, workers);
    metrics_export_tick(&m->metrics, m->now.config, workers, now);
}

static void tick(struct master *m, int64_t now) {
    bool was_ready = m->now.ready;

    workers_check(m, now);
    liveness_tick(m, now);
    systemd_notify_watchdog(&m->systemd, now);
    status_write(m, now);
    export_metrics(m, now);
    if (m->stopping) {
        if (!workers_alive(m)) /* no worker has anything for it any more */
            helper_signal(m, STREAM_HOLDER, SIGTERM);
        /* Tasks run on as long as somebody is still answered. */
        if (!workers_alive(m) && !helper_is_alive(m, STREAM_HOLDER))
            (void)others_signal(m, SIGTERM);
        if (now >= m->stop_kill_ms) {
            kill_all(m, "they did not finish in time");
            m->stop_kill_ms = now + m->timing->stop_ms;
        }
        return;
    }
    if (workers_ready(m, &m->now) && !was_ready) {
        m->status.due_ms = now; /* those who wait for it see it soon */
        systemd_notify_send(&m->systemd, "READY=1\nSTATUS=serving");
        log_info("ready", kvn("workers", workers_alive(m)));
    }
    if (!m->now.ready && m->now.deaths >= WORKER_START_FAILURES_MAX) {
        give_up(m);
        return;
    }
    reload_tick(m, now);
    sizing_tick(m, now);
    helpers_tick(m, now);
}

static void run(struct master *m) {
    do {
        tick(m, clock_monotonic_ms());
        wait_for_event(m);
        take_signals(m);
        workers_reap(m);
    } while (!m->stopping || workers_alive(m) > 0 || helper_is_alive(m, STREAM_HOLDER) ||
             others_signal(m, 0) > 0);
    orphans_end(END_ORPHANS_MS);
    log_info("stopped", kvn("status", m->exit_status));
}

static bool open_all(struct master *m) {
    struct err e = {.code = OK};

    m->listener = m->wake = m->signals = m->stream_holder_in = m->stream_holder_out = m->state = -1;
    if (daemon_open_log() && (m->signals = open_signals()) >= 0 &&
        (m->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) >= 0 &&
        (m->board = scoreboard_new()) != NULL && watchdog_open() && helpers_open(m)) {
        if (state_lock(m->now.config, &m->state, &e)) {
            log_error("start_failed", kv("why", e.text));
            return false;
        }
        if (listener_open(m->address, &m->listener, &m->source, &e) == OK)
            return metrics_export_open(&m->metrics, m->now.config);
        log_error("listen_failed", kv("why", e.text));
    } else {
        log_error("start_failed", kv("why", strerror(errno)));
    }
    return false;
}

static void close_all(struct master *m) {
    helpers_close(m);
    metrics_export_close(&m->metrics, m->now.config);
    if (m->listener >= 0)
        listener_close(m->address, m->listener, m->source);
    state_unlock(&m->state);
    systemd_notify_close(&m->systemd);
    if (m->wake >= 0)
        close(m->wake);
    if (m->signals >= 0)
        close(m->signals);
    scoreboard_free(m->board);
    watchdog_close();
    config_free(m->now.config);
    config_free(m->next.config);
    free(m->address);
    free(m->status.path);
    free(m);
}

int server_run_timed(const char *config_path, struct config *config,
                     const struct server_timing *timing) {
    struct master *m = xcalloc(1, sizeof *m);
    int status = 1;

    m->config_path = config_path;
    m->timing = timing;
    m->address = xstrdup(config->listen);
    m->status.path = xstrdup(config->status_file);
    m->started_s = time(NULL);
    systemd_notify_open(&m->systemd);
    daemon_forbid_dumps();
    orphans_adopt(true);
    m->now = (struct generation){.number = m->generations = 1, .config = config};
    m->target = config->workers_min;
    if (open_all(m)) {
        log_info("started", kv("listen", m->source == LISTENER_BOUND ? m->address : "inherited"),
                 kvn("workers_min", config->workers_min), kvn("workers_max", config->workers_max),
                 kv("version", MCP_AUTHD_VERSION));
        run(m);
        status_remove(&m->status);
        status = m->exit_status;
    }
    close_all(m);
    return status;
}

int server_run(const char *config_path, struct config *config) {
    return server_run_timed(config_path, config, &usual_times);
}
