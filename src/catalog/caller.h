/* Who asks for an entry of the catalog. */
#pragma once

#include "base/json.h"

/* As the token says. */
struct caller {
    const char *sub, *username, *client_id;
    const char *scopes; /* with spaces between */
    const char *groups; /* JSON: an array of the names of the user's groups */
    const char *claims; /* JSON: the object of all claims */
    struct arena *arena;
    struct json *parsed_groups, *parsed_claims; /* NULL: not needed yet */
};

/* Both parse what the token says when it is first needed. What is no JSON counts as empty. */
const struct json *caller_claims(struct caller *caller); /* an object */
/* In one of these, with spaces between? */
bool caller_is_in_group(struct caller *caller, const char *groups);
