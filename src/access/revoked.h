/* Digests of access tokens that were revoked (RFC 7009) before they expired, in a file that all
 * workers of this host map. A lookup costs an fstat, and a hash while any token is revoked. */
#pragma once

#include "crypto/digest.h"

struct revoked;
/* Makes the file if it is missing or damaged. ERR_STORE says what an admin can do; *out is set
 * nevertheless, and tries again at each use. */
enum rc revoked_open(const char *path, struct revoked **out, struct err *e) MUST_USE;
void revoked_close(struct revoked *r); /* NULL is accepted */

/* The token, which is given by its SHA-256, is revoked from now until expires_s (seconds since
 * 1970). ERR_STORE if there is no room: no entry is removed before it expires. Only for valid
 * tokens, so that nobody can fill the table with invented ones. */
enum rc revoked_add(struct revoked *r, const uint8_t token[SHA256_LEN], int64_t expires_s,
                    int64_t now_s, struct err *e) MUST_USE;
/* False if r is NULL or the file cannot be used. */
bool revoked_has(struct revoked *r, const uint8_t token[SHA256_LEN], int64_t now_s);
