/* Parameters that requests to /authorize and /token have in common. */
#pragma once

#include "config/config.h"
#include "web/request.h"

struct refresh_grant;

/* Proof Key for Code Exchange (RFC 7636), with S256 alone. */
bool pkce_challenge_is_valid(const char *challenge); /* 43 characters of base64url: an S256 hash */
bool pkce_verifier_matches(struct arena *a, const char *verifier, const char *challenge);
const char *pkce_challenge(struct arena *a, const char *verifier);

/* Scopes, separated by spaces. Of those that every call needs, what a login can bring. */
const char *scopes_needed(const struct config *config, struct arena *a);
/* What is asked for and supported, in the order asked, and what every call needs: a token without
 * is of no use. Nothing asked (NULL): everything; so too if it is nothing but offline_access, which
 * claude.ai sends alone, and which refresh tokens do not need with every provider. "" if none is
 * supported. */
const char *scopes_of_login(const struct config *config, struct arena *a, const char *asked);
/* RFC 6749 §6: is what a refresh asks for not more than was granted? What /authorize leaves out of
 * a request, or the provider left out of that login, is left out again: a client may repeat what it
 * asked for. */
bool scopes_were_granted(const struct config *config, struct arena *a, const char *asked,
                         const struct refresh_grant *grant);

/* The `resource` parameter (RFC 8707): is it this server? Compared as RFC 3986 §6.2.2 and §6.2.3
 * say; tolerant of what real clients send: none at all, a query, a slash at the end. */
bool resource_is_ours(const struct config *config, const char *resource);
/* The same of each that a request has (§2). */
bool resources_are_ours(const struct config *config, const struct form *f);
