/* The user's browser during a login: its cookies, how it says that it navigates, and the pages that
 * it is shown. What those look like is in share/templates, what they say in share/words. */
#pragma once

#include "oauth/login.h"
#include "site/exchange.h"

/* The cookie that a login is bound to: a secret of this browser and us, in no store. NULL if it
 * sent none. */
const char *browser_cookie(struct exchange *x);
/* Its hash, as stored; NULL if the browser sent none. */
const char *browser_id(struct exchange *x);
/* The same, setting a new cookie if it sent none. */
const char *browser_id_or_new(struct exchange *x);

/* W3C Fetch Metadata, of browsers that send it: the request opens a page in a window of its own
 * and, if `own_page`, comes from a page of ours. ERR_INVALID_REQUEST if not. */
enum rc browser_navigates(const struct request *rq, bool own_page, struct err *e) MUST_USE;

/* Consents that a user let the browser remember (CONSENT_REMEMBER_DAYS): one sealed cookie of a
 * fixed size, bound to the browser's own cookie. Each entry is a hash of the client, the origin of
 * its redirect URI, the resource and the scopes; the oldest leaves. `browser` is browser_id. */
/* Is consent to this login remembered? */
bool consent_cookie_has(struct exchange *x, const char *browser, const struct login *login);
/* Remembers it, if it may be remembered, or forgets it. */
void consent_cookie_set(struct exchange *x, const char *browser, const struct login *login,
                        bool remembered);

void page_consent(struct exchange *x, const struct login *login, const char *sealed);
/* An error that the client should learn, with a link to it that the user may follow. */
void page_refused(struct exchange *x, const struct err *e, const char *uri);
/* A page that goes on to `uri` by itself. Not a redirect: Chromium applies the form-action of the
 * page that held the form to every redirect after it. */
void page_continue(struct exchange *x, const char *uri);
