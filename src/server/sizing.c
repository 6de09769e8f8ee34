/* Private part of master.h: how many workers there are. */
#include "server/master.h"

#include "base/log.h"

#define BATCH_MAX 32
#define BATCH_FORGET_MS 1000 /* after so long without a new worker, begin with one again */
#define SPAWN_AGAIN_MS 500   /* after fork(2) failed */

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
