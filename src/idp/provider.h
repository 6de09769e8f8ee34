/* In what one identity provider differs from another. A further provider is one file,
 * provider_NAME.c, that defines such a table with the name idp_NAME, and the rows of its
 * configuration keys; the Makefile finds the file. Everything that OAuth 2.0 and
 * OpenID Connect say for all of them is in the other files of this module. */
#pragma once

#include "base/json.h"

struct config;
struct form;
struct loading;

/* What an access token must say to be good here. */
struct token_expect {
    const struct idp_provider *provider;
    const char *issuer, *client_id; /* compared byte for byte */
    /* Other clients, of users and without one: lists of config_app_client; NULL: none. */
    const char *client_ids, *machine_client_ids;
    const char *resource; /* the URL of the MCP endpoint */
    bool needs_audience;  /* the resource must be in the audience */
    int64_t now_s;
};

/* What a client may ask about the login of its user, beside its scope. */
struct login_request {
    const struct form *form; /* the query of its authorization request */
    const char *scope;       /* that the provider is asked for */
};

struct idp_provider {
    const char *name;                          /* for people */
    const char *client;                        /* what it calls an OAuth client, for people */
    const char *username_claim, *client_claim; /* of its access tokens */
    const char *groups_claim; /* of the same: an array of names of groups; NULL: there is none */
    /* Are its configuration keys set? NULL: of the one that is used if those of no other are. */
    bool (*is_configured)(const struct config *config);
    /* Checks the values of its configuration keys and fills in config->idp (config/loading.h). */
    void (*configure)(struct loading *l);
    /* Appends the parameters for its authorization endpoint that follow from a client's, as
     * application/x-www-form-urlencoded. ERR_INVALID_REQUEST if they contradict each other. */
    enum rc (*login_parameters)(const struct login_request *request, struct buf *out,
                                struct err *e);
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

/* For login_parameters: OpenID Connect Core §3.1.2.1, as far as it is the same for all. */

/* A parameter that a client sent: a short text without control characters, "" if absent. */
enum rc login_parameter(const struct login_request *w, const char *name, const char **out,
                        struct err *e) MUST_USE;
/* Those values of `prompt` that the provider supports; `consent` is asked for on our own page. With
 * offline_access a provider may want it all the same (§11). */
enum rc login_prompt(const struct login_request *w, struct arena *a, const char *supported,
                     const char **out, struct err *e) MUST_USE;
/* Appends the field unless the value is "". */
void login_add(struct buf *b, const char *name, const char *value);
