/* The user's browser: the cookie that a login is bound to, and how the browser says that it
 * navigates. */
#pragma once

#include "base/base.h"
#include "site/exchange.h"

/* The cookie itself: a secret of this browser and us, in no store. NULL if it sent none. */
const char *browser_cookie(struct exchange *x);
/* Its hash, as stored; NULL if the browser sent none. */
const char *browser_id(struct exchange *x);
/* The same, setting a new cookie if it sent none. */
const char *browser_id_or_new(struct exchange *x);
/* The browser's cookie stays for so long, also when the browser is closed. */
void browser_cookie_keep(struct exchange *x, int64_t seconds);

/* W3C Fetch Metadata, of browsers that send it: the request opens a page in a window of its own
 * and, if `own_page`, comes from a page of ours. ERR_INVALID_REQUEST if not. */
enum rc browser_navigates(const struct request *rq, bool own_page, struct err *e) MUST_USE;
