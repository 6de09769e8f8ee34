/* The pages that a user sees during a login. What they look like is in share/templates, what they
 * say in share/words. */
#pragma once

#include "oauth/login.h"
#include "site/exchange.h"

void page_consent(struct exchange *x, const struct login *login, const char *sealed);
/* An error that the client should learn, with a link to it that the user may follow. */
void page_refused(struct exchange *x, const struct err *e, const char *uri);
/* A page that goes on to `uri` by itself. Not a redirect: Chromium applies the form-action of the
 * page that held the form to every redirect after it. */
void page_continue(struct exchange *x, const char *uri);
