/* Private part of provider.h: Amazon Cognito. With its addresses given in the configuration, other
 * OpenID providers work too if their access tokens have the shape that is checked here
 * (docs/providers.md). */
#include <strings.h>

#include "config/config.h"
#include "config/loading.h"
#include "idp/access_token.h"

/* ---- configuration: values as they stand in Cognito's console, in ARNs and in URLs ---- */

static const char lower[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
static const char alnum[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/* The URL with `other` in place of its end; "" if it does not end so. */
static const char *with_other_end(struct arena *a, const char *url, const char *end,
                                  const char *other) {
    return text_ends_with(url, end)
               ? arena_printf(a, "%.*s%s", (int)(strlen(url) - strlen(end)), url, other)
               : "";
}

static void check_region(struct loading *l) {
    struct config *c = l->c;

    c->aws_region = text_lower(c->arena, c->aws_region, strlen(c->aws_region));
    if (!c->aws_region[strspn(c->aws_region, lower)])
        return;
    config_refuse(l, "COGNITO_REGION", "must be a region's name, such as eu-west-1");
    c->aws_region = "";
}

/* REGION_ID: the length of the region; 0: this is no pool's id. */
static size_t region_length(const char *id) {
    size_t len = strspn(id, lower);

    return id[len] == '_' && id[len + 1] && !id[len + 1 + strspn(id + len + 1, alnum)] ? len : 0;
}

/* The pool's id begins with its region. That of cognito-local begins with "local". */
static void check_pool(struct loading *l) {
    struct config *c = l->c;
    const char *slash = strrchr(c->cognito_user_pool_id, '/'), *region;
    size_t len;

    if (slash) /* an ARN or the issuer's URL */
        c->cognito_user_pool_id = slash + 1;
    if (!*c->cognito_user_pool_id)
        return;
    len = region_length(c->cognito_user_pool_id);
    if (!len) {
        config_refuse(l, "COGNITO_USER_POOL_ID",
                      "must be the pool's ID, such as eu-west-1_AbCdEfGhI (not its name)");
        c->cognito_user_pool_id = "";
        return;
    }
    region = arena_strndup(c->arena, c->cognito_user_pool_id, len);
    if (!strcmp(region, "local"))
        return;
    if (!*c->aws_region)
        c->aws_region = config_is_refused(l, "COGNITO_REGION") ? "" : region;
    else if (strcmp(region, c->aws_region) != 0)
        config_refuse(l, "COGNITO_REGION",
                      "the pool %s is in another one: COGNITO_REGION=%s, or another pool",
                      c->cognito_user_pool_id, region);
}

/* PREFIX.auth.REGION.amazoncognito.com, also with "-fips". */
static void check_domain_region(struct loading *l, const char *domain) {
    static const char end[] = ".amazoncognito.com";
    const char *auth = strstr(domain, ".auth"), *region;
    size_t n;

    if (!auth || !text_ends_with(domain, end) || !*l->c->aws_region)
        return;
    region = strchr(auth + 1, '.') + 1;
    n = strcspn(region, ".");
    if (strlen(l->c->aws_region) != n || strncmp(region, l->c->aws_region, n) != 0)
        config_refuse(l, "COGNITO_DOMAIN", "is in the region %.*s, and the pool in %s", (int)n,
                      region, l->c->aws_region);
}

/* The console shows the domain as a URL. */
static void check_domain(struct loading *l) {
    struct config *c = l->c;
    const char *domain = text_lower(c->arena, c->cognito_domain, strlen(c->cognito_domain)),
               *scheme;
    size_t n;

    scheme = strstr(domain, "://");
    domain = config_without_slashes(c->arena, scheme ? scheme + 3 : domain);
    n = strspn(domain, "abcdefghijklmnopqrstuvwxyz0123456789-.");
    if (domain[n] && strchr("/?#", domain[n]))
        config_refuse(l, "COGNITO_DOMAIN", "must be the domain alone: COGNITO_DOMAIN=%.*s", (int)n,
                      domain);
    else if (domain[n])
        config_refuse(l, "COGNITO_DOMAIN",
                      "must be the domain's prefix, or a whole domain such as login.example.com");
    c->cognito_domain = config_is_refused(l, "COGNITO_DOMAIN") ? "" : domain;
    check_domain_region(l, c->cognito_domain);
}

static void set_if_empty(const char **value, const char *derived) {
    if (!**value)
        *value = derived;
}

/* Where the login pages are; "" if it is not known. */
static const char *login_origin(const struct config *c) {
    const char *fips = strncmp(c->aws_region, "us-gov-", 7) ? "" : "-fips";

    if (strchr(c->cognito_domain, '.'))
        return arena_printf(c->arena, "https://%s", c->cognito_domain);
    return *c->cognito_domain && *c->aws_region
               ? arena_printf(c->arena, "https://%s.auth%s.%s.amazoncognito.com", c->cognito_domain,
                              fips, c->aws_region)
               : "";
}

/* "Amazon Cognito endpoints and quotas" in the AWS General Reference. Revocation is beside the
 * token endpoint, and "the managed login sign-out endpoint: /logout", which goes on to the login
 * form with the parameters of /oauth2/authorize, beside that; other providers' are not guessed. */
static void derive(struct config *c) {
    const char *china = strncmp(c->aws_region, "cn-", 3) ? "" : ".cn", *origin = login_origin(c);
    struct arena *a = c->arena;

    if (*c->aws_region && *c->cognito_user_pool_id)
        set_if_empty(&c->idp.issuer, arena_printf(a, "https://cognito-idp.%s.amazonaws.com%s/%s",
                                                  c->aws_region, china, c->cognito_user_pool_id));
    if (*c->idp.issuer)
        set_if_empty(&c->idp.jwks_url, arena_printf(a, "%s/.well-known/jwks.json",
                                                    config_without_slashes(a, c->idp.issuer)));
    if (*origin) {
        set_if_empty(&c->idp.authorize_url, arena_printf(a, "%s/oauth2/authorize", origin));
        set_if_empty(&c->idp.token_url, arena_printf(a, "%s/oauth2/token", origin));
    }
    set_if_empty(&c->idp.revoke_url,
                 with_other_end(a, c->idp.token_url, "/oauth2/token", "/oauth2/revoke"));
    c->idp.logout_url = with_other_end(a, c->idp.authorize_url, "/oauth2/authorize", "/logout");
}

/* A provider's issuer may end in a slash; Cognito's does not. */
static void check_issuer(struct loading *l) {
    static const char *const documents[] = {"/.well-known/openid-configuration",
                                            "/.well-known/jwks.json"};
    struct config *c = l->c;

    if (!strncmp(c->idp.issuer, "https://cognito-idp.", 20))
        c->idp.issuer = config_without_slashes(c->arena, c->idp.issuer);
    for (size_t i = 0; i < sizeof documents / sizeof *documents; i++)
        if (text_ends_with(c->idp.issuer, documents[i]))
            config_refuse(l, "COGNITO_ISSUER", "must be the issuer itself: COGNITO_ISSUER=%s",
                          with_other_end(c->arena, c->idp.issuer, documents[i], ""));
}

/* A key that was refused is missing for no reason of its own. */
static void need(struct loading *l, bool is_lacking, const char *key, const char *instead) {
    if (is_lacking && !config_is_refused(l, key))
        config_fault(l, 0, "%s must be set%s", key, instead);
}

/* Has the service one of these groups, and lacks the value that they need? */
static bool lacks(const struct config *c, unsigned groups, const char *value) {
    return c->endpoints & groups && !*value;
}

/* A site's own value would be of no effect beside an address that it inherits: its users would log
 * in at another pool. */
static void check_inherited(struct loading *l) {
    static const char *const pairs[][2] = {{"COGNITO_USER_POOL_ID", "COGNITO_ISSUER"},
                                           {"COGNITO_USER_POOL_ID", "COGNITO_JWKS_URL"},
                                           {"COGNITO_DOMAIN", "COGNITO_AUTHORIZE_URL"},
                                           {"COGNITO_DOMAIN", "COGNITO_TOKEN_URL"},
                                           {"COGNITO_DOMAIN", "COGNITO_REVOKE_URL"}};

    for (size_t i = 0; l->host && i < sizeof pairs / sizeof *pairs; i++) {
        const struct given *own = &l->given[config_key_index(pairs[i][0])],
                           *address = &l->given[config_key_index(pairs[i][1])];

        if (own->text && *own->text && !own->inherited && address->text && *address->text &&
            address->inherited)
            config_refuse(l, pairs[i][1], "the site has its own %s: give it its own %s too",
                          pairs[i][0], pairs[i][1]);
    }
}

/* What each group has to have. */
static void check_needs(struct loading *l) {
    const struct config *c = l->c;

    need(l, lacks(c, GROUP_AUTHORIZE | GROUP_TOKEN | GROUP_MCP, c->idp.client_id),
         "COGNITO_CLIENT_ID", "");
    need(l, lacks(c, GROUP_MCP, c->idp.issuer),
         *c->cognito_user_pool_id ? "COGNITO_REGION" : "COGNITO_USER_POOL_ID",
         " (or COGNITO_ISSUER)");
    if (lacks(c, GROUP_AUTHORIZE, c->idp.authorize_url) || lacks(c, GROUP_TOKEN, c->idp.token_url))
        need(l, !*c->cognito_domain || !config_is_refused(l, "COGNITO_USER_POOL_ID"),
             *c->cognito_domain ? "COGNITO_REGION" : "COGNITO_DOMAIN",
             " (or COGNITO_AUTHORIZE_URL and COGNITO_TOKEN_URL)");
}

static void configure(struct loading *l) {
    struct config *c = l->c;
    struct url u;

    check_inherited(l);
    check_region(l);
    check_pool(l);
    check_domain(l);
    check_issuer(l);
    if (c->idp.client_id[strcspn(c->idp.client_id, " \t,\"'")])
        config_refuse(l, "COGNITO_CLIENT_ID",
                      "must be the app client's ID, such as 1example23456789");
    config_check_app_clients(l, "COGNITO_CLIENT_IDS", c->idp.client_ids);
    config_check_app_clients(l, "COGNITO_MACHINE_CLIENT_IDS", c->idp.machine_client_ids);
    derive(c);
    if (list_has(c->supported_scopes, "offline_access") && strstr(c->idp.issuer, "://cognito-idp."))
        config_refuse(l, "SUPPORTED_SCOPES",
                      "must not name offline_access: Cognito does not know it, and refresh tokens "
                      "are given without it");
    (void)config_check_url(l, "COGNITO_ISSUER", c->idp.issuer, &u);
    (void)config_check_url(l, "COGNITO_AUTHORIZE_URL", c->idp.authorize_url, &u);
    (void)config_check_url(l, "COGNITO_TOKEN_URL", c->idp.token_url, &u);
    (void)config_check_url(l, "COGNITO_JWKS_URL", c->idp.jwks_url, &u);
    (void)config_check_url(l, "COGNITO_REVOKE_URL", c->idp.revoke_url, &u);
    check_needs(l);
}

/* ---- login parameters: OpenID Connect Core §3.1.2.1, and two of Cognito's own ---- */

/* The languages of Cognito's pages ("Localization", parameter lang). */
static const char *const languages[] = {"de", "en", "es",    "fr",    "id",   "it",
                                        "ja", "ko", "pt-BR", "zh-CN", "zh-TW"};

/* RFC 5646: the first of the user's languages that Cognito has, by its region or without. */
static const char *language_of(struct arena *a, const char *locales) {
    const size_t count = sizeof languages / sizeof *languages;

    for (const char *tag; (tag = list_next(a, &locales));) {
        size_t primary = strcspn(tag, "-_");

        for (size_t i = 0; i < count; i++)
            if (!strcasecmp(languages[i], tag))
                return languages[i];
        for (size_t i = 0; i < count; i++)
            if (strcspn(languages[i], "-") == primary && !strncasecmp(languages[i], tag, primary))
                return languages[i];
    }
    return "";
}

static enum rc login_parameters(const struct login_request *w, struct buf *out, struct err *e) {
    static const char *const passed_on[] = {"login_hint", "identity_provider", "idp_identifier"};
    const char *prompt, *locales, *value;

    if (login_prompt(w, out->arena, "none login select_account", &prompt, e) ||
        login_parameter(w, "ui_locales", &locales, e))
        return e->code;
    login_add(out, "prompt", prompt);
    login_add(out, "lang", language_of(out->arena, locales));
    for (size_t i = 0; i < sizeof passed_on / sizeof *passed_on; i++) {
        if (login_parameter(w, passed_on[i], &value, e))
            return e->code;
        login_add(out, passed_on[i], value);
    }
    return OK;
}

/* ---- access tokens ---- */

/* What tells an access token from an ID token: Cognito's token_use, or the type at+jwt, with which
 * an audience comes (RFC 9068 §2.2). */
static bool is_access_token(const struct json *claims, bool at_jwt) {
    return json_has(claims, "token_use") || !at_jwt ? json_get_is(claims, "token_use", "access")
                                                    : json_has(claims, "aud");
}

/* A token of client credentials has no user: its subject is the client. */
static bool is_of_our_clients(const struct json *claims, const struct token_expect *expect) {
    const char *client = json_get_str(claims, "client_id");
    unsigned ignored;

    if (!client)
        return false;
    if (json_get_is(claims, "sub", client) && !json_has(claims, "username"))
        return config_app_client(expect->machine_client_ids, client, &ignored);
    return json_get_is(claims, "client_id", expect->client_id) ||
           config_app_client(expect->client_ids, client, &ignored);
}

/* Cognito's access tokens have an audience only if a resource was asked for (RFC 8707). Then it
 * must be ours: a token for another resource is not for us, whatever its client (RFC 9068 §4). */
static const char *refuse_claims(const struct json *claims, bool at_jwt,
                                 const struct token_expect *expect) {
    if (!is_access_token(claims, at_jwt))
        return "the token is not an access token";
    if (!is_of_our_clients(claims, expect))
        return "the token was issued for another client";
    if (!json_has(claims, "aud") && expect->needs_audience)
        return "the token names no resource (aud) that it is for";
    if (json_has(claims, "aud") && !claims_are_for(claims, expect))
        return "the token was issued for another resource";
    return NULL;
}

const struct idp_provider idp_cognito = {
    .name = "Cognito",
    .client = "app client",
    .username_claim = "username",
    .client_claim = "client_id",
    .groups_claim = "cognito:groups",
    .configure = configure,
    .login_parameters = login_parameters,
    .refuse_claims = refuse_claims,
    .advice = {
        .issuer_key = "COGNITO_ISSUER",
        .jwks_url_key = "COGNITO_JWKS_URL",
        .key_set = "check COGNITO_REGION and COGNITO_USER_POOL_ID (or COGNITO_JWKS_URL)",
        .scope = "allow the scopes for the app client, or take them out of SUPPORTED_SCOPES",
        .redirect_uri = "the app client must have the callback URL",
        .client = "the app client must be public (no secret), with the authorization code grant",
        .token_url = "check the address and COGNITO_DOMAIN",
    }};
