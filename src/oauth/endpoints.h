/* The endpoints of the authorization server. Names of parameters and errors are those of RFC 6749,
 * 7636, 8707, 9207 and 9728. */
#pragma once

#include "site/exchange.h"

handler_fn oauth_protected_resource;   /* RFC 9728 §3 */
handler_fn oauth_authorization_server; /* RFC 8414 §3 */
handler_fn oauth_authorize_get;
handler_fn oauth_authorize_post;
handler_fn oauth_callback;
handler_fn oauth_token;
handler_fn oauth_revoke;   /* RFC 7009 */
handler_fn oauth_register; /* RFC 7591 */
