/* Between cache.c and passing.c. */
#ifndef HOST_CACHE_FILE_H
#define HOST_CACHE_FILE_H

#include "host/host.h"
#include "host/kv.h"

struct host_cache {
    struct kv *kv;
    char swept[KV_KEY_MAX + 1];    /* where the last sweep of passing values stopped */
    char sweep_at[KV_KEY_MAX + 1]; /* where host_cache_sweep stopped */
};

/* What stands before a passing value. Permanent values have only stored_s. */
#define PASSING_PREFIX "~" /* no other key begins so */
struct passing {
    int64_t stored_s, expires_s;
};

#endif
