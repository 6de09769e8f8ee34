/* Which manifests have changed since the daemon was started: the stream holder adds them, master
 * and workers read each manifest again that is new to them. In memory that they share. */
#pragma once

#include <stdatomic.h>

#include "base/base.h"

#define MANIFEST_CHANGES_KEPT 64      /* a reader that has missed more looks for changes itself */
#define MANIFEST_CHANGE_PATH_MAX 1024 /* bytes with the NUL; a longer path is added as "" */

struct manifest_change {
    int64_t at_ms;                       /* real time when it was added */
    char path[MANIFEST_CHANGE_PATH_MAX]; /* "": it is not known which */
};

struct manifest_changes {
    _Atomic unsigned count;  /* of all so far */
    _Atomic int64_t read_ms; /* real time: before the master read them all; written by it */
    struct manifest_change kept[MANIFEST_CHANGES_KEPT];
};

/* Adds the path of a manifest, or of a directory in which any may have changed; "": in any. By one
 * process only. */
void manifest_changes_add(struct manifest_changes *c, const char *path);
/* Calls fn for each path added after the first *seen, and counts these; with NULL when it is not
 * known which. What has changed after at_ms is added later. */
typedef void manifest_changed_fn(void *arg, const char *path, int64_t at_ms);
void manifest_changes_take(struct manifest_changes *c, unsigned *seen, manifest_changed_fn *fn,
                           void *arg);
