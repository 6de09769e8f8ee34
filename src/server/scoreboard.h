/* Memory that master and workers share, a cache line a worker. Only the worker writes to its slot,
 * and the master before it starts and after it has ended. What the master must be able to trust,
 * such as process ids, is not in here. */
#pragma once

#include <stdatomic.h>

#include "config/sites.h"
#include "server/manifest_changes.h"

#define WORKERS_LIMIT 256
#define CALLS_LIMIT 1024
#define WORKER_SLOTS (2 * (WORKERS_LIMIT + CALLS_LIMIT)) /* on a reload two generations overlap */

/* SLOT_CALL: busy with a call that may take long. Such a worker does not count as one of those that
 * answer requests; the master starts another in its place. */
enum slot_state { SLOT_FREE, SLOT_STARTING, SLOT_IDLE, SLOT_BUSY, SLOT_LEAVING, SLOT_CALL };
#define SLOT_STATES (SLOT_CALL + 1)

struct slot {
    _Alignas(64) _Atomic int state;
    _Atomic bool ready;                /* it has waited for a connection */
    _Atomic int64_t busy_since_ms;     /* monotonic; also starting and leaving; 0: idle */
    _Atomic int64_t held_since_ms;     /* the same, or since its call began or ended */
    _Atomic int limit_ms;              /* of the request it is busy with; 0: stuck_ms alone */
    _Atomic uint64_t requests, errors; /* errors: answered with 500 or above */
    _Atomic uint32_t site; /* of several: a number for the site of its request; 0: none */
};

/* All zero at first: all slots are free. */
struct scoreboard {
    _Atomic bool can_grow;       /* written by the master: more workers may be started */
    _Atomic unsigned slots_used; /* written by the master: no slot from here on was ever used */
    _Atomic unsigned streams;    /* written by the stream holder: how many it holds */
    _Atomic unsigned parked;     /* written by it: how many parked calls it holds */
    _Atomic bool has_parked;     /* written by workers: there has been such a call */
    _Atomic bool stopping;       /* written by the master: the daemon stops */
    struct manifest_changes manifests;
    struct slot slots[WORKER_SLOTS];
    /* Written by the worker of the slot: the numbers of those of several sites that it has open. */
    _Atomic uint32_t open_sites[WORKER_SLOTS][OPEN_SITES_MAX];
};

void slot_set(struct slot *slot, enum slot_state state, int64_t now_ms);
/* A busy worker begins or ends a call. */
void slot_set_call(struct slot *slot, bool in_call);
/* How many workers answer a request (but for calls), how many of these one of this site, and how
 * many of all have been at theirs for over HELD_MS. */
#define HELD_MS 150
struct site_load {
    unsigned all, site, held;
};
struct site_load scoreboard_load(const struct scoreboard *board, uint32_t site);
/* Must a site with so many workers (SITE_WORKERS; never one that may have all of them) refuse a
 * request, which the load counts already? Only while less than a quarter of the workers is free,
 * and half are held: requests that end at once wait in the listening queue, as they do if there is
 * one site. */
bool site_load_is_over(const struct site_load *load, unsigned share, unsigned workers_max);
/* No worker is idle or about to be. */
bool scoreboard_is_full(const struct scoreboard *board);
