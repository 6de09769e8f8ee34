#include "base/watchdog.h"

#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

static struct {
    struct watchdog_place *places, *mine;
    pid_t master;
    uint64_t instance;
} shared;

#define BYTES (WATCHDOG_PLACES * sizeof(struct watchdog_place))

bool watchdog_open(void) {
    void *p = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED || getrandom(&shared.instance, sizeof shared.instance, 0) < 0)
        return false;
    shared.places = p; /* zero bytes: all places are free */
    shared.master = getpid();
    return true;
}

void watchdog_close(void) {
    if (shared.places)
        (void)munmap(shared.places, BYTES);
    shared.places = shared.mine = NULL;
}

struct watchdog_place *watchdog_place(unsigned i) {
    return &shared.places[i];
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
    for (unsigned i = 0; shared.places && !shared.mine && i < WATCHDOG_PLACES; i++) {
        struct watchdog_place *p = &shared.places[i];

        none = 0;
        if (!p->pid && atomic_compare_exchange_strong(&p->pid, &none, getpid()))
            shared.mine = p;
    }
    if (shared.mine)
        shared.mine->limit_ms = limit_ms;
    watchdog_sign();
}

void watchdog_sign(void) {
    if (shared.mine)
        shared.mine->signs++;
}
