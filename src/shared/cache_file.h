/* Between cache.c and passing.c. */
#ifndef SHARED_CACHE_FILE_H
#define SHARED_CACHE_FILE_H

#include "shared/kv.h"
#include "shared/shared.h"

struct host_cache {
    struct kv *kv;
    char swept[KV_KEY_MAX + 1]; /* where the last sweep of passing values stopped */
    /* Where host_cache_sweep stopped, for each prefix. */
    char sweep_at[HOST_CACHE_PREFIXES][KV_KEY_MAX + 1];
};

/* What stands before a passing value. Permanent values have only stored_s. */
#define PASSING_PREFIX "~" /* no other key begins so */
struct passing {
    int64_t stored_s, expires_s;
};

#endif
