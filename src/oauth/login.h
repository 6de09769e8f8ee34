/* What /authorize was asked for, on its way through browser and store, and the authorization code
 * that comes of it. */
#pragma once

#include "base/base.h"
#include "site/site.h"

#define LOGIN_TTL_S 600    /* consent page to callback */
#define CODE_TTL_S 120     /* of our code; the identity provider's lives longer */
#define STATE_LEN_MAX 2048 /* a client's `state` */

struct login {
    const char *client_id, *client_name, *client_host;
    const char *redirect_uri, *state; /* state "" if the client gave none */
    const char *code_challenge, *scope, *resource;
    const char *idp_parameters;    /* more parameters for the identity provider: idp/idp.h */
    const char *must_authenticate; /* "yes": at /token the client must prove who it is */
    const char *verifier; /* of our own PKCE pair with the identity provider; "" before consent */
    int64_t expires_s;
};

/* Sealed for one purpose ("consent" or "session") and bound to `bound` (browser or session id). */
struct sealed_login {
    const char *purpose, *bound, *text;
};
const char *login_seal(struct site *site, struct arena *a, const char *purpose, const char *bound,
                       const struct login *in);
/* ERR_INVALID_REQUEST if it was not sealed here for this, or is over. */
enum rc login_open(struct site *site, struct arena *a, const struct sealed_login *sealed,
                   struct login *out, struct err *e) MUST_USE;

/* redirect_uri with error (or code), state and iss (RFC 9207 §2). */
struct login_answer {
    const char *code, *error, *error_description; /* NULL: not in it */
};
const char *login_answer_uri(struct site *site, struct arena *a, const struct login *in,
                             const struct login_answer *answer);

/* Our authorization code: the session's id, a dot, and a secret that only the code carries.
 * The identity provider's code lies in the session, sealed under that secret, so that the table
 * alone reveals nothing. The secret is derived from what only this login has, the browser's cookie
 * and the provider's code: when the browser comes back from the provider twice (our answer was
 * lost, or the user reloaded the page), the same code comes out. */
struct code {
    const char *session_id, *secret;
};

/* The code's text for a session. `cookie` is the secret one (browser_cookie). *grant is the
 * provider's code, sealed for the store. */
const char *code_make(struct arena *a, const char *session_id, const char *cookie,
                      const char *provider_code, const char **grant);
/* What session_store_authorize calls the attempt: a name of this one answer of the provider's to
 * this one browser, from which neither can be derived. */
const char *code_attempt(struct arena *a, const char *session_id, const char *cookie,
                         const char *idp_answer);
/* Splits a code that a client sent. ERR_INVALID_GRANT if it cannot be one of ours. */
enum rc code_split(struct arena *a, const char *text, struct code *out, struct err *e) MUST_USE;
/* The provider's code. ERR_INVALID_GRANT if the secret is not the session's. */
enum rc code_open(struct arena *a, const struct code *code, const char *grant,
                  const char **provider_code, struct err *e) MUST_USE;
