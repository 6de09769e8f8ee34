#include "server/scoreboard.h"

#include <sys/mman.h>

struct scoreboard *scoreboard_new(void) {
    void *p = mmap(NULL, sizeof(struct scoreboard), PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    return p == MAP_FAILED ? NULL : p; /* zero bytes: all slots are free */
}

void scoreboard_free(struct scoreboard *board) {
    if (board)
        munmap(board, sizeof *board);
}

void slot_set(struct slot *slot, enum slot_state state) {
    bool working = state != SLOT_FREE && state != SLOT_IDLE;

    if (state == SLOT_FREE || state == SLOT_STARTING) {
        slot->ready = false;
        slot->requests = slot->errors = 0;
    }
    if (state == SLOT_IDLE)
        slot->ready = true;
    slot->limit_ms = 0;
    slot->busy_since_ms = working ? clock_monotonic_ms() : 0;
    slot->state = state;
}

/* Looks at every slot instead of keeping a count: a count goes wrong when a worker is killed
 * between two steps, and never comes right again. */
bool scoreboard_is_full(const struct scoreboard *board) {
    unsigned used = board->slots_used;

    for (unsigned i = 0; i < used; i++) {
        int s = board->slots[i].state;

        if (s == SLOT_IDLE || s == SLOT_STARTING)
            return false;
    }
    return true;
}
