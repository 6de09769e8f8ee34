/* How often something may happen, counted for all workers of this host together: token buckets in
 * a file that every worker maps. A bucket costs a hash and one atomic exchange; there is no lock,
 * and the file never grows. */
#ifndef SHARED_RATE_LIMIT_H
#define SHARED_RATE_LIMIT_H

#include "base/arena.h"
#include "base/err.h"
#include <stdint.h>

#define LIMIT_PER_MINUTE_MAX 6000

struct rate_limits;
/* Makes the file if it is missing, and in place of one that is damaged. Errors are ERR_STORE and
 * say what an admin can do; *out is there all the same, tries again each time it is used, and has
 * no limit until then. */
enum rc rate_limits_open(const char *path, struct rate_limits **out, struct err *e) MUST_USE;
void rate_limits_close(struct rate_limits *l); /* NULL is accepted */

/* Takes one of the `per_minute` that the bucket of `key` gets evenly, and holds at most. 0 if there
 * was one, else the milliseconds until there is. now_ms is of the real time, since buckets outlive
 * processes. */
int64_t rate_limits_take(struct rate_limits *l, const char *key, unsigned per_minute,
                         int64_t now_ms);

/* The same for a client at an address as the web server wrote it, at the present time. The same
 * client, however it was encoded, is one. 0 also if that is no address. */
int64_t rate_limits_take_client(struct rate_limits *l, struct arena *a, const char *address,
                                const char *client_id, unsigned per_minute);

/* What an address is counted as: an IPv4 address by itself, an IPv6 address by its /64, which is
 * what one user has at least; NULL if it is none. */
const char *rate_limits_address(struct arena *a, const char *address);

#endif
