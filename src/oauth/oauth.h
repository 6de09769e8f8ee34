/* The OAuth room's table of contents: the authorization server's endpoints and the rules behind
 * them. Names of parameters and errors are those of RFC 6749, 7636, 8707, 9207 and 9728. */
#ifndef OAUTH_OAUTH_H
#define OAUTH_OAUTH_H

#include "base/url.h"
#include "config/config.h"
#include "oauth/codes.h"
#include "site/exchange.h"
#include "web/form.h"
#include <stdio.h>

#define LOGIN_TTL_S 600       /* consent page to callback */
#define CODE_TTL_S 120        /* of our code; the identity provider's lives longer */
#define STATE_LEN_MAX 2048    /* a client's `state` */
#define CLIENT_ID_LEN_MAX 512 /* URLs too */
#define DYNAMIC_CLIENT_ID_LEN_MAX 2048
#define DYNAMIC_CLIENT_TTL_S (90 * 86400)
#define CLIENT_NAME_LEN_MAX 200
#define REDIRECT_URIS_MAX 32
#define CLIENT_DOCUMENT_BYTES_MAX 5120 /* draft-ietf-oauth-client-id-metadata-document §6.6 */
#define CLIENT_DOCUMENT_TIMEOUT_MS 5000

/* Endpoints, each a handler_fn. metadata.c, authorize.c, callback.c, token.c, revoke.c,
 * client_dynamic.c */
handler_fn oauth_protected_resource;   /* RFC 9728 §3 */
handler_fn oauth_authorization_server; /* RFC 8414 §3 */
handler_fn oauth_authorize_get;
handler_fn oauth_authorize_post;
handler_fn oauth_callback;
handler_fn oauth_token;
handler_fn oauth_revoke;   /* RFC 7009 */
handler_fn oauth_register; /* RFC 7591 */

/* client.c: who asks. */
struct client {
    const char *id, *name;
    const char *host; /* of the client id URL; "" for a pinned client whose id is no URL */
    const char *redirect_uris[REDIRECT_URIS_MAX];
    unsigned redirect_uri_count;
    /* private_key_jwt (RFC 7523): the keys or where they are; neither: a public client. */
    const struct json *jwks;
    const char *jwks_uri;
    bool must_authenticate; /* it does not list `none` */
};
/* Pinned first, then what the id itself says if it is a registered one, then the document at the
 * URL that it is. ERR_INVALID_CLIENT with the reason, also for one that CLIENTS_ALLOW or
 * CLIENTS_DENY keeps out; ERR_UPSTREAM if the document's host did not answer. */
enum rc client_find(struct site *site, struct arena *a, const char *client_id, struct client *out,
                    struct err *e) MUST_USE;
/* The operator put its document into clients.d. */
bool client_is_pinned(const struct site *site, const char *client_id);
/* The operator vouches for it: it is pinned, or CLIENTS_ALLOW names it. */
bool client_is_trusted(const struct site *site, struct arena *a, const char *client_id);
/* The part of it that needs no document: CLIENTS_ALLOW, CLIENTS_DENY, the end of a registration. */
enum rc client_admit(struct site *site, struct arena *a, const char *client_id,
                     struct err *e) MUST_USE;
struct client_set;
/* The pinned documents. A bad one is left out and reported to `problems`, a line each; *bad counts
 * them. Never NULL. Free with client_set_free. */
struct client_set *client_set_load(const struct config *config, FILE *problems, unsigned *bad);
void client_set_free(struct client_set *s);

/* client_document.c: what a client metadata document must be. */
enum rc client_id_check(struct arena *a, const char *client_id, struct url *u,
                        struct err *e) MUST_USE;
enum rc client_document_read(const struct config *c, struct arena *a, const struct json *document,
                             const char *client_id, struct client *out, struct err *e) MUST_USE;

/* redirect_uri.c: may this client be sent to this address? Exact, but for the port on loopback
 * (RFC 8252 §7.3). */
bool redirect_uri_is_acceptable(const struct config *c, struct arena *a, const char *uri);
bool redirect_uri_is_registered(const struct config *c, struct arena *a,
                                const struct client *client, const char *uri);

