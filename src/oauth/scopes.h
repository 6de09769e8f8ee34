/* Which scopes a login asks for, and a refresh may ask for again. Scopes are separated by spaces.
 */
#pragma once

#include "base/base.h"
#include "config/config.h"

struct refresh_grant;

/* Of those that every call needs, what a login can bring. */
const char *scopes_needed(const struct config *config, struct arena *a);
/* What is asked for and supported, in the order asked, and what every call needs: a token without
 * is of no use. Nothing asked (NULL): everything; so too if it is nothing but offline_access, which
 * claude.ai sends alone, and which refresh tokens do not need with every provider. "" if none is
 * supported.
 */
const char *scopes_of_login(const struct config *config, struct arena *a, const char *asked);
/* RFC 6749 §6: is what a refresh asks for not more than was granted? What /authorize leaves out of
 * a request, or the provider left out of that login, is left out again: a client may repeat what it
 * asked for. */
bool scopes_were_granted(const struct config *config, struct arena *a, const char *asked,
                         const struct refresh_grant *grant);
