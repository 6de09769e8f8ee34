/* ACCESS_FILE: who may use which tools, prompts and resources, for admins who do not want to say it
 * in manifests. One rule a line, # begins a comment (docs/access.md):
 *   allow|deny WHAT WHO…
 * WHAT is a kind of the catalog with a glob of its keys, such as tool:admin_*; or * for everything.
 * WHO is group:NAME, scope:NAME, client:ID, user:NAME or sub:ID; or * for everybody. The last rule
 * that is about both the entry and the caller decides. */
#pragma once

#include "catalog/caller.h"

#define ACCESS_FILE_BYTES_MAX (256 << 10)
#define ACCESS_LINE_BYTES_MAX 4096
#define ACCESS_RULES_MAX 500
#define ACCESS_WHO_MAX 64 /* of one rule */

/* `kinds`: the words before the colon of WHAT; NULL ends them. Each wrong line is reported to
 * `problems` with its number. NULL if there is any, or the file cannot be read: some rules without
 * the others could allow what is denied. */
struct access_rules *access_rules_load(const char *path, const char *const *kinds,
                                       FILE *problems) MUST_USE;
/* One rule: everything is denied to everybody. */
struct access_rules *access_rules_deny_all(void);
void access_rules_free(struct access_rules *r); /* NULL is accepted */

/* The rules that are about this entry, in their order, for struct access; NULL: nobody is denied by
 * any. `name`: its name, or its URI, decoded. In the arena; `a` NULL: from malloc. They point into
 * `r`, which may be NULL. */
const struct access_rule **access_rules_about(struct access_rules *r, struct arena *a,
                                              const char *kind, const char *name);
/* Do these rules let the caller use the entry? */
bool access_rules_admit(const struct access_rule *const *rules, struct caller *caller);

/* Writes a line with "warning:" for each rule of this kind that was about nothing so far. */
void access_rules_warn(const struct access_rules *r, const char *kind, const char *path, FILE *out);
