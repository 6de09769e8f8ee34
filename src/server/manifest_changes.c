#include "server/manifest_changes.h"

void manifest_changes_add(struct manifest_changes *c, const char *path) {
    unsigned count = atomic_load(&c->count);
    struct manifest_change *place = &c->kept[count % MANIFEST_CHANGES_KEPT];
    size_t len = strlen(path);

    place->at_ms = clock_realtime_ms();
    memcpy(place->path, len < MANIFEST_CHANGE_PATH_MAX ? path : "",
           len < MANIFEST_CHANGE_PATH_MAX ? len + 1 : 1);
    atomic_store(&c->count, count + 1);
}

void manifest_changes_take(struct manifest_changes *c, unsigned *seen, manifest_changed_fn *fn,
                           void *arg) {
    struct manifest_change change;

    while (*seen != atomic_load(&c->count)) {
        unsigned count;

        change = c->kept[*seen % MANIFEST_CHANGES_KEPT];
        change.path[sizeof change.path - 1] = 0;
        count = atomic_load(&c->count);
        if (count - *seen >= MANIFEST_CHANGES_KEPT) { /* another path is being written there */
            *seen = count;
            fn(arg, NULL, clock_realtime_ms());
        } else {
            ++*seen;
            fn(arg, *change.path ? change.path : NULL, change.at_ms);
        }
    }
}
