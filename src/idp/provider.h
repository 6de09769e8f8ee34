/* In what one identity provider differs from another. A further provider is one file with such a
 * table, its line in idp.c, and the rows of its configuration keys. Everything that OAuth 2.0 and
 * OpenID Connect say for all of them is in the other files of this room. */
#pragma once

#include "base/base.h"
#include "base/json.h"

struct config;
struct form;
struct loading;

/* What an access token must say to be good here. */
struct token_expect {
    const struct idp_provider *provider;
    const char *issuer, *client_id; /* compared byte for byte */
    const char *resource;           /* the URL of the MCP endpoint */
    int64_t now_s;
};

/* What a client may ask about the login of its user, beside its scope. */
struct login_wishes {
    const struct form *form; /* the query of its authorization request */
    const char *scope;       /* that the provider is asked for */
};

struct idp_provider {
    const char *name;                          /* for people */
    const char *client;                        /* what it calls an OAuth client, for people */
    const char *username_claim, *client_claim; /* of its access tokens */
    /* Are its configuration keys set? NULL: of the last one, which is there if no other is. */
    bool (*is_configured)(const struct config *config);
    /* Checks the values of its configuration keys and fills in config->idp (config/loading.h). */
    void (*configure)(struct loading *l);
    /* Appends the parameters for its authorization endpoint that follow from a client's wishes, as
     * application/x-www-form-urlencoded. ERR_INVALID_REQUEST if they contradict each other. */
    enum rc (*login_parameters)(const struct login_wishes *wishes, struct buf *out, struct err *e);
    /* Is this an access token, and for us? NULL: yes; otherwise the reason, which may go to the
     * client. Issuer, subject and times are checked elsewhere. at_jwt: its type is at+jwt. */
    const char *(*refuse_claims)(const struct json *claims, bool at_jwt,
                                 const struct token_expect *expect);
    /* For `mcp-authd doctor`: configuration keys, and what to do when a check fails. */
    struct idp_advice {
        const char *issuer_key, *jwks_url_key;
        const char *key_set;      /* the key set is not at its address */
        const char *scope;        /* the authorization endpoint refuses a scope */
        const char *redirect_uri; /* it refuses the client; our redirect URI comes after this */
        const char *client;       /* the token endpoint refuses the client */
        const char *token_url;    /* what answers is no token endpoint */
    } advice;
};

extern const struct idp_provider idp_cognito; /* cognito.c */
