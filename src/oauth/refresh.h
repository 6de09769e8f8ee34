/* Refresh tokens as they go out: the provider's, sealed and bound to client and resource; and
 * asking the provider for new tokens with one. Clients refresh one token several times at once
 * (tabs, retries, lost answers), and a provider that rotates refresh tokens takes the old one only
 * for a minute or so. So one worker of a host asks, and its answer is given to all who come with
 * the same token within a window. */
#ifndef OAUTH_REFRESH_H
#define OAUTH_REFRESH_H

#include "idp/token_client.h"
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
const char *refresh_seal(struct site *site, struct arena *a, const char *client_id,
                         const struct refresh_grant *grant);
/* ERR_INVALID_GRANT if it is not one of this server's, or another client's. */
enum rc refresh_open(struct site *site, struct arena *a, const char *client_id, const char *sealed,
                     struct refresh_grant *out, struct err *e) MUST_USE;
/* The provider's answer to it. Of requests that come to this host at once with the same sealed
 * token one asks the provider, and all are given its answer; so is a request within
 * REFRESH_REPLAY_S. A token that the provider refused for good is not sent to it again for
 * DEAD_TOKEN_S. */
#define DEAD_TOKEN_S 600
struct refresh_request {
    const char *client_id, *sealed;
    const struct refresh_grant *grant; /* what is in it */
};
/* out->refresh_token is the next one, sealed: the same for all who come with the same. */
enum rc refresh_ask(struct site *site, struct arena *a, const struct refresh_request *rq,
                    struct idp_tokens *out, struct err *e) MUST_USE;
/* It was revoked, here or at the provider: it is dead on this host, and so are all that came of its
 * login. */
void refresh_end(struct site *site, struct arena *a, const struct refresh_grant *grant);

#endif
