/* The endpoints of the authorization server. Names of parameters and errors are those of RFC 6749,
 * 7636, 8707, 9207 and 9728. */
#pragma once

#include "site/exchange.h"

#define PRM "/.well-known/oauth-protected-resource"
#define ASM "/.well-known/oauth-authorization-server"
#define OIDC "/.well-known/openid-configuration"

/* ENDPOINT(method, base, path, handler, error style, CORS, group): app/routes.c has their meaning.
 * RFC 9728 §3.1 and RFC 8414 §3.1 put the well-known part before the path; clients of earlier
 * revisions look at the root. MCP "Authorization Server Metadata Discovery" has it also as OpenID
 * Connect writes it, behind the path. */
#define OAUTH_ENDPOINTS                                                                            \
    ENDPOINT(GET, ISSUER, "/authorize", oauth_authorize_get, PAGE, NONE, AUTHORIZE)                \
    ENDPOINT(POST, ISSUER, "/authorize", oauth_authorize_post, PAGE, NONE, AUTHORIZE)              \
    ENDPOINT(GET, ISSUER, "/callback", oauth_callback, PAGE, NONE, AUTHORIZE)                      \
    ENDPOINT(POST, ISSUER, "/register", oauth_register, OAUTH, ANY, AUTHORIZE)                     \
    ENDPOINT(POST, ISSUER, "/token", oauth_token, OAUTH, ANY, TOKEN)                               \
    ENDPOINT(POST, ISSUER, "/revoke", oauth_revoke, OAUTH, ANY, TOKEN)                             \
    ENDPOINT(GET, BEFORE_MCP, PRM, oauth_protected_resource, OAUTH, ANY, METADATA)                 \
    ENDPOINT(GET, ROOT, PRM, oauth_protected_resource, OAUTH, ANY, METADATA)                       \
    ENDPOINT(GET, BEFORE_ISSUER, ASM, oauth_authorization_server, OAUTH, ANY, METADATA)            \
    ENDPOINT(GET, ROOT, ASM, oauth_authorization_server, OAUTH, ANY, METADATA)                     \
    ENDPOINT(GET, BEFORE_ISSUER, OIDC, oauth_authorization_server, OAUTH, ANY, METADATA)           \
    ENDPOINT(GET, ISSUER, OIDC, oauth_authorization_server, OAUTH, ANY, METADATA)                  \
    ENDPOINT(GET, ROOT, OIDC, oauth_authorization_server, OAUTH, ANY, METADATA)

#define ENDPOINT(method, base, path, handler, style, cors, group) handler_fn handler;
OAUTH_ENDPOINTS
#undef ENDPOINT
