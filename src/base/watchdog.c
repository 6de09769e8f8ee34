#include "base/watchdog.h"

#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

static struct {
    struct watchdog_slot *slots, *mine;
    pid_t master;
    uint64_t instance;
} shared;

#define BYTES (WATCHDOG_SLOTS * sizeof(struct watchdog_slot))

bool watchdog_open(void) {
    void *p = memory_shared(BYTES);

    if (!p || getrandom(&shared.instance, sizeof shared.instance, 0) < 0)
        return false;
    shared.slots = p; /* zero bytes: all slots are free */
    shared.master = getpid();
    return true;
}

void watchdog_close(void) {
    if (shared.slots)
        (void)munmap(shared.slots, BYTES);
    shared.slots = shared.mine = NULL;
}

struct watchdog_slot *watchdog_slot(unsigned i) {
    return &shared.slots[i];
}

pid_t watchdog_master(void) {
    return shared.master;
}

uint64_t watchdog_instance(void) {
    return shared.instance;
}

void watchdog_begin(int limit_ms) {
    pid_t none;

    shared.mine = NULL;
    for (unsigned i = 0; shared.slots && !shared.mine && i < WATCHDOG_SLOTS; i++) {
        struct watchdog_slot *p = &shared.slots[i];

        none = 0;
        if (!p->pid && atomic_compare_exchange_strong(&p->pid, &none, getpid()))
            shared.mine = p;
    }
    if (shared.mine)
        shared.mine->limit_ms = limit_ms;
    watchdog_heartbeat();
}

void watchdog_heartbeat(void) {
    if (shared.mine)
        shared.mine->heartbeats++;
}
