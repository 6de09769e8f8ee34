/* Private part of master.h: the generations of workers: how many there are of each, and a reload,
 * which is a second generation. */
#include "server/master.h"

#include <sys/param.h>

#include "app/app.h"
#include "base/problems.h"
#include "metrics/metrics.h"
#include "server/server.h"

#define BATCH_MAX 32
#define BATCH_FORGET_MS 1000 /* after so long without a new worker, begin with one again */
#define SPAWN_AGAIN_MS 500   /* after fork(2) failed */

/* ---- how many ---- */

/* How many workers of the generation that serves are in this state. */
static unsigned count(const struct master *m, enum slot_state state) {
    unsigned n = 0;

    for (unsigned i = 0; i < WORKER_SLOTS; i++)
        n += worker_is_wanted(m, i, m->now.number) && m->board->slots[i].state == (int)state;
    return n;
}

/* Workers of the generation that serves which answer requests: all but those that run a call. */
static unsigned front_workers(const struct master *m) {
    return workers_wanted(m, m->now.number) - count(m, SLOT_CALL);
}

/* Raises the target when all workers are busy, by twice as many each time it was not enough. */
static void grow(struct master *m, int64_t now) {
    unsigned max = m->now.config->workers_max;

    if (count(m, SLOT_IDLE) + count(m, SLOT_STARTING) > 0 || front_workers(m) < m->target)
        return;
    if (m->target >= max) {
        if (!m->max_warned && max > m->now.config->workers_min)
            log_warn("workers_max_reached", kvn("workers", max),
                     kv("hint", "requests wait; raise WORKERS_MAX if this host can bear it"));
        m->max_warned = true;
        return;
    }
    m->batch = now - m->grown_ms > BATCH_FORGET_MS ? 1 : MIN(m->batch * 2, BATCH_MAX);
    m->target = MIN(m->target + m->batch, max);
    m->grown_ms = now;
}

static void retire_idle(struct master *m, unsigned n) {
    for (unsigned i = WORKER_SLOTS; i-- > 0 && n;)
        if (worker_is_wanted(m, i, m->now.number) && m->board->slots[i].state == SLOT_IDLE) {
            worker_retire(m, i);
            n--;
        }
}

/* Ends idle workers but one, after idle_retire_ms in which they were not needed: at once those that
 * were started in place of workers that ran calls, the others one by one. */
static void shrink(struct master *m, int64_t now) {
    unsigned front = front_workers(m), idle = count(m, SLOT_IDLE);
    unsigned surplus = front > m->target ? front - m->target : 0;

    if ((!surplus && m->target <= m->now.config->workers_min) || idle < 2) {
        m->surplus_since_ms = now;
        return;
    }
    if (now - m->surplus_since_ms < m->timing->idle_retire_ms)
        return;
    if (!surplus)
        m->target--;
    retire_idle(m, MIN(surplus ? surplus : 1, idle - 1));
    m->surplus_since_ms = now;
    m->max_warned = false;
}

/* Starts missing workers: all at once, or one at a time while they fail. */
static void start_missing(struct master *m, struct generation *g, unsigned want, int64_t now) {
    if (g->backoff_ms && workers_have_started(m, g->number, g->failed_ms))
        g->backoff_ms = 0;
    while (now >= g->respawn_ms && workers_wanted(m, g->number) < want) {
        if (!workers_spawn(m, g))
            g->respawn_ms = now + SPAWN_AGAIN_MS;
        else if (g->backoff_ms)
            g->respawn_ms = now + g->backoff_ms;
    }
}

/* ---- manifests ---- */

static void manifest_changed(void *generation, const char *path, int64_t at_ms) {
    const struct generation *g = generation;

    app_catalog_update(g->catalog, path, at_ms, false);
}

/* Reads the manifests that have changed since it was loaded. */
static void update(const struct master *m, struct generation *g) {
    if (g->catalog)
        manifest_changes_take(&m->board->manifests, &g->manifests_seen, manifest_changed, g);
}

void generation_free(struct generation *g) {
    app_catalog_free(g->catalog);
    site_set_free(g->sites);
    *g = (struct generation){0};
}

void sizing_tick(struct master *m, int64_t now) {
    update(m, &m->now);
    update(m, &m->next);
    grow(m, now);
    shrink(m, now);
    m->board->can_grow = m->target < m->now.config->workers_max;
    start_missing(m, &m->now, m->target + count(m, SLOT_CALL), now);
    if (m->next.config)
        start_missing(m, &m->next, m->next.config->workers_min, now);
}

/* ---- a reload ---- */

