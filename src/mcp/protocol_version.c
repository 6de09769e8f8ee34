#include "mcp/protocol_version.h"

#include <ctype.h>

#include "mcp/call.h"
#include "mcp/headers.h"

static const char *const stateless_versions[] = {MCP_VERSION_STATELESS, NULL};
static const char *const handshake_versions[] = {MCP_VERSION_HANDSHAKE, "2025-06-18",
                                                 MCP_VERSION_BATCHES, "2024-11-05", NULL};

static bool is_one_of(const char *const *list, const char *version) {
    for (; *list; list++)
        if (!strcmp(*list, version))
            return true;
    return false;
}

/* Versions are dates; those from 2026-07-28 on have no handshake. */
static bool is_stateless(const char *version) {
    static const char shape[] = "dddd-dd-dd";

    for (size_t i = 0; i < sizeof shape; i++)
        if (shape[i] == 'd' ? !isdigit((unsigned char)version[i]) : version[i] != shape[i])
            return false;
    return strcmp(version, MCP_VERSION_STATELESS) >= 0;
}

bool mcp_version_is_handshake_version(const char *version) {
    return is_one_of(handshake_versions, version);
}

static const char *version_header(const struct request *rq) {
    const char *v = mcp_header(rq, "mcp-protocol-version");

    return v && *v ? v : NULL;
}

enum mcp_protocol mcp_version_of_header(const struct request *rq) {
    const char *v = version_header(rq);

    return v && is_stateless(v) ? PROTOCOL_STATELESS : PROTOCOL_HANDSHAKE;
}

bool mcp_version_has_batches(const struct request *rq) {
    const char *v = version_header(rq);

    return !v || !strcmp(v, MCP_VERSION_BATCHES);
}

/* UnsupportedProtocolVersionError: the supported versions, and the requested one. */
static enum rc unsupported(struct mcp_call *c, const char *requested, struct err *e) {
    const char *const *list =
        c->msg.protocol == PROTOCOL_STATELESS ? stateless_versions : handshake_versions;
    struct json *supported = json_new_array(c->arena);

    for (; *list; list++)
        json_add_str(supported, *list);
    c->answer.error_data = json_new_object(c->arena);
    json_put(c->answer.error_data, "supported", supported);
    json_put_str(c->answer.error_data, "requested", text_quotable(c->arena, requested));
    c->answer.error_status = 400;
    return err_set(e, ERR_RPC_UNSUPPORTED_VERSION, "Unsupported protocol version");
}

/* "A request missing any required field is malformed": -32602 with HTTP 400, unlike the -32602 of
 * a method. */
static enum rc bad_envelope(struct mcp_call *c, const char *member, const char *what,
                            struct err *e) {
    c->answer.error_status = 400;
    return err_set(e, ERR_RPC_INVALID_PARAMS, "Invalid params: _meta.%s %s", member, what);
}

static enum rc settle_handshake(struct mcp_call *c, const char *header, struct err *e) {
    c->msg.protocol = PROTOCOL_HANDSHAKE;
    /* Streamable HTTP 2025-11-25 "Protocol Version Header": no header means 2025-03-26. */
    c->msg.version = header ? header : MCP_VERSION_BATCHES;
    return mcp_version_is_handshake_version(c->msg.version) ? OK
                                                            : unsupported(c, c->msg.version, e);
}

/* The header and the body must name the same version. */
static enum rc settle_stateless(struct mcp_call *c, const char *header, const struct json *meta,
                                struct err *e) {
    c->msg.protocol = PROTOCOL_STATELESS;
    c->msg.version = json_get_str(meta, META_VERSION);
    if (!c->msg.version)
        return bad_envelope(c, META_VERSION, "must be a string", e);
    if (!header && c->msg.kind == MCP_REQUEST)
        return err_set(e, ERR_RPC_HEADER_MISMATCH,
                       "Header mismatch: MCP-Protocol-Version is missing");
    if (header && strcmp(header, c->msg.version) != 0)
        return err_set(e, ERR_RPC_HEADER_MISMATCH,
                       "Header mismatch: MCP-Protocol-Version says '%s', _meta says '%s'",
                       text_quotable(c->arena, header), text_quotable(c->arena, c->msg.version));
    return is_one_of(stateless_versions, c->msg.version) ? OK : unsupported(c, c->msg.version, e);
}

static enum rc check_envelope(struct mcp_call *c, const struct json *meta, struct err *e) {
    if (!json_is_object(json_get(meta, META_CLIENT_CAPABILITIES)))
        return bad_envelope(c, META_CLIENT_CAPABILITIES, "must be an object", e);
    if (json_get(meta, META_CLIENT_INFO) && !json_is_object(json_get(meta, META_CLIENT_INFO)))
        return bad_envelope(c, META_CLIENT_INFO, "must be an object", e);
    return OK;
}

/* `initialize` begins a handshake, unless the request has the complete _meta of a stateless one:
 * then the method does not exist. */
static bool opens_handshake(const struct mcp_call *c, const struct json *meta) {
    const char *version = json_get_str(meta, META_VERSION);

    if (c->msg.kind != MCP_REQUEST || strcmp(c->msg.method, "initialize") != 0)
        return false;
    return !version || !is_stateless(version) ||
           !json_is_object(json_get(meta, META_CLIENT_CAPABILITIES));
}

static enum rc settle_initialize(struct mcp_call *c, const char *header, struct err *e) {
    c->msg.protocol = PROTOCOL_HANDSHAKE;
    c->msg.version = MCP_VERSION_HANDSHAKE;
    if (header && is_stateless(header))
        return err_set(e, ERR_RPC_HEADER_MISMATCH,
                       "Header mismatch: MCP-Protocol-Version %s has no initialize request",
                       text_quotable(c->arena, header));
    return OK; /* the body negotiates; the header is required only afterwards */
}

/* The header names a stateless version, and the body none. */
static enum rc settle_by_header(struct mcp_call *c, const char *header, struct err *e) {
    c->msg.protocol = PROTOCOL_STATELESS;
    c->msg.version = header;
    if (!is_one_of(stateless_versions, header))
        return unsupported(c, header, e);
    if (c->msg.kind == MCP_REQUEST)
        return bad_envelope(c, META_VERSION, "is missing", e);
    if (c->msg.kind == MCP_RESPONSE)
        return err_set(e, ERR_RPC_INVALID_REQUEST,
                       "Invalid request: clients send no responses in this protocol version");
    return OK;
}

enum rc mcp_version_settle(struct mcp_call *c, struct err *e) {
    const struct json *meta = json_get(c->msg.params, "_meta");
    const char *header = version_header(c->x->rq);
    enum rc rc;

    if (opens_handshake(c, meta))
        return settle_initialize(c, header, e);
    if (json_has(meta, META_VERSION))
        rc = settle_stateless(c, header, meta, e);
    else if (header && is_stateless(header))
        rc = settle_by_header(c, header, e);
    else
        rc = settle_handshake(c, header, e);
    if (rc || c->msg.protocol != PROTOCOL_STATELESS || c->msg.kind != MCP_REQUEST)
        return rc;
    return check_envelope(c, meta, e);
}
