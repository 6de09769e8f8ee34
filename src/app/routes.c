#include "app/routes.h"

#include "base/base.h"
#include "mcp/endpoint.h"
#include "mcp/session.h"
#include "oauth/endpoints.h"

#define PRM "/.well-known/oauth-protected-resource"
#define ASM "/.well-known/oauth-authorization-server"
#define OIDC "/.well-known/openid-configuration"

/* Everything that a request waits for has a deadline of its own, far below these: they end what
 * hangs. A call of the MCP endpoint may ask a person, and run programs (PROGRAM_TIMEOUT_MS_MAX). */
#define OAUTH_LIMIT_S 30
#define METADATA_LIMIT_S 10
#define MCP_LIMIT_S 180

#define ALLOW_MAX 64

/* What a path is made of: these, in this order, then the fixed part or before it. */
enum base { BASE_ROOT, BASE_ISSUER, BASE_MCP, BASE_BEFORE_ISSUER, BASE_BEFORE_MCP };

static const struct {
    const char *method;
    enum base base;
    const char *path;
    handler_fn *handler;
    enum error_style style;
    enum cors cors;
    unsigned group;
} table[] = {
    {"GET", BASE_ISSUER, "/authorize", oauth_authorize_get, STYLE_PAGE, CORS_NONE, GROUP_AUTHORIZE},
    {"POST", BASE_ISSUER, "/authorize", oauth_authorize_post, STYLE_PAGE, CORS_NONE,
     GROUP_AUTHORIZE},
    {"GET", BASE_ISSUER, "/callback", oauth_callback, STYLE_PAGE, CORS_NONE, GROUP_AUTHORIZE},
    {"POST", BASE_ISSUER, "/register", oauth_register, STYLE_OAUTH, CORS_ANY, GROUP_AUTHORIZE},
    {"POST", BASE_ISSUER, "/token", oauth_token, STYLE_OAUTH, CORS_ANY, GROUP_TOKEN},
    {"POST", BASE_ISSUER, "/revoke", oauth_revoke, STYLE_OAUTH, CORS_ANY, GROUP_TOKEN},
    /* RFC 9728 §3.1 and RFC 8414 §3.1 put the well-known part before the path; clients of earlier
     * revisions look at the root. */
    {"GET", BASE_BEFORE_MCP, PRM, oauth_protected_resource, STYLE_OAUTH, CORS_ANY, GROUP_METADATA},
    {"GET", BASE_ROOT, PRM, oauth_protected_resource, STYLE_OAUTH, CORS_ANY, GROUP_METADATA},
    {"GET", BASE_BEFORE_ISSUER, ASM, oauth_authorization_server, STYLE_OAUTH, CORS_ANY,
     GROUP_METADATA},
    {"GET", BASE_ROOT, ASM, oauth_authorization_server, STYLE_OAUTH, CORS_ANY, GROUP_METADATA},
    /* MCP "Authorization Server Metadata Discovery": as OpenID Connect writes it, behind the path
     * too. */
    {"GET", BASE_BEFORE_ISSUER, OIDC, oauth_authorization_server, STYLE_OAUTH, CORS_ANY,
     GROUP_METADATA},
    {"GET", BASE_ISSUER, OIDC, oauth_authorization_server, STYLE_OAUTH, CORS_ANY, GROUP_METADATA},
    {"GET", BASE_ROOT, OIDC, oauth_authorization_server, STYLE_OAUTH, CORS_ANY, GROUP_METADATA},
    {"POST", BASE_MCP, "", mcp_post, STYLE_RPC, CORS_MCP, GROUP_MCP},
    {"GET", BASE_MCP, "", mcp_get, STYLE_RPC, CORS_MCP, GROUP_MCP},
    {"DELETE", BASE_MCP, "", mcp_delete, STYLE_RPC, CORS_MCP, GROUP_MCP},
};

static const char *full_path(struct arena *a, const struct config *c, enum base base,
                             const char *path) {
    switch (base) {
    case BASE_ISSUER:
        return arena_printf(a, "%s%s", c->auth_path, path);
    case BASE_MCP:
        return c->mcp_path;
    case BASE_BEFORE_ISSUER:
        return arena_printf(a, "%s%s", path, c->auth_path);
    case BASE_BEFORE_MCP:
        return strcmp(c->mcp_path, "/") ? arena_printf(a, "%s%s", path, c->mcp_path) : path;
    case BASE_ROOT:
        break;
    }
    return path;
}

void routes_init(struct routes *r, struct arena *a, const struct config *config) {
    _Static_assert(sizeof table / sizeof *table <= ROUTES_MAX, "ROUTES_MAX");
    r->count = 0;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].group & config->endpoints)
            r->all[r->count++] =
                (struct route){table[i].method,
                               full_path(a, config, table[i].base, table[i].path),
                               table[i].handler,
                               table[i].style,
                               table[i].cors,
                               table[i].group,
                               table[i].base == BASE_MCP || table[i].base == BASE_BEFORE_MCP};
}

static size_t length_without_slash(const char *path) {
    size_t len = strlen(path);

    return len > 1 && path[len - 1] == '/' ? len - 1 : len;
}

/* Users type the address of the MCP endpoint, and some end it with a slash. */
static bool is_at(const struct route *r, const char *path) {
    size_t len = length_without_slash(path);

    return !strcmp(r->path, path) ||
           (r->loose && len == length_without_slash(r->path) && !memcmp(r->path, path, len));
}

struct route_match routes_find(const struct routes *r, const struct request *rq) {
    /* RFC 9110 §9.3.2 */
    const char *method = strcmp(rq->method, "HEAD") ? rq->method : "GET";
    struct route_match m = {.style = STYLE_OAUTH, .cors = CORS_NONE};
    struct buf allow;

    for (unsigned i = 0; i < r->count; i++)
        if (!strcmp(r->all[i].method, method) && is_at(&r->all[i], rq->path))
            return (struct route_match){&r->all[i], NULL, r->all[i].style, r->all[i].cors};
    buf_init(&allow, rq->arena, ALLOW_MAX);
    for (unsigned i = 0; i < r->count; i++) {
        if (!is_at(&r->all[i], rq->path) || strstr(allow.p, r->all[i].method))
            continue;
        buf_addf(&allow, "%s%s", allow.len ? ", " : "", r->all[i].method);
        m.allow = allow.p;
        m.style = r->all[i].style;
        m.cors = r->all[i].cors;
    }
    return m;
}

int routes_time_limit_s(const struct routes *r, const char *path) {
    for (unsigned i = 0; i < r->count; i++)
        if (is_at(&r->all[i], path))
            return r->all[i].group == GROUP_MCP        ? MCP_LIMIT_S
                   : r->all[i].group == GROUP_METADATA ? METADATA_LIMIT_S
                                                       : OAUTH_LIMIT_S;
    return METADATA_LIMIT_S;
}
