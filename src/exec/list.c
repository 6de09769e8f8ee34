#include "exec/list.h"

#include "catalog/prompts.h"
#include "catalog/resources.h"
#include "catalog/tools.h"
#include "mcp/call.h"
#include "mcp/site.h"

/* LIST_FORBIDDEN says whether a list has what the caller may not use. */
static enum rc answer(struct mcp_call *c, const struct list *l, struct err *e) {
    const struct list_query query = {
        .protocol = c->msg.protocol,
        .cursor = json_get(c->msg.params, "cursor"),
        .scopes = c->x->site->config->list_forbidden ? NULL : c->client.claims->scope};

    if (list_page(l, &query, c->arena, &c->answer.result))
        return OK;
    return err_set(e, ERR_RPC_INVALID_PARAMS, "Invalid params: unknown cursor");
}

enum rc mcp_tools_list(struct mcp_call *c, struct err *e) {
    return answer(c, &c->x->site->mcp->tools->list, e);
}

enum rc mcp_resources_list(struct mcp_call *c, struct err *e) {
    return answer(c, &c->x->site->mcp->resources->resources, e);
}

enum rc mcp_resource_templates_list(struct mcp_call *c, struct err *e) {
    return answer(c, &c->x->site->mcp->resources->templates, e);
}

enum rc mcp_prompts_list(struct mcp_call *c, struct err *e) {
    return answer(c, &c->x->site->mcp->prompts->list, e);
}
