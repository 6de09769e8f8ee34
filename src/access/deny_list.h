/* Who is let in no more: DENY_FILE, the switch to use when a client or a user must be stopped now.
 * A line each, # for comments:
 *   client ID             a client, by its client_id
 *   subject SUB           a user, by the sub or the username of their tokens
 *   issued-before TIME    every token issued before: RFC 3339, or seconds since 1970 */
#pragma once

#include "base/base.h"

#define DENY_FILE_BYTES_MAX (4 << 20)

struct deny_list;
/* A missing file is an empty one. Each line that is wrong is left out, reported to `problems`, and
 * counted in *bad; so is a file that cannot be read. Never NULL. */
struct deny_list *deny_load(const char *path, int64_t now_s, FILE *problems, unsigned *bad);
void deny_free(struct deny_list *d);

/* All accept NULL for the list. */
bool deny_has_client(const struct deny_list *d, const char *client_id);
bool deny_has_subject(const struct deny_list *d, const char *sub); /* NULL: no */
bool deny_has_issued(const struct deny_list *d, int64_t issued_s);
