/* How often something may happen, counted for all workers of this host together: token buckets in
 * a file that every worker maps. Taking a token costs a hash and one atomic exchange; there is no
 * lock, and the file never grows. */
#pragma once

#include "base/base.h"

#define LIMIT_PER_MINUTE_MAX 6000

struct rate_limits;
/* Makes the file if it is missing or damaged. Errors are ERR_STORE and say what an admin can do;
 * *out is set nevertheless, tries again at each use, and does not limit until that succeeds. */
enum rc rate_limits_open(const char *path, struct rate_limits **out, struct err *e) MUST_USE;
void rate_limits_close(struct rate_limits *l); /* NULL is accepted */

/* Takes a token from the bucket of `key`, which gets `per_minute` tokens evenly and holds as many.
 * Returns 0, or the milliseconds until there is one. now_ms is real time, since buckets outlive
 * processes. */
int64_t rate_limits_take(struct rate_limits *l, const char *key, unsigned per_minute,
                         int64_t now_ms);

/* The same for a client at an address, as the web server wrote it, at the present time. Differently
 * encoded forms of a client_id are the same client. 0 also if the text is not an address. */
int64_t rate_limits_take_client(struct rate_limits *l, struct arena *a, const char *address,
                                const char *client_id, unsigned per_minute);

/* The key of an address: an IPv4 address itself, an IPv6 address's /64, since one user has at least
 * that; NULL if it is not an address. */
const char *rate_limits_address(struct arena *a, const char *address);
