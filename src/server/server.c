#include "server/server.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "app/app.h"
#include "metrics/metrics.h"
#include "runner/child.h"
#include "server/master.h"

#define END_ORPHANS_MS 1000 /* for orphans of programs, when all other processes have ended */

static const struct server_timing default_timing = {
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
        /* One that was ignored when we were started (by nohup, supervisors) would not arrive. */
        signal(handled[i], SIG_DFL);
        sigaddset(&set, handled[i]);
    }
    (void)signal(SIGPIPE, SIG_IGN); /* writing to a closed log gives EPIPE instead */
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
        return -1;
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void kill_all(struct master *m, const char *why) {
    log_warn("workers_killed", kvn("workers", workers_running(m)), kv("why", why));
    workers_signal(m, SIGKILL);
    (void)child_signal(m, STREAM_HOLDER, SIGKILL);
    (void)child_signal(m, RUNNER, SIGKILL);
    (void)adopted_signal(m, SIGKILL);
}

static void stop(struct master *m, const char *signal_name, int64_t now) {
    if (m->stopping) {
        kill_all(m, "a second signal to stop");
        return;
    }
    m->stopping = true;
    m->board->stopping = true;
    m->stop_kill_ms = now + m->timing->stop_ms;
    /* First: later connections are refused, which the web server reports to its clients; earlier
     * ones are in the queue that the workers now drain. */
    listener_close(m->address, m->listener, m->source);
    m->listener = -1;
    descriptor_clear(&m->state); /* the next daemon need not wait for the last worker */
    systemd_notify_send(&m->systemd, "STOPPING=1\nSTATUS=finishing what is in flight");
    log_info("stopping", kv("signal", signal_name), kvn("workers", workers_running(m)));
    /* The next daemon serves the queue of systemd's socket: a restart under load must not wait
     * until the queue happens to be empty. */
    workers_signal(m, m->source == LISTENER_SYSTEMD ? SIGQUIT : SIGTERM);
}

static void take_signals(struct master *m) {
    struct signalfd_siginfo s;

    while (read(m->signals, &s, sizeof s) == sizeof s)
        if (s.ssi_signo == SIGHUP)
            reload_start(m);
        else if (s.ssi_signo == SIGTERM || s.ssi_signo == SIGINT || s.ssi_signo == SIGQUIT)
            stop(m, sigabbrev_np((int)s.ssi_signo), clock_monotonic_ms());
    /* SIGCHLD: every round reaps. SIGUSR1, SIGUSR2: nothing to do. */
}

/* Sleeps until a signal arrives, a worker wakes the master, or something is due. */
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
        /* EAGAIN: no worker has written. */
    }
}

static void stop_after_failures(struct master *m) {
    log_error("no_worker_started", kvn("workers_died", m->now.deaths),
              kv("hint", "no worker has ever come up; the lines above say why"));
    m->exit_status = 1;
    stop(m, "none", clock_monotonic_ms());
}

static void tick_stopping(struct master *m, int64_t now) {
    /* Workers first, since they send streams to it; tasks last, while replies are still sent; and
     * then the runner, which they use. */
    bool is_last = !workers_running(m) && !child_signal(m, STREAM_HOLDER, SIGTERM) &&
                   !adopted_signal(m, SIGTERM);

    if (is_last)
        (void)child_signal(m, RUNNER, SIGTERM);
    else
        child_tick(m, RUNNER, now);
    if (now >= m->stop_kill_ms) {
        kill_all(m, "they did not finish in time");
        m->stop_kill_ms = now + m->timing->stop_ms;
    }
}

