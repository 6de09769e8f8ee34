/* Refresh tokens, and new tokens for them. Clients refresh one token several times at once (tabs,
 * retries, lost answers), and a provider that rotates refresh tokens takes the old one only for a
 * minute or so. So one worker of a host asks, and its answer is given to all who come with the same
 * token within a window. */
#pragma once

#include "idp/idp.h"
#include "oauth/site.h"
#include "site/site.h"

/* Refresh tokens as they go out: the provider's, sealed and bound to client and resource. */
struct refresh_grant {
    const char *token, *scope, *resource; /* token: the provider's */
    const char *must_authenticate;        /* as in struct login */
    int64_t login_s;                      /* when the user logged in; 0: unknown */
    const char *asked;  /* scopes that the provider left out of the login; "": none */
    const char *family; /* family_new; "": of an earlier version */
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

/* The refresh tokens of one login, each made from the one before: a family (RFC 9700 §4.14.2). For
 * some time a token that comes again may be one whose answer was lost; after that somebody has
 * what is not theirs, and nobody can say who. What this host remembers of it is in the cache. */
const char *family_new(struct arena *a);

/* The provider's answer to a refresh token. Of requests that come to this host at once with the
 * same sealed token one asks the provider, and all are given its answer; so is a request within
 * REFRESH_REPLAY_S. A token that the provider refused for good is not sent to it again for
 * DEAD_TOKEN_S. */
#define DEAD_TOKEN_S 600
/* out->refresh_token is the next one, sealed: the same for all who come with the same. */
enum rc refresh_ask(struct site *site, struct arena *a, const struct refresh_token *t,
                    struct idp_tokens *out, struct err *e) MUST_USE;
/* Nobody is given what it was asked for: it does not count as used, and may come late. */
void refresh_take_back(struct site *site, struct arena *a, const struct refresh_grant *grant);
/* It was revoked, here or at the provider: it is dead on this host, and so are all that came of its
 * login. */
void refresh_end(struct site *site, struct arena *a, const struct refresh_grant *grant);
