/* Refresh tokens as they go out: the provider's, sealed and bound to client and resource. */
#pragma once

#include "base/arena.h"
#include "oauth/codes.h"
#include "site/site.h"

struct refresh_grant {
    const char *token, *scope, *resource; /* token: the provider's */
    const char *authenticates;            /* as in struct login */
    int64_t login_s;                      /* when the user logged in; 0: unknown */
    const char *asked;  /* scopes that the provider left out of the login; "": none */
    const char *family; /* refresh_family.c; "": of an earlier version */
    int64_t generation; /* in it, from 0 */
};
struct refresh_token {
    const char *client_id, *sealed;
    struct refresh_grant grant; /* what is in it */
};

const char *refresh_seal(struct site *site, struct arena *a, const char *client_id,
                         const struct refresh_grant *grant);
/* Fills t->grant. ERR_INVALID_GRANT if it is not one of this server's, or another client's. */
enum rc refresh_open(struct site *site, struct arena *a, struct refresh_token *t,
                     struct err *e) MUST_USE;
