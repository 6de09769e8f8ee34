/* Our authorization code: the session's id, a dot, and a secret that only the code carries.
 * The identity provider's code lies in the session, sealed under that secret, so that the table
 * alone reveals nothing. The secret is derived from what only this login has, the browser's cookie
 * and the provider's code: when the browser comes back from the provider twice (our answer was
 * lost, or the user reloaded the page), the same code comes out. */
#pragma once

#include "base/base.h"

struct code {
    const char *session_id, *secret;
};

/* The code's text for a session. `cookie` is the secret one (browser_cookie). *grant is
 * the provider's code, sealed for the store. */
const char *code_make(struct arena *a, const char *session_id, const char *cookie,
                      const char *provider_code, const char **grant);
/* What store_session_authorize calls the attempt: a name of this one answer of the provider's to
 * this one browser, from which neither can be derived. */
const char *code_attempt(struct arena *a, const char *session_id, const char *cookie,
                         const char *idp_answer);
/* Splits a code that a client sent. ERR_INVALID_GRANT if it cannot be one of ours. */
enum rc code_split(struct arena *a, const char *text, struct code *out, struct err *e) MUST_USE;
/* The provider's code. ERR_INVALID_GRANT if the secret is not the session's. */
enum rc code_open(struct arena *a, const struct code *code, const char *grant,
                  const char **provider_code, struct err *e) MUST_USE;
