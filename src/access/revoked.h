/* Access tokens that were revoked (RFC 7009) before their end, by their digests, in a file that all
 * workers of this host map. A look costs an fstat, and a hash while any token is revoked. */
#pragma once

#include "base/base.h"

struct revoked;
/* Makes the file if it is missing, and in place of one that is damaged. ERR_STORE says what an
 * admin can do; *out is there all the same, and tries again each time it is used. */
enum rc revoked_open(const char *path, struct revoked **out, struct err *e) MUST_USE;
void revoked_close(struct revoked *r); /* NULL is accepted */

/* From now until ends_s, in seconds since 1970. ERR_STORE if there is no room: none that still
 * counts gives way. Only for tokens that are good, so that nobody can fill it with others. */
enum rc revoked_add(struct revoked *r, const char *token, int64_t ends_s, int64_t now_s,
                    struct err *e) MUST_USE;
/* With NULL: no. */
bool revoked_has(struct revoked *r, const char *token, int64_t now_s);