static void tick(struct master *m, int64_t now) {
    bool was_ready = m->now.ready;

    workers_check(m, now);
    heartbeats_check(m, now);
    systemd_notify_watchdog(&m->systemd, now);
    status_write(m, now);
    metrics_export_tick(m, now);
    if (m->stopping) {
        tick_stopping(m, now);
        return;
    }
    if (workers_ready(m, &m->now) && !was_ready) {
        m->status_due_ms = now; /* scripts that wait for it see it soon */
        systemd_notify_send(&m->systemd, "READY=1\nSTATUS=serving");
        log_info("ready", kvn("workers", workers_running(m)));
    }
    if (!m->now.ready && m->now.deaths >= WORKER_START_FAILURES_MAX) {
        stop_after_failures(m);
        return;
    }
    reload_tick(m, now);
    sizing_tick(m, now);
    children_tick(m, now);
}

static void run(struct master *m) {
    do {
        tick(m, clock_monotonic_ms());
        wait_for_event(m);
        take_signals(m);
        workers_reap(m);
    } while (!m->stopping || workers_running(m) > 0 || child_signal(m, STREAM_HOLDER, 0) ||
             child_signal(m, RUNNER, 0) || adopted_signal(m, 0) > 0);
    orphans_end(END_ORPHANS_MS);
    log_info("stopped", kvn("status", m->exit_status));
}

static bool open_all(struct master *m) {
    struct err e = {.code = OK};

    m->listener = m->wake = m->signals = m->state = -1;
    m->stream_holder_in = m->stream_holder_out = m->runner_listener = -1;
    m->runner_connector = -1;
    if (daemon_open_log() && (m->signals = open_signals()) >= 0 &&
        (m->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) >= 0 &&
        (m->board = memory_shared(sizeof *m->board)) != NULL &&
        (m->shared = app_shared_new()) != NULL && watchdog_open() && children_open(m)) {
        if (state_lock(m->now.config, &m->state, &e)) {
            log_error("start_failed", kv("why", e.text));
            return false;
        }
        if (!runner_open(m)) {
            log_error("start_failed", kv("why", strerror(errno)),
                      kv("hint", "the runner's socket in STATE_DIR"));
            return false;
        }
        if (listener_open("LISTEN", m->address, &m->listener, &m->source, &e) == OK)
            return metrics_export_open(m);
        log_error("listen_failed", kv("why", e.text));
    } else {
        log_error("start_failed", kv("why", strerror(errno)));
    }
    return false;
}

/* The process ends next, which closes all descriptors. */
static void close_all(struct master *m) {
    children_close(m);
    metrics_export_close(m);
    if (m->listener >= 0)
        listener_close(m->address, m->listener, m->source);
    watchdog_close();
    app_shared_free(m->shared);
    generation_free(&m->now);
    generation_free(&m->next);
    free(m->address);
    free(m->run_user);
    status_close(m);
    free(m);
}

int server_run(const char *config_path, struct site_set *sites,
               const struct server_timing *timing) {
    struct master *m = xcalloc(1, sizeof *m);
    const struct config *config = sites->config->host;
    int status = 1;

    m->config_path = config_path;
    m->timing = timing ? timing : &default_timing;
    m->address = xstrdup(config->listen);
    status_open(m, config->status_file);
    m->started_s = time(NULL);
    systemd_notify_open(&m->systemd);
    daemon_forbid_dumps();
    descriptors_allow_most();
    orphans_adopt(true);
    m->now = (struct generation){
        .number = m->generations = 1, .sites = sites, .config = config, .manifests_s = time(NULL)};
    m->target = config->workers_min;
    if (open_all(m)) {
        metrics_show_sites(config->sites_metrics);
        generation_name_sites(&m->now);
        m->now.catalog = sites->entries ? NULL : app_catalog_load(config);
        log_info("started", kv("listen", m->source == LISTENER_BOUND ? m->address : "inherited"),
                 kvn("workers_min", config->workers_min), kvn("workers_max", config->workers_max),
                 kvn("sites", (int64_t)sites->config->count), kv("version", MCP_AUTHD_VERSION));
        run(m);
        status_remove(m);
        status = m->exit_status;
    }
    close_all(m);
    return status;
}
