/* Private part of load.h: the keys of the provider, as they stand in Cognito's console, in its
 * ARNs and in its URLs, and the addresses that follow from them. */
#include <ctype.h>
#include <string.h>

#include "base/list.h"
#include "config/loading.h"

static const char lower[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
static const char alnum[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

static char *in_lower_case(struct arena *a, const char *text) {
    char *out = arena_strdup(a, text);

    for (char *p = out; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    return out;
}

static bool ends_with(const char *text, const char *end) {
    size_t len = strlen(text), n = strlen(end);

    return len >= n && !strcmp(text + len - n, end);
}

static const char *without_end(struct arena *a, const char *text, const char *end) {
    return arena_strndup(a, text, strlen(text) - strlen(end));
}

static const char *without_slashes(struct arena *a, const char *text) {
    size_t len = strlen(text);

    while (len && text[len - 1] == '/')
        len--;
    return arena_strndup(a, text, len);
}

/* ---- the pool and its region ---- */

/* Its id begins with its region. That of cognito-local begins with "local". */
static void check_pool(struct loading *l) {
    struct config *c = l->c;
    const char *id = c->cognito_user_pool_id, *slash = strrchr(id, '/'), *end;
    char *region;

    c->cognito_region = in_lower_case(c->arena, c->cognito_region);
    if (c->cognito_region[strspn(c->cognito_region, lower)]) {
        config_refuse(l, "COGNITO_REGION", "must be a region's name, such as eu-west-1");
        c->cognito_region = "";
    }
    if (!*id)
        return;
    if (slash) /* an ARN or the issuer's URL */
        id = c->cognito_user_pool_id = slash + 1;
    end = strchr(id, '_');
    if (!end || end == id || strspn(id, lower) != (size_t)(end - id) || !end[1] ||
        end[1 + strspn(end + 1, alnum)]) {
        config_refuse(l, "COGNITO_USER_POOL_ID",
                      "must be the pool's ID, such as eu-west-1_AbCdEfGhI (not its name)");
        c->cognito_user_pool_id = "";
        return;
    }
    region = arena_strndup(c->arena, id, (size_t)(end - id));
    if (!strcmp(region, "local"))
        return;
    if (!*c->cognito_region)
        c->cognito_region = config_is_refused(l, "COGNITO_REGION") ? "" : region;
    else if (strcmp(region, c->cognito_region) != 0)
        config_refuse(l, "COGNITO_REGION",
                      "the pool %s is in another one: COGNITO_REGION=%s, or another pool", id,
                      region);
}

/* ---- the domain ---- */

/* PREFIX.auth.REGION.amazoncognito.com, also with "-fips". */
static void check_domain_region(struct loading *l, const char *domain) {
    static const char end[] = ".amazoncognito.com";
    const char *auth = strstr(domain, ".auth"), *region;
    size_t n;

    if (!auth || !ends_with(domain, end) || !*l->c->cognito_region)
        return;
    region = strchr(auth + 1, '.') + 1;
    n = strcspn(region, ".");
    if (strlen(l->c->cognito_region) != n || strncmp(region, l->c->cognito_region, n) != 0)
        config_refuse(l, "COGNITO_DOMAIN", "is in the region %.*s, and the pool in %s", (int)n,
                      region, l->c->cognito_region);
}

/* The console shows the domain as a URL. */
static void check_domain(struct loading *l) {
    struct config *c = l->c;
    const char *domain = in_lower_case(c->arena, c->cognito_domain), *scheme;
    size_t n;

    scheme = strstr(domain, "://");
    domain = without_slashes(c->arena, scheme ? scheme + 3 : domain);
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

/* ---- the addresses ---- */

/* It stands beside Cognito's token endpoint. Another provider's is not guessed. */
static const char *derive_revoke_url(struct arena *a, const char *token_url) {
    static const char end[] = "/oauth2/token";

    if (!ends_with(token_url, end))
        return "";
    return arena_printf(a, "%s/oauth2/revoke", without_end(a, token_url, end));
}

/* Cognito's own naming; https://docs.aws.amazon.com/cognito/ "endpoints and quotas". */
static void derive(struct loading *l) {
    struct config *c = l->c;
    struct arena *a = c->arena;
    const char *china = strncmp(c->cognito_region, "cn-", 3) ? "" : ".cn";
    const char *fips = strncmp(c->cognito_region, "us-gov-", 7) ? "" : "-fips";
    const char *base = NULL;

    if (strchr(c->cognito_domain, '.'))
        base = arena_printf(a, "https://%s", c->cognito_domain);
    else if (*c->cognito_domain && *c->cognito_region)
        base = arena_printf(a, "https://%s.auth%s.%s.amazoncognito.com", c->cognito_domain, fips,
                            c->cognito_region);
    if (!*c->cognito_issuer && *c->cognito_region && *c->cognito_user_pool_id)
        c->cognito_issuer = arena_printf(a, "https://cognito-idp.%s.amazonaws.com%s/%s",
                                         c->cognito_region, china, c->cognito_user_pool_id);
    if (!*c->cognito_jwks_url && *c->cognito_issuer)
        c->cognito_jwks_url =
            arena_printf(a, "%s/.well-known/jwks.json", without_slashes(a, c->cognito_issuer));
    if (!*c->cognito_authorize_url && base)
        c->cognito_authorize_url = arena_printf(a, "%s/oauth2/authorize", base);
    if (!*c->cognito_token_url && base)
        c->cognito_token_url = arena_printf(a, "%s/oauth2/token", base);
    if (!*c->cognito_revoke_url)
        c->cognito_revoke_url = derive_revoke_url(a, c->cognito_token_url);
}

/* A provider's issuer may end in a slash; Cognito's does not. */
static void check_issuer(struct loading *l) {
    static const char *const documents[] = {"/.well-known/openid-configuration",
                                            "/.well-known/jwks.json"};
    struct config *c = l->c;

    if (!strncmp(c->cognito_issuer, "https://cognito-idp.", 20))
        c->cognito_issuer = without_slashes(c->arena, c->cognito_issuer);
    for (size_t i = 0; i < sizeof documents / sizeof *documents; i++)
        if (ends_with(c->cognito_issuer, documents[i]))
            config_refuse(l, "COGNITO_ISSUER", "must be the issuer itself: COGNITO_ISSUER=%s",
                          without_end(c->arena, c->cognito_issuer, documents[i]));
}

/* A key that was refused is missing for no reason of its own. */
static void need(struct loading *l, bool lacks, const char *key, const char *instead) {
    if (lacks && !config_is_refused(l, key))
        config_fault(l, 0, "%s must be set%s", key, instead);
}

/* What each group has to have. */
static void check_needs(struct loading *l) {
    const struct config *c = l->c;
    const bool authorize = c->endpoints & GROUP_AUTHORIZE, token = c->endpoints & GROUP_TOKEN;
    const bool mcp = c->endpoints & GROUP_MCP;
    const bool pool_refused = config_is_refused(l, "COGNITO_USER_POOL_ID");

    need(l, (authorize || token || mcp) && !*c->cognito_client_id, "COGNITO_CLIENT_ID", "");
    need(l, mcp && !*c->cognito_issuer,
         *c->cognito_user_pool_id ? "COGNITO_REGION" : "COGNITO_USER_POOL_ID",
         " (or COGNITO_ISSUER)");
    if ((authorize && !*c->cognito_authorize_url) || (token && !*c->cognito_token_url))
        need(l, !*c->cognito_domain || !pool_refused,
             *c->cognito_domain ? "COGNITO_REGION" : "COGNITO_DOMAIN",
             " (or COGNITO_AUTHORIZE_URL and COGNITO_TOKEN_URL)");
}

void config_check_cognito(struct loading *l) {
    struct config *c = l->c;
    struct url u;

    check_pool(l);
    check_domain(l);
    check_issuer(l);
    if (c->cognito_client_id[strcspn(c->cognito_client_id, " \t,\"'")])
        config_refuse(l, "COGNITO_CLIENT_ID",
                      "must be the app client's ID, such as 1example23456789");
    derive(l);
    if (list_has(c->supported_scopes, "offline_access") &&
        strstr(c->cognito_issuer, "://cognito-idp."))
        config_refuse(l, "SUPPORTED_SCOPES",
                      "must not name offline_access: Cognito does not know it, and refresh tokens "
                      "are given without it");
    (void)config_check_url(l, "COGNITO_ISSUER", c->cognito_issuer, &u);
    (void)config_check_url(l, "COGNITO_AUTHORIZE_URL", c->cognito_authorize_url, &u);
    (void)config_check_url(l, "COGNITO_TOKEN_URL", c->cognito_token_url, &u);
    (void)config_check_url(l, "COGNITO_JWKS_URL", c->cognito_jwks_url, &u);
    (void)config_check_url(l, "COGNITO_REVOKE_URL", c->cognito_revoke_url, &u);
    check_needs(l);
}
