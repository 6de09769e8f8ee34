/* Memory that master and workers share, a cache line a worker. Only the worker writes to its slot,
 * and the master before it has one and after it has gone. What the master must be able to trust,
 * such as process ids, is not in here. */
#pragma once

#include <stdatomic.h>

#include "base/base.h"

#define WORKERS_LIMIT 256
#define WORKER_SLOTS (2 * WORKERS_LIMIT) /* on a reload two generations overlap */

enum slot_state { SLOT_FREE, SLOT_STARTING, SLOT_IDLE, SLOT_BUSY, SLOT_LEAVING };
#define SLOT_STATES (SLOT_LEAVING + 1)

struct slot {
    _Alignas(64) _Atomic int state;
    _Atomic bool ready;                /* it has come as far as waiting for a connection */
    _Atomic int64_t busy_since_ms;     /* monotonic; also starting and leaving; 0: idle */
    _Atomic int limit_ms;              /* of the request it is busy with; 0: stuck_ms alone */
    _Atomic uint64_t requests, errors; /* errors: answered with 500 or above */
};

struct scoreboard {
    _Atomic bool can_grow;       /* written by the master: more workers may be started */
    _Atomic unsigned slots_used; /* written by the master: no slot from here on was ever used */
    _Atomic unsigned streams;    /* written by the stream holder: how many it holds */
    _Atomic unsigned catalog;    /* counts changes of what workers have read from directories */
    struct slot slots[WORKER_SLOTS];
};

struct scoreboard *scoreboard_new(void); /* shared with children forked afterwards; NULL: errno */
void scoreboard_free(struct scoreboard *board);
void slot_set(struct slot *slot, enum slot_state state);
/* No worker is idle or about to be. */
bool scoreboard_is_full(const struct scoreboard *board);
