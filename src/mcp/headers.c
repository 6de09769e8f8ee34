#include "mcp/headers.h"

#include <ctype.h>
#include <strings.h>

#include "base/encode.h"
#include "mcp/call.h"

#define BASE64_PREFIX "=?base64?"
#define BASE64_SUFFIX "?="

const char *mcp_header(const struct request *rq, const char *name) {
    const char *v = request_header(rq, name);
    size_t len;

    if (!v)
        return NULL;
    v += strspn(v, " \t");
    len = strlen(v);
    while (len && (v[len - 1] == ' ' || v[len - 1] == '\t'))
        len--;
    return v[len] ? arena_strndup(rq->arena, v, len) : v;
}

bool mcp_header_decode(struct arena *a, const char *value, struct text *out) {
    const size_t start = sizeof BASE64_PREFIX - 1, end = sizeof BASE64_SUFFIX - 1;
    size_t len = strlen(value);

    for (const char *p = value; *p; p++)
        if (((unsigned char)*p < ' ' && *p != '\t') || (unsigned char)*p > '~')
            return false;
    *out = (struct text){value, len};
    if (len < start + end || memcmp(value, BASE64_PREFIX, start) != 0 ||
        memcmp(value + len - end, BASE64_SUFFIX, end) != 0)
        return true;
    out->p = (const char *)base64_decode(a, value + start, len - start - end, &out->len);
    return out->p != NULL;
}

static enum rc check_name(const struct mcp_call *c, const char *name_param, struct err *e) {
    const char *header = mcp_header(c->x->rq, "mcp-name"), *value;
    struct text decoded;
    size_t len;

    /* If the member is missing, the method reports that. */
    value = json_strn(json_get(c->msg.params, name_param), &len);
    if (!value)
        return OK;
    if (!header)
        return rpc_header_mismatch(e, "Mcp-Name is missing");
    if (!mcp_header_decode(c->arena, header, &decoded))
        return rpc_header_mismatch(e, "Mcp-Name is malformed");
    if (decoded.len == len && !memcmp(decoded.p, value, len))
        return OK;
    return rpc_header_mismatch(e, "Mcp-Name says '%s', params.%s says '%s'",
                               text_quotable(c->arena, header), name_param,
                               text_quotable(c->arena, value));
}

enum rc mcp_headers_check(const struct mcp_call *c, struct err *e) {
    const char *method;

    if (c->msg.protocol != PROTOCOL_STATELESS)
        return OK;
    /* The specification has no rules for headers of notifications; a contradiction is still
     * refused. */
    method = mcp_header(c->x->rq, "mcp-method");
    if (!method && c->msg.kind == MCP_REQUEST)
        return rpc_header_mismatch(e, "Mcp-Method is missing");
    if (method && strcmp(method, c->msg.method) != 0)
        return rpc_header_mismatch(e, "Mcp-Method says '%s', the body says '%s'",
                                   text_quotable(c->arena, method),
                                   text_quotable(c->arena, c->msg.method));
    return c->method && c->method->name_param ? check_name(c, c->method->name_param, e) : OK;
}

/* What the Accept header says about one media type. MCP clients list both application/json and
 * text/event-stream, mostly with the same weight; then the one listed first is preferred. */
struct acceptance {
    int weight;      /* 0: it is not acceptable */
    size_t at;       /* index of the media range that decides */
    int specificity; /* of that range; 0: no range matches */
};

/* 1 for any type, 2 for type/any, 3 for the type itself; 0: the range does not match it. */
static int specificity(const char *range, size_t len, const char *type) {
    size_t major;

    if (len == strlen(type) && !strncasecmp(range, type, len))
        return 3;
    if (len == 3 && !strncmp(range, "*/*", 3))
        return 1;
    major = strcspn(type, "/") + 1;
    return len == major + 1 && range[major] == '*' && !strncasecmp(range, type, major) ? 2 : 0;
}

/* RFC 9110 §12.5.1: "the most specific reference has precedence". */
static struct acceptance acceptance_of(const char *accept, const char *type) {
    struct preference p;
    struct acceptance found = {0};

    for (size_t at = 0; preference_next(&accept, &p); at++) {
        int specific = specificity(p.range, p.len, type);

        if (specific > found.specificity)
            found = (struct acceptance){p.weight, at, specific};
    }
    return found;
}

static const char *accept_header(const struct request *rq) {
    const char *accept = request_header(rq, "accept");

    return accept && accept[strspn(accept, " \t")] ? accept : "*/*";
}

bool mcp_accepts(const struct request *rq, const char *type) {
    return acceptance_of(accept_header(rq), type).weight > 0;
}

bool mcp_prefers_stream(const struct request *rq) {
    const char *accept = accept_header(rq);
    struct acceptance json = acceptance_of(accept, "application/json");
    struct acceptance stream = acceptance_of(accept, "text/event-stream");

    return stream.weight > json.weight ||
           (stream.weight && stream.weight == json.weight && stream.at < json.at);
}