/* Logins, tasks and streams that have begun are stored in the old one, which is locked. */
static bool keeps_state_dir(const struct config *config, const struct config *now, FILE *problems) {
    if (!strcmp(config->state_dir, now->state_dir))
        return true;
    (void)fprintf(problems, "STATE_DIR is %s, and was %s: a change of it takes a restart\n",
                  config->state_dir, now->state_dir);
    return false;
}

/* Fills the sites and the catalog, if the daemon would start with them. A site that is wrong stays
 * as it is. */
static bool load(const char *path, const struct site_set *now, struct generation *out) {
    struct app_checked checked = {0};
    struct problems p;
    struct site_set *sites;
    bool good;

    problems_begin(&p);
    sites = site_set_load(path, now, NULL, p.f);
    good = sites && keeps_state_dir(sites->config->host, now->config->host, p.f) &&
           app_check_sites(sites, now, p.f, &checked);
    for (const char *line; (line = problems_next(&p));)
        LOG_AT(good && !sites->config->refused ? LOG_WARN : LOG_ERROR,
               good ? "config_problem" : "reload_failed", kv("why", line));
    if (!good)
        log_error("reload_failed", kv("hint", "the running configuration stays in force"));
    else if (sites->config->refused)
        log_error("sites_refused", kvn("sites", (int64_t)sites->config->refused),
                  kv("hint", "they stay as they were, or are not served; the others are reloaded"));
    out->sites = sites;
    out->config = sites ? sites->config->host : NULL;
    out->catalog = checked.catalog;
    if (!good)
        generation_free(out);
    return good;
}

void generation_name_sites(struct generation *g) {
    struct config_sites *sites = g->sites->config;

    for (size_t i = 0; g->sites->entries && i < sites->count; i++) {
        const char *name = sites->all[i].config->site;

        sites->all[i].metrics = metrics_site(*name ? name : METRIC_SITE_HOST);
    }
}

static void reload_refused(struct master *m) {
    m->tally.reloads_refused++;
    systemd_notify_send(&m->systemd,
                        "READY=1\nSTATUS=the last reload was refused: the configuration from "
                        "before it is in force");
}

/* Starts workers of a new generation beside the old one; reload_tick decides whether they replace
 * it, since some errors, such as a store that cannot be opened, appear when a worker starts. */
void reload_start(struct master *m) {
    struct generation next = {.manifests_seen = m->board->manifests.count,
                              .manifests_s = time(NULL)};

    if (m->stopping)
        return;
    if (m->next.config) { /* a reload is in progress: the next one follows it */
        m->reload_again = true;
        return;
    }
    systemd_notify_reloading(&m->systemd);
    if (!load(m->config_path, m->now.sites, &next)) {
        reload_refused(m);
        return;
    }
    if (strcmp(next.config->listen, m->address) != 0)
        log_warn("listen_unchanged", kv("listen", m->address),
                 kv("hint", "a change of LISTEN takes a restart"));
    generation_name_sites(&next);
    next.number = ++m->generations;
    next.since_ms = clock_monotonic_ms();
    m->next = next;
}

static void retire_all(struct master *m, unsigned generation) {
    for (unsigned i = 0; i < WORKER_SLOTS; i++)
        if (m->workers[i].pid && m->workers[i].generation == generation)
            worker_retire(m, i);
}

static void reload_complete(struct master *m) {
    unsigned old = m->now.number;
    const struct config *c = m->next.config;

    generation_free(&m->now);
    m->now = m->next;
    m->now.ready = true;
    m->next = (struct generation){0};
    m->target = MIN(MAX(m->target, c->workers_min), c->workers_max);
    m->max_warned = false;
    retire_all(m, old);
    stream_holder_replace(m); /* the next one watches the directories of the new configuration */
    m->tally.reloads++;
    systemd_notify_send(&m->systemd, "READY=1\nSTATUS=serving, reloaded %llu times",
                        (unsigned long long)m->tally.reloads);
    log_info("reload_ok", kvn("generation", m->now.number));
}

static void reload_abort(struct master *m, const char *why) {
    log_error("reload_failed", kv("why", why),
              kv("hint", "the running configuration stays in force"));
    retire_all(m, m->next.number);
    generation_free(&m->next);
    reload_refused(m);
}

void reload_tick(struct master *m, int64_t now) {
    if (m->next.config) {
        if (workers_ready(m, &m->next))
            reload_complete(m);
        else if (m->next.deaths >= WORKER_START_FAILURES_MAX)
            reload_abort(m, "workers do not start with the new configuration");
        else if (now - m->next.since_ms > m->timing->start_ms)
            reload_abort(m, "no worker has come up in time with the new configuration");
    }
    if (!m->next.config && m->reload_again) {
        m->reload_again = false;
        reload_start(m);
    }
}
