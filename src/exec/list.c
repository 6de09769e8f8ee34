#include "exec/list.h"

#include "catalog/catalog.h"
#include "mcp/call.h"

/* LIST_FORBIDDEN says whether a list has what the caller may not use. */
static enum rc answer(struct mcp_call *c, enum catalog_kind kind, size_t which, struct err *e) {
    const struct site *site = c->x->site;
    const struct list_query query = {
        .protocol = c->msg.protocol,
        .cursor = json_get(c->msg.params, "cursor"),
        .scopes = site->config->list_forbidden ? NULL : c->client.claims->scope};

    if (list_page(catalog_list(site->mcp->catalog, kind, which), &query, c->arena,
                  &c->answer.result))
        return OK;
    return err_set(e, ERR_RPC_INVALID_PARAMS, "Invalid params: unknown cursor");
}

enum rc mcp_tools_list(struct mcp_call *c, struct err *e) {
    return answer(c, CATALOG_TOOLS, 0, e);
}

enum rc mcp_resources_list(struct mcp_call *c, struct err *e) {
    return answer(c, CATALOG_RESOURCES, RESOURCES, e);
}

enum rc mcp_resource_templates_list(struct mcp_call *c, struct err *e) {
    return answer(c, CATALOG_RESOURCES, RESOURCE_TEMPLATES, e);
}

enum rc mcp_prompts_list(struct mcp_call *c, struct err *e) {
    return answer(c, CATALOG_PROMPTS, 0, e);
}