static const char *const stateless_versions[] = {MCP_VERSION_STATELESS, NULL};
static const char *const handshake_versions[] = {MCP_VERSION_HANDSHAKE, "2025-06-18",
                                                 MCP_VERSION_BATCHES, "2024-11-05", NULL};

/* Versions are dates; those from 2026-07-28 on have no handshake. */
static bool is_stateless(const char *version) {
    static const char shape[] = "dddd-dd-dd";

    for (size_t i = 0; i < sizeof shape; i++)
        if (shape[i] == 'd' ? !isdigit((unsigned char)version[i]) : version[i] != shape[i])
            return false;
    return strcmp(version, MCP_VERSION_STATELESS) >= 0;
}

bool mcp_version_has_handshake(const char *version) {
    return text_is_one_of(version, handshake_versions);
}

static const char *version_header(const struct request *rq) {
    const char *v = mcp_header(rq, "mcp-protocol-version");

    return v && *v ? v : NULL;
}

enum mcp_protocol mcp_protocol_of_header(const struct request *rq) {
    const char *v = version_header(rq);

    return v && is_stateless(v) ? PROTOCOL_STATELESS : PROTOCOL_HANDSHAKE;
}

bool mcp_batch_is_allowed(const struct request *rq) {
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
static enum rc bad_meta(struct mcp_call *c, const char *member, const char *what, struct err *e) {
    c->answer.error_status = 400;
    return rpc_invalid_params(e, "_meta.%s %s", member, what);
}

/* The header and the body must name the same version. */
static enum rc version_from_meta(struct mcp_call *c, const char *header, const struct json *meta,
                                 struct err *e) {
    c->msg.protocol = PROTOCOL_STATELESS;
    c->msg.version = json_get_str(meta, META_VERSION);
    if (!c->msg.version)
        return bad_meta(c, META_VERSION, "must be a string", e);
    if (!header && c->msg.kind == MCP_REQUEST)
        return rpc_header_mismatch(e, "MCP-Protocol-Version is missing");
    if (header && strcmp(header, c->msg.version) != 0)
        return rpc_header_mismatch(e, "MCP-Protocol-Version says '%s', _meta says '%s'",
                                   text_quotable(c->arena, header),
                                   text_quotable(c->arena, c->msg.version));
    return text_is_one_of(c->msg.version, stateless_versions) ? OK
                                                              : unsupported(c, c->msg.version, e);
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

/* The header names a stateless version, and the body does not name a version. */
static enum rc version_from_header(struct mcp_call *c, const char *header, struct err *e) {
    c->msg.protocol = PROTOCOL_STATELESS;
    c->msg.version = header;
    if (!text_is_one_of(header, stateless_versions))
        return unsupported(c, header, e);
    if (c->msg.kind == MCP_REQUEST)
        return bad_meta(c, META_VERSION, "is missing", e);
    if (c->msg.kind == MCP_RESPONSE)
        return rpc_invalid_request(e, "clients send no responses in this protocol version");
    return OK;
}

enum rc mcp_version_determine(struct mcp_call *c, struct err *e) {
    const struct json *meta = json_get(c->msg.params, "_meta");
    const char *header = version_header(c->x->rq);
    const bool stateless_header = header && is_stateless(header);
    enum rc rc;

    if (opens_handshake(c, meta)) {
        c->msg.protocol = PROTOCOL_HANDSHAKE;
        c->msg.version = MCP_VERSION_HANDSHAKE;
        if (stateless_header)
            return rpc_header_mismatch(e, "MCP-Protocol-Version %s has no initialize request",
                                       text_quotable(c->arena, header));
        return OK; /* the body negotiates; the header is required only afterwards */
    }
    if (!json_has(meta, META_VERSION) && !stateless_header) {
        c->msg.protocol = PROTOCOL_HANDSHAKE;
        /* Streamable HTTP 2025-11-25 "Protocol Version Header": no header means 2025-03-26. */
        c->msg.version = header ? header : MCP_VERSION_BATCHES;
        return mcp_version_has_handshake(c->msg.version) ? OK : unsupported(c, c->msg.version, e);
    }
    rc = json_has(meta, META_VERSION) ? version_from_meta(c, header, meta, e)
                                      : version_from_header(c, header, e);
    if (rc || c->msg.kind != MCP_REQUEST)
        return rc;
    if (!json_is_object(json_get(meta, META_CLIENT_CAPABILITIES)))
        return bad_meta(c, META_CLIENT_CAPABILITIES, "must be an object", e);
    if (json_get(meta, META_CLIENT_INFO) && !json_is_object(json_get(meta, META_CLIENT_INFO)))
        return bad_meta(c, META_CLIENT_INFO, "must be an object", e);
    return OK;
}
