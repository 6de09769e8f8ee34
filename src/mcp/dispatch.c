#include "mcp/dispatch.h"

#include "base/base.h"
#include "mcp/bearer_auth.h"
#include "mcp/cancel.h"
#include "mcp/headers.h"
#include "mcp/protocol_version.h"
#include "mcp/rpc.h"
#include "mcp/session.h"
#include "mcp/site.h"
#include "mcp/stream.h"
#include "metrics/metrics.h"

void mcp_log_error(const struct mcp_call *c, const struct err *e) {
    metrics_count(METRIC_DENIALS, e->code);
    log_info("rpc_error", kv("request", c->x->rq->id), kv("sub", c->client.claims->sub),
             kv("method", c->msg.method ? c->msg.method : ""), kv("text", e->text));
}

static const struct mcp_method *find_method(const struct mcp_service *service,
                                            const struct mcp_message *msg) {
    if (msg->kind == MCP_REQUEST)
        for (size_t i = 0; i < service->method_count; i++)
            if ((service->methods[i].protocols & msg->protocol) &&
                !strcmp(service->methods[i].name, msg->method))
                return &service->methods[i];
    return NULL;
}

static enum rc check_headers(const struct mcp_call *c, struct err *e) {
    if (c->msg.protocol != PROTOCOL_STATELESS)
        return OK;
    /* The specification has no rules for headers of notifications; a contradiction is still
     * refused. */
    if (c->msg.kind != MCP_REQUEST)
        return mcp_headers_check_method(c, e);
    return mcp_headers_check(c, c->method ? c->method->mirrored : NULL, e);
}

/* Sets the client's capabilities and log level, from its session or from _meta. */
static enum rc settle_client(struct mcp_call *c, struct err *e) {
    const struct json *meta = json_get(c->msg.params, "_meta");

    if (c->msg.protocol == PROTOCOL_HANDSHAKE) {
        c->client.log_level = LOG_WANTED_INFO;
        return c->msg.method && !strcmp(c->msg.method, "initialize") ? OK : mcp_session_find(c, e);
    }
    c->client.capabilities = json_get(meta, META_CLIENT_CAPABILITIES);
    c->client.log_level = LOG_WANTED_NONE;
    if (!json_get(meta, META_LOG_LEVEL))
        return OK;
    c->client.log_level = mcp_log_level(json_get_str(meta, META_LOG_LEVEL));
    if (c->client.log_level >= 0)
        return OK;
    c->answer.error_status = 400;
    return err_set(e, ERR_RPC_INVALID_PARAMS, "Invalid params: _meta.%s is no log level",
                   META_LOG_LEVEL);
}

static enum rc take_notification(const struct mcp_call *c, struct err *e) {
    /* If a request without an id were treated as a notification, its sender would wait forever. */
    if (strncmp(c->msg.method, "notifications/", 14) != 0)
        return err_set(e, ERR_RPC_INVALID_REQUEST, "Invalid request: the id is missing");
    if (!strcmp(c->msg.method, "notifications/cancelled"))
        cancel_deliver(c);
    return OK;
}

enum rc mcp_route(struct mcp_call *c, struct json *message, struct err *e) {
    const struct mcp_service *service = c->x->site->mcp->service;
    enum rc rc = mcp_message_read(message, &c->msg, e);

    c->msg.protocol = mcp_version_of_header(c->x->rq);
    if (!rc)
        rc = mcp_version_settle(c, e);
    if (rc)
        return rc;
    c->method = find_method(service, &c->msg);
    if (check_headers(c, e) || settle_client(c, e))
        return e->code;
    if (c->msg.kind == MCP_NOTIFICATION)
        return take_notification(c, e);
    if (c->msg.kind == MCP_RESPONSE)
        service->take_response(c, message);
    else if (!c->method)
        return err_set(e, ERR_RPC_METHOD_NOT_FOUND, "Method not found: %s",
                       text_quotable(c->arena, c->msg.method));
    return OK;
}

/* Logs caller, target and outcome; never arguments. */
static void audit(const struct mcp_call *c, const char *outcome, int64_t began_ms) {
    const char *target = c->answer.target;

    if (!c->method || !c->method->event)
        return;
    if (!target && c->method->mirrored) {
        target = json_get_str(c->msg.params, c->method->mirrored);
        target = target ? text_quotable(c->arena, target) : "";
    }
    log_info(c->method->event, kv("request", c->x->rq->id), kv(c->method->kind, target),
             kv("sub", c->client.claims->sub), kv("client_id", c->client.claims->client_id),
             kv("outcome", outcome), kvn("ms", clock_monotonic_ms() - began_ms));
}

enum rc mcp_check_scopes(struct mcp_call *c, struct err *e) {
    const char *scopes = c->method && c->method->scopes ? c->method->scopes(c) : "";
    enum rc rc = bearer_check_scopes(c->x, c->client.claims, scopes, e);

    if (rc)
        audit(c, "insufficient_scope", clock_monotonic_ms());
    return rc;
}

static const char *outcome_of(const struct mcp_call *c, enum rc rc) {
    if (rc == ERR_RATE_LIMITED)
        return "limited";
    if (c->answer.outcome)
        return c->answer.outcome;
    return rc ? "error" : "ok";
}

/* Empty if the stream goes on without an answer. */
static struct text result_of(struct mcp_call *c) {
    struct text body = {0};

    if (!c->x->rp->subscriptions || !c->x->rp->streaming) {
        body = rpc_result(c->arena, c->msg.id, c->answer.result);
        arena_release(c->arena, c->answer.result.p);
    }
    return body;
}

enum rc mcp_respond(struct mcp_call *c, enum rc routed, struct mcp_response *out, struct err *e) {
    int64_t began_ms = clock_monotonic_ms();
    enum rc rc = routed;

    *out = (struct mcp_response){.status = 202};
    if (!rc && !c->method)
        return OK;
    if (!rc)
        rc = c->method->run(c, e);
    audit(c, outcome_of(c, rc), began_ms);
    if (!rc) {
        *out = (struct mcp_response){200, result_of(c)};
        return OK;
    }
    if (!rpc_is_error(rc) &&
        !c->x->rp->streaming) /* after the stream has begun, only this function can answer */
        return rc;
    mcp_log_error(c, e);
    out->status =
        c->answer.error_status ? c->answer.error_status : rpc_error_status(rc, c->msg.protocol);
    out->body = rpc_error(c->arena, c->msg.id, c->msg.protocol, e, c->answer.error_data);
    return OK;
}
