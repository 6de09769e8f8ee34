/* DENY_FILE (access/deny_list.h) where logins begin and tokens are given out. */
#pragma once

#include "oauth/codes.h"
#include "site/exchange.h"

/* ERR_INVALID_CLIENT if the client is in it. */
enum rc deny_check_client(const struct site *site, const char *client_id, struct err *e) MUST_USE;
/* ERR_INVALID_GRANT if the client or the time of the login is; login_s is when the user logged in.
 */
enum rc deny_check_grant(const struct site *site, const char *client_id, int64_t login_s,
                         struct err *e) MUST_USE;
/* The same of the user of an access token that comes straight from the identity provider. Notes the
 * user for the audit log. */
enum rc deny_check_user(struct exchange *x, const char *access_token, struct err *e) MUST_USE;
