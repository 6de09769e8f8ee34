/* How often something may happen, counted for all workers of this host together: token buckets in
 * a file that every worker maps. Taking a token costs a hash and one atomic exchange; there is no
 * lock, and the file never grows. */
#pragma once

#include "base/base.h"

struct rate_limits;
/* Makes the file if it is missing or damaged. Errors are ERR_STORE and say what an admin can do;
 * *out is set nevertheless, tries again at each use, and does not limit until that succeeds. */
enum rc rate_limits_open(const char *path, struct rate_limits **out, struct err *e) MUST_USE;
void rate_limits_close(struct rate_limits *l); /* NULL is accepted */

/* Takes a token from the bucket of `key`, which gets `per_minute` tokens evenly and holds as many.
 * It is at least 1, and at most 60000. Returns 0, or the milliseconds until there is a token.
 * now_ms is real time, since buckets outlive processes. */
int64_t rate_limits_take(struct rate_limits *l, const char *key, unsigned per_minute,
                         int64_t now_ms);

/* The same without taking a token. */
int64_t rate_limits_wait(struct rate_limits *l, const char *key, unsigned per_minute,
                         int64_t now_ms);

/* As rate_limits_take, for the requests that name one client and come from one address, at the
 * present time. `address` is as the web server wrote it; 0 is returned also if it is not an
 * address. client_id is decoded, so that all its encoded forms are one client. */
int64_t rate_limits_take_client(struct rate_limits *l, struct arena *a, const char *address,
                                const char *client_id, unsigned per_minute);

/* The key of an address: an IPv4 address itself, an IPv6 address's /64, since one user has at least
 * that; NULL if it is not an address. */
const char *rate_limits_address_key(struct arena *a, const char *address);