/* pkce.c (RFC 7636) */
bool pkce_challenge_is_valid(const char *challenge); /* 43 characters of base64url: an S256 hash */
bool pkce_verifier_matches(struct arena *a, const char *verifier, const char *challenge);
const char *pkce_challenge(struct arena *a, const char *verifier);

/* login.c: what /authorize was asked for, on its way through browser and store. */
struct login {
    const char *client_id, *client_name, *client_host;
    const char *redirect_uri, *state; /* state "" if the client gave none */
    const char *code_challenge, *scope, *resource;
    const char *idp_parameters; /* more parameters for the identity provider: idp/idp.h */
    const char *authenticates;  /* "yes": at /token the client must prove who it is */
    const char *verifier; /* of our own PKCE pair with the identity provider; "" before consent */
    int64_t expires_s;
};
/* Sealed for one purpose ("consent" or "session") and bound to `bound` (browser or session id). */
const char *login_seal(struct site *site, struct arena *a, const char *purpose, const char *bound,
                       const struct login *in);
/* ERR_INVALID_REQUEST if it was not sealed here for this, or is over. */
enum rc login_open(struct site *site, struct arena *a, const char *purpose, const char *bound,
                   const char *sealed, struct login *out, struct err *e) MUST_USE;
/* redirect_uri with error (or code), state and iss (RFC 9207 §2). */
const char *login_error_uri(struct site *site, struct arena *a, const struct login *in,
                            const char *error, const char *description);
const char *login_code_uri(struct site *site, struct arena *a, const struct login *in,
                           const char *code);
/* Is a `resource` parameter us, compared as RFC 3986 §6.2.2 and §6.2.3 say? Tolerant of what real
 * clients send: none at all, a query, a slash at the end. */
bool resource_is_ours(const struct config *config, const char *resource);
/* The same of each that a request has (RFC 8707 §2). */
bool resources_are_ours(const struct config *config, const struct form *f);

/* Of those that every call needs, what a login can bring. */
const char *needed_scopes(const struct config *config, struct arena *a);

/* browser.c: the cookie that a login is bound to. */
/* The cookie itself: a secret of this browser and us, in no store. NULL if it sent none. */
const char *browser_cookie(struct exchange *x);
/* Its hash, as stored; NULL if the browser sent none. */
const char *browser_of(struct exchange *x);
/* The same, setting a new cookie if it sent none. */
const char *browser_of_or_new(struct exchange *x);

/* The browser's cookie stays for so long, also when the browser is closed. */
void browser_keep(struct exchange *x, int64_t seconds);

/* W3C Fetch Metadata, of browsers that send it: the request opens a page in a window of its own
 * and, if `own_page`, comes from a page of ours. ERR_INVALID_REQUEST if not. */
enum rc browser_navigates(const struct request *rq, bool own_page, struct err *e) MUST_USE;

/* remember.c: consents that a user let the browser remember. `browser` is its hash. */
bool consent_can_be_remembered(const struct site *site, struct arena *a, const struct login *login);
bool consent_is_remembered(struct exchange *x, const char *browser, const struct login *login);
void consent_remember(struct exchange *x, const char *browser, const struct login *login);
void consent_forget(struct exchange *x, const char *browser, const struct login *login);

/* stop.c: clients, users and logins that DENY_FILE names. */
enum rc stop_client(const struct site *site, const char *client_id, struct err *e) MUST_USE;
/* ERR_INVALID_GRANT; login_s is when the user logged in. */
enum rc stop_grant(const struct site *site, const char *client_id, int64_t login_s,
                   struct err *e) MUST_USE;
/* The same, of whose access token this is, straight from the provider. Notes them for the audit
 * log. */
enum rc stop_subject(struct exchange *x, const char *access_token, struct err *e) MUST_USE;

/* pages.c: the pages that a user sees. */
void page_consent(struct exchange *x, const struct login *login, const char *sealed);
/* An error that the client should learn, with a link to it that the user may follow. */
void page_refused(struct exchange *x, const struct err *e, const char *uri);
/* A page that goes on to `uri` by itself. Not a redirect: Chromium applies the form-action of the
 * page that held the form to every redirect after it. */
void page_continue(struct exchange *x, const char *uri);

#endif
