/* What the files of OAuth share: its error codes, and what it alone uses of a site. */
#pragma once

#include "base/base.h"

/* Besides those of base/err.h. app/errors.c has their names in replies. */
#define OAUTH_CODE(n) ((enum rc)(ERR_PROTOCOL + (n)))
#define ERR_INVALID_CLIENT OAUTH_CODE(0)            /* unknown, or its document is not acceptable */
#define ERR_INVALID_REDIRECT_URI OAUTH_CODE(1)      /* never answered by a redirect */
#define ERR_INVALID_GRANT OAUTH_CODE(2)             /* wrong, used, expired or another client's */
#define ERR_INVALID_SCOPE OAUTH_CODE(3)             /* RFC 6749 §5.2 */
#define ERR_INVALID_TARGET OAUTH_CODE(4)            /* RFC 8707 §2: resource is not ours */
#define ERR_INVALID_CLIENT_METADATA OAUTH_CODE(5)   /* RFC 7591 §3.2.2 */
#define ERR_UNSUPPORTED_TOKEN_TYPE OAUTH_CODE(6)    /* RFC 7009 §2.2.1 */
#define ERR_UNSUPPORTED_GRANT_TYPE OAUTH_CODE(7)    /* RFC 6749 §5.2 */
#define ERR_UNSUPPORTED_RESPONSE_TYPE OAUTH_CODE(8) /* RFC 6749 §4.1.2.1 */

/* Errors with the codes of which there are many, as invalid_request. */
#define invalid_client(e, ...) err_set(e, ERR_INVALID_CLIENT, __VA_ARGS__)
#define invalid_grant(e, ...) err_set(e, ERR_INVALID_GRANT, __VA_ARGS__)

struct client_set;
struct http_client;
struct marks;
struct page_set;
struct session_store;

struct oauth_site {
    struct session_store *sessions; /* login sessions */
    struct marks *codes;            /* that are being redeemed; NULL: not here */
    struct client_set *clients;     /* CLIENTS_DIR */
    struct page_set *pages;         /* TEMPLATES_DIR; NULL: the built-in ones */
    struct http_client *guarded;    /* to hosts of client documents, never to private addresses */
};
