/* Limits to what the processes of this host do at once. A process that ends, however it ends, does
 * not count any longer. */
#ifndef SHARED_CONCURRENCY_LIMIT_H
#define SHARED_CONCURRENCY_LIMIT_H

#include "base/err.h"
#include <stdbool.h>

/* How many workers wait for a service at once, so that the others go on while it is slow. A call
 * pending longer than slow_ms, with no success since, lowers the limit; so does one that took so
 * long or failed, for CONCURRENCY_SLOW_FOR_MS. A success raises it again. */
#define CONCURRENCY_MAX 256
#define CONCURRENCY_SLOW_FOR_MS 10000
struct concurrency_options {
    unsigned limit;      /* calls at once, */
    unsigned slow_limit; /* and while the service is slow */
    unsigned queue;      /* workers that wait to be let in while it is slow */
    int slow_ms;
    int wait_ms;   /* how long whoever finds it full waits, */
    bool overflow; /* and is let in after, if the service is not slow then */
    bool alone; /* those that are let in go on one at a time, and wait slow_ms for that at most */
};
/* The usual: three quarters of the workers, a quarter while it is slow, and another quarter waits
 * then for slow_ms at most, since single failures are often over by then. */
struct concurrency_options concurrency_of_service(unsigned workers, int slow_ms);
/* For what one alone can do at a time, such as writing to a file: three quarters wait for it,
 * slow_ms at most, and one while it is slow. */
struct concurrency_options concurrency_of_one(unsigned workers, int slow_ms);
/* So many, however fast the service is. */
struct concurrency_options concurrency_fixed(unsigned limit);

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
/* Waits, as the options say. ERR_UPSTREAM: too many are waiting already. */
enum rc concurrency_limit_enter(struct concurrency_limit *l) MUST_USE;
/* `success`: the service has done what it was asked for. */
void concurrency_limit_leave(struct concurrency_limit *l, bool success);
bool concurrency_limit_is_slow(struct concurrency_limit *l);

/* concurrency_share.c: what runs at once, `all` together and `each` of one owner. */
#define CONCURRENCY_SHARE_MAX 1024
struct concurrency_share {
    const char *path;
    unsigned all, each; /* at most CONCURRENCY_SHARE_MAX */
};
/* It counts until the descriptor *fd is closed in every process that has it, such as one that was
 * forked. ERR_EXISTS: the owner has its share; ERR_TOO_LARGE: all run; ERR_STORE. */
enum rc concurrency_share_take(const struct concurrency_share *s, const char *owner, int *fd,
                               struct err *e) MUST_USE;

#endif
