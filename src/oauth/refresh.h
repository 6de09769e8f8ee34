/* New tokens for a refresh token. Clients refresh one token several times at once (tabs, retries,
 * lost answers), and a provider that rotates refresh tokens takes the old one only for a minute or
 * so. So one worker of a host asks, and its answer is given to all who come with the same token
 * within a window. */
#pragma once

#include "idp/token_client.h"
#include "oauth/refresh_token.h"

/* The provider's answer to a refresh token. Of requests that come to this host at once with the
 * same sealed token one asks the provider, and all are given its answer; so is a request within
 * REFRESH_REPLAY_S. A token that the provider refused for good is not sent to it again for
 * DEAD_TOKEN_S. */
#define DEAD_TOKEN_S 600
/* out->refresh_token is the next one, sealed: the same for all who come with the same. */
enum rc refresh_ask(struct site *site, struct arena *a, const struct refresh_token *t,
                    struct idp_tokens *out, struct err *e) MUST_USE;
/* It was revoked, here or at the provider: it is dead on this host, and so are all that came of its
 * login. */
void refresh_end(struct site *site, struct arena *a, const struct refresh_grant *grant);
