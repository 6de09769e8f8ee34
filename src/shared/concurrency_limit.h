/* Limits of concurrent work of this host's processes. A process that ends, in whatever way, no
 * longer counts. */
#pragma once

#include "base/base.h"

/* How many workers may wait for a service at once, so that the others stay free while it is slow.
 * The service counts as slow
 * - while a call has been pending for longer than slow_ms, unless another has succeeded within the
 *   last slow_ms;
 * - for CONCURRENCY_SLOW_FOR_MS after a call that failed or took longer than slow_ms, with the same
 *   exception. A call that succeeds within slow_ms ends this. */
#define CONCURRENCY_MAX 256
#define CONCURRENCY_SLOW_FOR_MS 10000
struct concurrency_options {
    unsigned limit;      /* calls at once */
    unsigned slow_limit; /* calls at once while the service is slow; at most `limit` */
    unsigned queue;      /* further workers that may wait then, for wait_ms */
    int slow_ms;
    int wait_ms;            /* how long a caller waits if the limit is reached */
    bool proceed_when_full; /* after wait_ms a caller may proceed, unless the service is slow */
    bool exclusive;         /* callers proceed one at a time, each waiting at most slow_ms */
};
/* The usual limit: three quarters of the workers. While the service is slow: a quarter, and another
 * quarter may queue for slow_ms, since a single failure is often over by then. */
struct concurrency_options concurrency_of_service(unsigned workers, int slow_ms);
/* For work that only one worker can do at a time, such as writing to a file: three quarters of the
 * workers may wait for it, for slow_ms; only one while it is slow. */
struct concurrency_options concurrency_exclusive(unsigned workers, int slow_ms);

/* One process uses a handle, for one call at a time. */
struct concurrency_limit;
/* The file is made if it is missing. ERR_STORE says what an admin can do. */
enum rc concurrency_limit_open(const char *path, const struct concurrency_options *options,
                               struct concurrency_limit **out, struct err *e) MUST_USE;
void concurrency_limit_close(struct concurrency_limit *l); /* NULL is accepted */

/* All of these accept NULL: there is no limit then. */
enum concurrency_answer { CONCURRENCY_ENTERED, CONCURRENCY_FULL, CONCURRENCY_SLOW };
/* Without waiting. */
enum concurrency_answer concurrency_limit_try(struct concurrency_limit *l) MUST_USE;
/* Waits as the options say. ERR_UPSTREAM: too many are waiting. */
enum rc concurrency_limit_enter(struct concurrency_limit *l) MUST_USE;
/* Ends the call. `success`: it succeeded. */
void concurrency_limit_leave(struct concurrency_limit *l, bool success);
bool concurrency_limit_is_slow(struct concurrency_limit *l);

/* A limit of what runs at once, in all and for each owner, such as tasks and their users. */
#define CONCURRENCY_SHARE_MAX 1024
struct concurrency_share {
    const char *path;
    unsigned total, per_owner; /* at most CONCURRENCY_SHARE_MAX */
    const char *group;         /* of the owner, such as a site; NULL: there are no groups */
    unsigned per_group;
};
/* Takes one place of this owner, until all processes have closed the descriptor *fd. ERR_EXISTS:
 * the owner's limit is reached; ERR_CONFLICT: the group's is; ERR_TOO_LARGE: the limit of all is;
 * ERR_STORE: the file cannot be used. */
enum rc concurrency_share_take(const struct concurrency_share *s, const char *owner, int *fd,
                               struct err *e) MUST_USE;
/* How many of the `total` places of a file are taken; 0 also if it cannot be read. */
unsigned concurrency_share_used(const char *path, unsigned total);
