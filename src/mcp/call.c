#include "mcp/call.h"

#include "catalog/program.h"

static const char *const log_levels[] = {"debug", "info",     "notice", "warning",
                                         "error", "critical", "alert",  "emergency"};
#define LOG_LEVELS (int)(sizeof log_levels / sizeof *log_levels)

int mcp_log_level(const char *name) {
    for (int i = 0; name && i < LOG_LEVELS; i++)
        if (!strcmp(name, log_levels[i]))
            return i;
    return -1;
}

const char *mcp_log_level_name(int level) {
    return level >= 0 && level < LOG_LEVELS ? log_levels[level] : NULL;
}

struct mcp_call mcp_call_begin(struct exchange *x) {
    const int64_t now_ms = clock_monotonic_ms();

    return (struct mcp_call){.x = x,
                             .arena = x->rq->arena,
                             .msg.protocol = PROTOCOL_HANDSHAKE,
                             .stream.sent_ms = now_ms,
                             .cancel.socket = -1,
                             .cancel.deadline_ms = now_ms + PROGRAM_TIMEOUT_MS_MAX};
}

void mcp_call_finish(struct mcp_call *c, struct json *result) {
    if (c->msg.protocol == PROTOCOL_STATELESS) {
        struct json *info = json_new_object(c->arena);

        json_put_str(info, "name", c->x->site->config->server.name);
        json_put_str(info, "title", c->x->site->config->server.label);
        json_put_str(info, "version", MCP_AUTHD_VERSION);
        json_put(json_ensure_object(c->arena, result, "_meta"), META_SERVER_INFO, info);
        if (!json_has(result, "resultType"))
            json_put_str(result, "resultType", "complete");
    }
    c->answer.result = json_as_text(c->arena, result);
}

void mcp_call_audit(const struct mcp_call *c, const struct mcp_call_end *end) {
    const struct mcp_audit *audit = &c->x->site->mcp->audit;

    if (audit->write)
        audit->write(audit->arg, c, end);
}

void mcp_call_takes_long(const struct mcp_call *c, bool begins) {
    const struct mcp_site *mcp = c->x->site->mcp;

    if (mcp->on_call)
        mcp->on_call(mcp->on_call_arg, begins);
}

const char *mcp_call_user(const struct mcp_call *c) {
    const char *site = c->x->site->config->site, *sub = c->client.claims->sub;

    return *site ? arena_printf(c->arena, "%s/%s", site, sub) : sub;
}

struct json *mcp_client_identity(struct arena *a, const struct mcp_client *client) {
    const struct token_claims *claims = client->claims;
    struct json *identity = json_new_object(a);

    json_put_str(identity, "sub", claims->sub);
    json_put_str(identity, "username", claims->username);
    json_put_str(identity, "client_id", claims->client_id);
    json_put_words(a, identity, "scopes", claims->scope);
    return identity;
}
