#include "mcp/access.h"

#include "mcp/bearer_auth.h"

struct caller mcp_caller(const struct mcp_call *c) {
    const struct token_claims *claims = c->client.claims;

    return (struct caller){.sub = claims->sub,
                           .username = claims->username,
                           .client_id = claims->client_id,
                           .scopes = claims->scope,
                           .groups = claims->groups,
                           .claims = claims->all,
                           .arena = c->arena};
}

const struct entry *mcp_visible(const struct mcp_call *c, const struct entry *entry) {
    struct caller caller = mcp_caller(c);

    return !entry || c->x->site->config->list_forbidden || access_admits(&entry->access, &caller)
               ? entry
               : NULL;
}

const struct resource *mcp_find_resource(const struct mcp_call *c, const char *uri,
                                         struct json **variables) {
    const struct resource *r = catalog_resource(c->x->site->mcp->catalog, c->arena, uri, variables);

    return r && mcp_visible(c, &r->entry) ? r : NULL;
}

enum rc mcp_check_access(const struct mcp_call *c, const struct entry *entry, struct err *e) {
    struct caller caller = mcp_caller(c);
    enum rc rc = bearer_check_scopes(c->x, c->client.claims, entry ? entry->access.scopes : "", e);

    if (rc || !entry || access_admits(&entry->access, &caller))
        return rc;
    /* No scope that a client could ask for helps, so there is no challenge (RFC 6750 §3.1). */
    return err_set(e, ERR_ACCESS_DENIED,
                   "this caller's groups or claims, or a rule of this server, do not allow this "
                   "call");
}
