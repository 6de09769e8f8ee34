/* Who may use an entry of the catalog: "scopes", "groups" and "required_claims" of "run". */
#pragma once

#include "catalog/caller.h"
#include "catalog/manifest.h"

/* Limits of a manifest (docs/tools.md). */
#define ACCESS_SCOPES_BYTES_MAX 1024 /* of all, with a space between each */
#define ACCESS_GROUPS_BYTES_MAX 8192 /* the same */
#define ACCESS_CLAIMS_MAX 32

struct access {
    const char *scopes;  /* that a token must have besides REQUIRED_SCOPES; "" for none */
    const char *groups;  /* the user must be in one of them; "" for any user */
    struct json *claims; /* an object: the token must have each, with the value or one of the
                            values here; NULL: none */
    const struct access_rule **rules; /* of access_rules.h, about this entry; NULL: none */
};

/* Reads it from "run". ERR_INVALID_REQUEST with the reason. */
enum rc access_read(const struct manifest *m, const struct json *run, struct access *out) MUST_USE;
#define ACCESS_MEMBERS "scopes", "groups", "required_claims"

bool access_is_restricted(const struct access *access);
/* Do groups, claims and rules allow it, whatever scopes the token has? A client can ask for more
 * scopes. */
bool access_admits(const struct access *access, struct caller *caller);
/* Do the scopes too? */
bool access_is_allowed(const struct access *access, struct caller *caller);
