/* The identity provider that logs users in: as one site uses it. */
#pragma once

#include "base/base.h"
#include "config/config.h"
#include "idp/access_token.h"
#include "idp/provider.h"

struct cache;
struct concurrency_limit;
struct http_client;
struct keyset;

/* All but `keys` is borrowed. */
struct idp {
    const struct idp_provider *provider;
    const struct config *config;
    const struct clock *clock;
    struct http_client *http;        /* NULL: the site's ENDPOINTS need none */
    struct concurrency_limit *limit; /* of workers that wait for it; may be NULL */
    struct keyset *keys;             /* NULL: its issuer is not known */
};

/* For config_on_provider: checks the provider's keys and fills in config->idp. */
void idp_check_config(struct loading *l);
/* The provider whose keys the configuration has. */
const struct idp_provider *idp_provider_of(const struct config *config);
/* Sets what is not borrowed. Does no network. `cache` may be NULL. */
void idp_open(struct idp *idp, struct cache *cache);
void idp_close(struct idp *idp);

/* ---- logging in ---- */

#define IDP_PARAMETERS_MAX 4096 /* bytes of what idp_login_parameters makes */
/* What the provider can use of a client's wishes, for idp_authorization_url. ERR_INVALID_REQUEST
 * with the reason. */
enum rc idp_login_parameters(const struct idp_provider *provider, struct arena *a,
                             const struct login_wishes *wishes, const char **out,
                             struct err *e) MUST_USE;
struct idp_login {
    const char *redirect_uri, *scope, *state, *code_challenge;
    const char *parameters; /* of idp_login_parameters; "" for none */
};
/* Where the browser goes to log in (RFC 6749 §4.1.1, RFC 7636 §4.3). */
const char *idp_authorization_url(const struct config *config, struct arena *a,
                                  const struct idp_login *login);

/* Before and after a call of the token endpoint (token_client.h). Three quarters of the workers may
 * wait for it at once, one quarter while it does not answer. ERR_UPSTREAM if that many do, so that
 * the other workers serve what does not need it. */
enum rc idp_wait_begin(struct idp *idp, struct err *e) MUST_USE;
void idp_wait_end(struct idp *idp);

/* ---- access tokens ---- */

/* Is it an access token that is good here? Its claims, in the arena. NULL: ERR_INVALID_TOKEN with
 * the reason, or ERR_UPSTREAM if no key set could ever be had. What is no token at all needs no key
 * set. Only if there is one (idp->keys). */
const struct token_claims *idp_verify(const struct idp *idp, struct arena *a, const char *token,
                                      const char *resource, struct err *e);
/* Of a token that idp_verify refused: may it be that only our key set is older than its key? */
bool idp_may_lack_key(const struct idp *idp, struct arena *a, const char *token);
