/* Between token_endpoint.c, issue.c, refresh.c, refresh_family.c, revoke.c and
 * client_assertion.c. */
#ifndef OAUTH_TOKENS_H
#define OAUTH_TOKENS_H

#include "crypto/jws.h"
#include "idp/token_client.h"
#include "oauth/oauth.h"
#include "web/form.h"

/* token.c: reads the form of /token or /revoke. */
enum rc token_form_read(struct exchange *x, struct form *f, struct err *e) MUST_USE;

/* issue.c: would the MCP endpoint take this access token of the identity provider's?
 * ERR_MISCONFIGURED if not, ERR_INSUFFICIENT_SCOPE if it lacks one of REQUIRED_SCOPES; both are
 * logged. OK also if it cannot be told now. */
enum rc tokens_check(struct exchange *x, const char *access_token, struct err *e) MUST_USE;
/* t->refresh_token is ours here: sealed. */
void tokens_answer(const struct request *rq, struct reply *rp, const struct idp_tokens *t);

/* refresh.c: a refresh token as it goes out: the provider's, sealed and bound to client and
 * resource. */
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

/* refresh_family.c: what this host remembers of a login's refresh tokens. Reused: this one, or a
 * younger one, was used longer ago than an answer is given again. */
enum family { FAMILY_GOOD, FAMILY_ENDED, FAMILY_REUSED };
const char *family_new(struct arena *a);
enum family family_state(struct site *site, struct arena *a, const struct refresh_grant *grant);
/* Remembers that it was used, and makes it the next one. */
void family_next(struct site *site, struct arena *a, struct refresh_grant *grant);
void family_end(struct site *site, struct arena *a, const struct refresh_grant *grant);

/* client_assertion.c: private_key_jwt (RFC 7523 §2.2, §3). A client that sends an assertion must
 * pass, one that has to send one must have. */
struct assertion {
    struct jws jws;
    const struct json *claims;
};
/* Reads a client_assertion without verifying it. ERR_INVALID_CLIENT with the reason. */
enum rc assertion_read(struct arena *a, const char *text, struct assertion *out,
                       struct err *e) MUST_USE;
enum rc client_authenticate(struct site *site, struct arena *a, const struct form *f,
                            bool must_authenticate, struct err *e) MUST_USE;

#endif
