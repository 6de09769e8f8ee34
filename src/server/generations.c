/* Private part of master.h: the generations of workers: how many there are of each, and a reload,
 * which is a second generation. */
#include "base/base.h"
#include "server/master.h"

#include <signal.h>

#include "app/app.h"
#include "config/config.h"
#include "server/server.h"

#define BATCH_MAX 32
#define BATCH_FORGET_MS 1000 /* after so long without a new worker, begin with one again */
#define SPAWN_AGAIN_MS 500   /* after fork(2) failed */

/* ---- how many ---- */

static unsigned least(unsigned a, unsigned b) {
    return a < b ? a : b;
}

/* The state of the workers of the generation that serves. */
static unsigned count(const struct master *m, enum slot_state state) {
    unsigned n = 0;

    for (unsigned i = 0; i < WORKER_SLOTS; i++)
        n += m->workers[i].pid && !m->workers[i].retiring &&
             m->workers[i].generation == m->now.number && m->board->slots[i].state == (int)state;
    return n;
}

/* Wants more workers when all are busy, and twice as many each time that this was not enough. */
static void grow(struct master *m, int64_t now) {
    unsigned max = m->now.config->workers_max;

    if (count(m, SLOT_IDLE) + count(m, SLOT_STARTING) > 0 ||
        workers_wanted(m, m->now.number) < m->target)
        return;
    if (m->target >= max) {
        if (!m->max_warned && max > m->now.config->workers_min)
            log_warn("workers_max_reached", kvn("workers", max),
                     kv("hint", "requests wait; raise WORKERS_MAX if this host can bear it"));
        m->max_warned = true;
        return;
    }
    m->batch = now - m->grown_ms > BATCH_FORGET_MS ? 1 : least(m->batch * 2, BATCH_MAX);
    m->target = least(m->target + m->batch, max);
    m->grown_ms = now;
}

/* Ends idle workers but one, one by one, each after idle_retire_ms in which it was not needed. */
static void shrink(struct master *m, int64_t now) {
    if (m->target <= m->now.config->workers_min || count(m, SLOT_IDLE) < 2) {
        m->surplus_since_ms = now;
        return;
    }
    if (now - m->surplus_since_ms < m->timing->idle_retire_ms)
        return;
    for (unsigned i = WORKER_SLOTS; i-- > 0;)
        if (m->workers[i].pid && !m->workers[i].retiring &&
            m->workers[i].generation == m->now.number && m->board->slots[i].state == SLOT_IDLE) {
            worker_retire(m, i);
            break;
        }
    m->target--;
    m->surplus_since_ms = now;
    m->max_warned = false;
}

/* Has one come up that was started after the last failure? */
static bool has_come_up(const struct master *m, const struct generation *g) {
    for (unsigned i = 0; i < WORKER_SLOTS; i++)
        if (m->workers[i].pid && m->workers[i].generation == g->number &&
            m->workers[i].started_ms >= g->failed_ms && m->board->slots[i].ready)
            return true;
    return false;
}

/* Starts what is missing: all at once, or one at a time while they fail. */
static void fill(struct master *m, struct generation *g, unsigned want, int64_t now) {
    if (g->backoff_ms && has_come_up(m, g))
        g->backoff_ms = 0;
    while (now >= g->respawn_ms && workers_wanted(m, g->number) < want) {
        if (!workers_spawn(m, g))
            g->respawn_ms = now + SPAWN_AGAIN_MS;
        else if (g->backoff_ms)
            g->respawn_ms = now + g->backoff_ms;
    }
}

void sizing_tick(struct master *m, int64_t now) {
    grow(m, now);
    shrink(m, now);
    m->board->can_grow = m->target < m->now.config->workers_max;
    fill(m, &m->now, m->target, now);
    if (m->next.config)
        fill(m, &m->next, m->next.config->workers_min, now);
}

/* ---- a reload ---- */

/* A log line for each line of text. */
static void log_lines(enum log_level level, const char *event, char *text) {
    char *rest = text, *line;

    while ((line = strsep(&rest, "\n")))
        if (*line)
            LOG_AT(level, event, kv("why", line));
}

