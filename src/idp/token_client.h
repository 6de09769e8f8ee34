/* Calls of the identity provider's token and revocation endpoints. The client is public, so nothing
 * but the PKCE verifier (RFC 7636) proves that an exchange is ours. */
#pragma once

#include "base/base.h"
#include "idp/idp.h"

#define IDP_REFRESH_TOKEN_MAX 5120 /* bytes, as it is sealed and sent on */

struct idp_tokens {
    const char *access_token;
    const char *refresh_token; /* NULL if none was sent that can be used */
    const char *scope;         /* what was granted */
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
/* Ends a refresh token (RFC 7009), and with it the access tokens that it brought. OK also if it had
 * ended already. ERR_UPSTREAM and ERR_MISCONFIGURED as above. Only if config->idp.revoke_url is
 * set. */
enum rc idp_revoke(struct idp *idp, struct arena *a, const char *refresh_token,
                   struct err *e) MUST_USE;

/* What the provider says of an error (RFC 6749 §4.1.2.1, §5.2), fit for a log: short, visible
 * ASCII, and without anything as long as a code or a token. NULL: "". */
#define IDP_REASON_MAX 200
const char *idp_reason(struct arena *a, const char *text);
