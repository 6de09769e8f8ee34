#include "app/routes.h"

#include "app/server_page.h"
#include "exec/server_identity.h"
#include "mcp/endpoint.h"
#include "mcp/session.h"
#include "oauth/endpoints.h"

/* Everything that a request waits for has a deadline of its own, far below these: they end what
 * hangs. A call of the MCP endpoint may ask a person, and run programs (PROGRAM_TIMEOUT_MS_MAX). */
#define OAUTH_LIMIT_S 30
#define METADATA_LIMIT_S 10
#define MCP_LIMIT_S 180

#define ALLOW_MAX 64

/* What a path is made of: these, in this order, then the fixed part or before it. */
enum base { BASE_ROOT, BASE_ISSUER, BASE_MCP, BASE_BEFORE_ISSUER, BASE_BEFORE_MCP };

#define MCP_ENDPOINTS                                                                              \
    ENDPOINT(POST, MCP, "", mcp_post, RPC, MCP, MCP)                                               \
    ENDPOINT(GET, MCP, "", server_page_or_stream, RPC, MCP, MCP)                                   \
    ENDPOINT(DELETE, MCP, "", mcp_delete, RPC, MCP, MCP)                                           \
    ENDPOINT(GET, ISSUER, "/jwks", mcp_key_set, OAUTH, ANY, MCP)

static const struct {
    enum base base;
    struct route route; /* without its hosts; of its path the fixed part */
} table[] = {
#define ENDPOINT(name, of, fixed, fn, form, origins, bit)                                          \
    {BASE_##of,                                                                                    \
     {.method = #name,                                                                             \
      .path = fixed,                                                                               \
      .handler = fn,                                                                               \
      .style = STYLE_##form,                                                                       \
      .cors = CORS_##origins,                                                                      \
      .group = GROUP_##bit}},
    OAUTH_ENDPOINTS MCP_ENDPOINTS};

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

/* Users type the address of the MCP endpoint, and some end it with a slash. */
static size_t significant_len(unsigned hosts, struct text path) {
    return path.len - (hosts == ROUTE_AT_RESOURCE && path.len > 1 && path.p[path.len - 1] == '/');
}

void routes_init(struct routes *r, struct arena *a, const struct config *config) {
    static const unsigned hosts[] = {[BASE_ROOT] = ROUTE_AT_BOTH,
                                     [BASE_ISSUER] = ROUTE_AT_ISSUER,
                                     [BASE_MCP] = ROUTE_AT_RESOURCE,
                                     [BASE_BEFORE_ISSUER] = ROUTE_AT_ISSUER,
                                     [BASE_BEFORE_MCP] = ROUTE_AT_RESOURCE};

    _Static_assert(sizeof table / sizeof *table <= ROUTES_MAX, "ROUTES_MAX");
    r->count = 0;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct route *route = &r->all[r->count];

        if (!(table[i].route.group & config->endpoints))
            continue;
        *route = table[i].route;
        route->path = full_path(a, config, table[i].base, route->path);
        route->hosts = hosts[table[i].base];
        route->path_len = significant_len(route->hosts, text_of(route->path));
        r->count++;
    }
}

static bool is_at(const struct route *r, struct text path) {
    const size_t len = significant_len(r->hosts, path);

    return len == r->path_len && !memcmp(r->path, path.p, len);
}

struct route_match routes_find(const struct routes *r, const struct request *rq) {
    /* RFC 9110 §9.3.2 */
    const char *method = strcmp(rq->method, "HEAD") ? rq->method : "GET";
    struct route_match m = {.style = STYLE_OAUTH, .cors = CORS_NONE};
    const struct text path = text_of(rq->path);
    struct buf allow;

    for (unsigned i = 0; i < r->count; i++)
        if (is_at(&r->all[i], path) && !strcmp(r->all[i].method, method))
            return (struct route_match){&r->all[i], NULL, r->all[i].style, r->all[i].cors};
    buf_init(&allow, rq->arena, ALLOW_MAX);
    for (unsigned i = 0; i < r->count; i++) {
        if (!is_at(&r->all[i], path) || strstr(allow.p, r->all[i].method))
            continue;
        buf_addf(&allow, "%s%s", allow.len ? ", " : "", r->all[i].method);
        m.allow = allow.p;
        m.style = r->all[i].style;
        m.cors = r->all[i].cors;
    }
    return m;
}

int route_time_limit_s(const struct route *route) {
    if (!route || route->group == GROUP_METADATA)
        return METADATA_LIMIT_S;
    return route->group == GROUP_MCP ? MCP_LIMIT_S : OAUTH_LIMIT_S;
}
