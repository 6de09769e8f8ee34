/* DENY_FILE lists clients and users who are refused at once, for an emergency. One entry a line, #
 * begins a comment:
 *   client ID             a client, by its client_id
 *   subject SUB           a user, by the sub or the username of their tokens
 *   issued-before TIME    every token issued before that time, in the form of RFC 3339 or as
 *                         seconds since 1970 */
#pragma once

#include "base/base.h"

#define DENY_FILE_BYTES_MAX (4 << 20)

struct deny_list;
/* A missing file counts as empty. Each invalid line is ignored, reported to `problems`, and counted
 * in *bad; a file that cannot be read is reported and counted likewise. Never NULL. */
struct deny_list *deny_load(const char *path, int64_t now_s, FILE *problems, unsigned *bad);
void deny_free(struct deny_list *d);

/* All accept NULL for the list. */
bool deny_has_client(const struct deny_list *d, const char *client_id);
bool deny_has_subject(const struct deny_list *d, const char *sub); /* false if sub is NULL */
/* Was a token of this time issued before the list's issued-before? */
bool deny_is_issued_before(const struct deny_list *d, int64_t issued_s);