/* Logins, tasks and streams that have begun are in the old one, which is locked. */
static bool keeps_state_dir(const struct config *config, const struct config *now, FILE *problems) {
    if (!strcmp(config->state_dir, now->state_dir))
        return true;
    (void)fprintf(problems, "STATE_DIR is %s, and was %s: a change of it takes a restart\n",
                  config->state_dir, now->state_dir);
    return false;
}

/* The configuration if the daemon would start with it, else NULL. */
static struct config *load(const char *path, const struct config *now) {
    char *text = NULL;
    size_t len = 0;
    unsigned left_out;
    FILE *problems = open_memstream(&text, &len);
    struct config *config;
    bool good;

    if (!problems) {
        log_error("reload_failed", kv("why", "out of memory"));
        return NULL;
    }
    config = config_load(path, problems);
    good =
        config && keeps_state_dir(config, now, problems) && app_check(config, problems, &left_out);
    fclose(problems);
    log_lines(good ? LOG_WARN : LOG_ERROR, good ? "config_problem" : "reload_failed", text);
    if (!good)
        log_error("reload_failed", kv("hint", "the running configuration stays in force"));
    free(text);
    if (good)
        return config;
    config_free(config);
    return NULL;
}

static void refused(struct master *m) {
    m->tally.reloads_refused++;
    systemd_notify_send(&m->systemd,
                        "READY=1\nSTATUS=the last reload was refused: the configuration from "
                        "before it is in force");
}

/* Starts workers of a new generation next to the old one. Whether they take over is decided by
 * reload_tick: what the check cannot see, such as a store that does not open, shows only there. */
void reload_start(struct master *m) {
    struct config *config;

    if (m->stopping)
        return;
    if (m->next.config) { /* one is on trial: try again after it */
        m->reload_again = true;
        return;
    }
    systemd_notify_reloading(&m->systemd);
    config = load(m->config_path, m->now.config);
    if (!config) {
        refused(m);
        return;
    }
    if (strcmp(config->listen, m->address) != 0)
        log_warn("listen_unchanged", kv("listen", m->address),
                 kv("hint", "a change of LISTEN takes a restart"));
    m->next = (struct generation){
        .number = ++m->generations, .config = config, .since_ms = clock_monotonic_ms()};
}

static void retire_all(struct master *m, unsigned generation) {
    for (unsigned i = 0; i < WORKER_SLOTS; i++)
        if (m->workers[i].pid && m->workers[i].generation == generation)
            worker_retire(m, i);
}

static void take_over(struct master *m) {
    unsigned old = m->now.number;
    const struct config *c = m->next.config;

    config_free(m->now.config);
    m->now = m->next;
    m->now.ready = true;
    m->next = (struct generation){0};
    m->target = m->target < c->workers_min ? c->workers_min : m->target;
    m->target = m->target > c->workers_max ? c->workers_max : m->target;
    m->max_warned = false;
    retire_all(m, old);
    stream_holder_replace(m); /* the next one watches the directories of the new configuration */
    m->tally.reloads++;
    systemd_notify_send(&m->systemd, "READY=1\nSTATUS=serving, reloaded %llu times",
                        (unsigned long long)m->tally.reloads);
    log_info("reload_ok", kvn("generation", m->now.number));
}

static void give_up(struct master *m, const char *why) {
    log_error("reload_failed", kv("why", why),
              kv("hint", "the running configuration stays in force"));
    retire_all(m, m->next.number);
    config_free(m->next.config);
    m->next = (struct generation){0};
    refused(m);
}

void reload_tick(struct master *m, int64_t now) {
    if (m->next.config) {
        if (workers_ready(m, &m->next))
            take_over(m);
        else if (m->next.deaths >= WORKER_START_FAILURES_MAX)
            give_up(m, "workers do not start with the new configuration");
        else if (now - m->next.since_ms > m->timing->start_ms)
            give_up(m, "no worker has come up in time with the new configuration");
    }
    if (!m->next.config && m->reload_again) {
        m->reload_again = false;
        reload_start(m);
    }
}
