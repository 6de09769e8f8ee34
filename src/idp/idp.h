/* Cognito as we use it: its token endpoint and its key set. (Its addresses are in the
 * configuration.) Any OpenID provider with the same shape works. */
#ifndef IDP_IDP_H
#define IDP_IDP_H

#include "base/clock.h"
#include "config/config.h"
#include "crypto/jwk.h"
#include "idp/access_token.h"
#include "net/http.h"

struct cache;

/* reason.c: what Cognito says of an error (RFC 6749 §4.1.2.1, §5.2), fit for a log: short, visible
 * ASCII, and without anything as long as a code or a token. */
#define COGNITO_REASON_MAX 200
const char *cognito_reason(struct arena *a, const char *text); /* NULL: "" */
/* Logs what a refusal says. Returns its error code, "" if it has none. */
const char *cognito_refusal(struct arena *a, const char *endpoint, const struct http_reply *reply);

/* token.c: the token endpoint. */
#define COGNITO_REFRESH_TOKEN_MAX 5120 /* bytes; Cognito's have some 1,800 */
struct idp_tokens {
    const char *access_token,
        *refresh_token; /* refresh_token NULL if none was sent that can be used */
    const char *scope;  /* what was granted */
    int64_t expires_in_s;
};
/* grant_type=authorization_code with our own PKCE verifier.
 *   ERR_REFUSED  Cognito says so: the code is used up, expired or wrong
 *   ERR_UPSTREAM       it may pass: no answer in time, 429, 5xx, or not what the protocol says
 *   ERR_MISCONFIGURED  it refuses us (invalid_client, …): an admin must act */
enum rc cognito_exchange_code(struct http_client *http, const struct config *config,
                              struct arena *a, const char *code, const char *verifier,
                              struct idp_tokens *out, struct err *e) MUST_USE;
/* grant_type=refresh_token; errors as above. */
enum rc cognito_refresh(struct http_client *http, const struct config *config, struct arena *a,
                        const char *refresh_token, struct idp_tokens *out, struct err *e) MUST_USE;

/* revoke.c: ends a refresh token (RFC 7009), and with it the access tokens that it brought. OK also
 * if it had ended already. ERR_UPSTREAM and ERR_MISCONFIGURED as above. */
enum rc cognito_revoke(struct http_client *http, const struct config *config, struct arena *a,
                       const char *refresh_token, struct err *e) MUST_USE;

/* keyset.c: the signing keys, kept by the worker, shared through the host cache. */
#define KEYSET_REFETCH_S 60    /* at most one fetch in this time by all workers of the host */
#define KEYSET_MAX_AGE_S 86400 /* refetched when older; the last good one outlives an outage */
struct keyset;
/* All are borrowed and must outlive it. Does no network. host may be NULL: then the limit is per
 * worker. */
struct keyset *keyset_new(const struct config *config, struct http_client *http,
                          struct cache *cache, const struct clock *clock);
void keyset_free(struct keyset *k);
/* The key of that id: from memory, then from the host cache, then from Cognito if the limit allows.
 * Borrowed until the next call. ERR_INVALID_TOKEN if there is no such key, ERR_UPSTREAM if no key
 * set could ever be had. */
enum rc keyset_find(struct keyset *k, const char *kid, const struct jwk **out,
                    struct err *e) MUST_USE;
/* Is it an access token that is good here, as the configuration and the key set say? Its claims, in
 * the arena. NULL: ERR_INVALID_TOKEN with the reason, or ERR_UPSTREAM as above. What is no token at
 * all needs no key set: k may be NULL then. */
const struct token_claims *keyset_verify(struct keyset *k, const struct config *config,
                                         struct arena *a, const char *token, struct err *e);
/* Of a token that is not good: may it be that only the set is older than its key? A provider
 * publishes a key before it signs with it, so not if the set was fetched just now. */
bool keyset_may_lack(struct keyset *k, struct arena *a, const char *token);

#endif
