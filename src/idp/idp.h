/* The identity provider that logs users in: as one site uses it. */
#pragma once

#include "config/config.h"
#include "idp/access_token.h"
#include "idp/provider.h"
#include "idp/token_cache.h"

struct cache;
struct concurrency_limit;
struct http_client;
struct keyset;

/* All but `keys` is borrowed. */
struct idp {
    const struct idp_provider *provider;
    const struct config *config;
    const struct clock *clock;
    bool needs_audience;             /* access tokens must be for our resource: REQUIRE_AUDIENCE */
    struct http_client *http;        /* NULL: the site's ENDPOINTS need none */
    struct concurrency_limit *limit; /* of workers that wait for it; may be NULL */
    struct keyset *keys;             /* NULL: its issuer is not known */
    struct token_cache tokens;       /* see idp_share */
};

/* For config_on_provider: checks the provider's keys and fills in config->idp. */
void idp_check_config(struct loading *l);
/* The provider whose keys the configuration has. */
const struct idp_provider *idp_provider_of(const struct config *config);
/* Sets what is not borrowed. Does no network. `cache` may be NULL. */
void idp_open(struct idp *idp, struct cache *cache);
void idp_close(struct idp *idp);
/* What is known of access tokens is kept there from now on, for all workers; NULL: nowhere. */
void idp_share(struct idp *idp, struct token_memory *memory);

/* ---- logging in ---- */

#define IDP_PARAMETERS_MAX 4096 /* bytes of what idp_login_parameters makes */
/* Those parameters of a client's request that the provider can use, for idp_authorization_url.
 * ERR_INVALID_REQUEST with the reason. */
enum rc idp_login_parameters(const struct idp_provider *provider, struct arena *a,
                             const struct login_request *request, const char **out,
                             struct err *e) MUST_USE;
struct idp_login {
    const char *redirect_uri, *scope, *state, *code_challenge;
    const char *parameters; /* of idp_login_parameters; "" for none */
    bool other_account;     /* not the one that the browser is logged in with */
    const char *resource;   /* RFC 8707 §2; NULL: none is asked for */
};
/* Where the browser goes to log in (RFC 6749 §4.1.1, RFC 7636 §4.3). */
const char *idp_authorization_url(const struct config *config, struct arena *a,
                                  const struct idp_login *login);

/* ---- the token and revocation endpoints ---- */

/* The client is public, so nothing but the PKCE verifier (RFC 7636) proves that an exchange is
 * ours. */
#define IDP_REFRESH_TOKEN_MAX 5120 /* bytes, as it is sealed and sent on */

struct idp_tokens {
    const char *access_token;
    const char *refresh_token; /* NULL if none was sent that can be used */
    const char *scope;         /* what was granted */
    const struct json *claims; /* access_token_unverified */
    int64_t expires_in_s;
};
/* What the provider's redirect back to us brought, and what it was asked with. */
struct idp_code {
    const char *code, *verifier, *redirect_uri;
};
/* grant_type=authorization_code.
 *   ERR_REFUSED        it says that the code is used up, expired or wrong
 *   ERR_UPSTREAM       it may pass: no answer in time, 429, 5xx, or not what the protocol says
 *   ERR_MISCONFIGURED  it refuses us (invalid_client, …): an admin must act */
enum rc idp_exchange_code(struct idp *idp, struct arena *a, const struct idp_code *code,
                          struct idp_tokens *out, struct err *e) MUST_USE;
/* grant_type=refresh_token; errors as above. */
enum rc idp_refresh(struct idp *idp, struct arena *a, const char *refresh_token,
                    struct idp_tokens *out, struct err *e) MUST_USE;
/* A client that calls without a user. */
struct idp_machine {
    const char *client_id, *secret, *scope;
};
/* grant_type=client_credentials (RFC 6749 §4.4), with the client's own secret.
 *   ERR_REFUSED             its secret is wrong, or it may not do this
 *   ERR_INSUFFICIENT_SCOPE  it may not have the scope
 *   ERR_UPSTREAM            it may pass */
enum rc idp_client_credentials(struct idp *idp, struct arena *a, const struct idp_machine *machine,
                               struct idp_tokens *out, struct err *e) MUST_USE;
/* Ends a refresh token (RFC 7009), and with it the access tokens that it brought. OK also if it had
 * ended already. ERR_UPSTREAM and ERR_MISCONFIGURED as above. Only if config->idp.revoke_url is
 * set. */
enum rc idp_revoke(struct idp *idp, struct arena *a, const char *refresh_token,
                   struct err *e) MUST_USE;

/* What the provider says of an error (RFC 6749 §4.1.2.1, §5.2), fit for a log: short, visible
 * ASCII, and without anything as long as a code or a token. NULL: "". */
#define IDP_REASON_MAX 200
const char *idp_reason(struct arena *a, const char *text);

/* Before and after a call of these endpoints. Three quarters of the workers may wait for it at
 * once, one quarter while it does not answer. ERR_UPSTREAM if that many do, so that the other
 * workers serve what does not need it. */
enum rc idp_wait_begin(struct idp *idp, struct err *e) MUST_USE;
void idp_wait_end(struct idp *idp);

/* ---- access tokens ---- */

/* An access token that somebody sent. */
struct idp_token {
    const char *text;           /* borrowed */
    uint8_t digest[SHA256_LEN]; /* of the text */
    struct token_key key;       /* made of it: what is known of the token */
    uint64_t key_print;         /* set by idp_verify: of the key that it names */
    bool is_forged; /* set by idp_verify: it has found now that the key has not signed it */
};
/* `text` may have up to TOKEN_LEN_MAX bytes; a longer one is hashed, and refused, all the same. */
void idp_token_init(const struct idp *idp, struct idp_token *token, const char *text);
/* The claims of a token that was verified here, in the arena; NULL if it is not known. Asks no
 * server and no store. */
const struct token_claims *idp_known(const struct idp *idp, struct arena *a,
                                     const struct idp_token *token);
/* Is it an access token that is good here? Its claims, in the arena. NULL: ERR_INVALID_TOKEN with
 * the reason, or ERR_UPSTREAM if no key set could ever be had. What is no token at all needs no key
 * set. Only if there is one (idp->keys). */
const struct token_claims *idp_verify(const struct idp *idp, struct arena *a,
                                      struct idp_token *token, struct err *e);
/* Of a token that idp_verify refused: may it be that only our key set is older than its key? */
bool idp_may_lack_key(const struct idp *idp, struct arena *a, const char *token);
