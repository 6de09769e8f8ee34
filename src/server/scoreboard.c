#include "server/scoreboard.h"

void slot_set(struct slot *slot, enum slot_state state, int64_t now_ms) {
    bool working = state != SLOT_FREE && state != SLOT_IDLE;

    if (state == SLOT_FREE || state == SLOT_STARTING) {
        slot->ready = false;
        slot->requests = slot->errors = 0;
    }
    if (state == SLOT_IDLE)
        slot->ready = true;
    slot->limit_ms = 0;
    slot->held_since_ms = slot->busy_since_ms = working ? now_ms : 0;
    slot->state = state;
}

void slot_set_call(struct slot *slot, bool in_call) {
    slot->held_since_ms = clock_monotonic_ms();
    slot->state = in_call ? SLOT_CALL : SLOT_BUSY;
}

struct site_load scoreboard_load(const struct scoreboard *board, uint32_t site) {
    struct site_load load = {0};
    const unsigned used = board->slots_used;
    const int64_t held_ms = clock_monotonic_ms() - HELD_MS;

    for (unsigned i = 0; i < used; i++)
        if (board->slots[i].state == SLOT_BUSY) {
            load.all++;
            load.site += board->slots[i].site == site;
            load.held += board->slots[i].held_since_ms < held_ms;
        }
    return load;
}

bool site_load_is_over(const struct site_load *load, unsigned share, unsigned workers_max) {
    return share < workers_max && load->site > share &&
           load->all + workers_max / 4 >= workers_max && load->held >= (workers_max + 1) / 2;
}

/* Reads every slot instead of keeping a count, which becomes wrong when a worker is killed
 * between two steps, and stays wrong. */
bool scoreboard_is_full(const struct scoreboard *board) {
    unsigned used = board->slots_used;

    for (unsigned i = 0; i < used; i++) {
        int s = board->slots[i].state;

        if (s == SLOT_IDLE || s == SLOT_STARTING)
            return false;
    }
    return true;
}
