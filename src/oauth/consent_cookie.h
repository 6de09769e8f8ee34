/* Consents that a user let the browser remember (CONSENT_REMEMBER_DAYS): one sealed cookie of a
 * fixed size, bound to the browser's own cookie. Each entry is a hash of the client, the origin of
 * its redirect URI, the resource and the scopes; the oldest leaves. `browser` is browser_id. */
#pragma once

#include "oauth/login.h"
#include "site/exchange.h"
#include <stdbool.h>

/* May consent to this login be remembered? */
bool consent_cookie_may_have(const struct site *site, struct arena *a, const struct login *login);
/* Was it? */
bool consent_cookie_has(struct exchange *x, const char *browser, const struct login *login);
/* Does nothing if it may not be remembered. */
void consent_cookie_add(struct exchange *x, const char *browser, const struct login *login);
void consent_cookie_remove(struct exchange *x, const char *browser, const struct login *login);
