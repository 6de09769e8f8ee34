#include "mcp/headers.h"

#include "base/encode.h"
#include "mcp/call.h"

#define SENTINEL_START "=?base64?"
#define SENTINEL_END "?="

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
    const size_t start = sizeof SENTINEL_START - 1, end = sizeof SENTINEL_END - 1;
    size_t len = strlen(value);

    for (const char *p = value; *p; p++)
        if (((unsigned char)*p < ' ' && *p != '\t') || (unsigned char)*p > '~')
            return false;
    *out = (struct text){value, len};
    if (len < start + end || memcmp(value, SENTINEL_START, start) != 0 ||
        memcmp(value + len - end, SENTINEL_END, end) != 0)
        return true;
    out->p = (const char *)base64_decode(a, value + start, len - start - end, &out->len);
    return out->p != NULL;
}

enum rc mcp_headers_check_method(const struct mcp_call *c, struct err *e) {
    const char *method = mcp_header(c->x->rq, "mcp-method");

    if (!method || !strcmp(method, c->msg.method))
        return OK;
    return err_set(e, ERR_RPC_HEADER_MISMATCH,
                   "Header mismatch: Mcp-Method says '%s', the body says '%s'",
                   text_quotable(c->arena, method), text_quotable(c->arena, c->msg.method));
}

static enum rc check_name(const struct mcp_call *c, const char *mirrored, struct err *e) {
    const char *header = mcp_header(c->x->rq, "mcp-name"), *value;
    struct text decoded;
    size_t len;

    /* If the member is missing, the method reports that. */
    value = json_strn(json_get(c->msg.params, mirrored), &len);
    if (!value)
        return OK;
    if (!header)
        return err_set(e, ERR_RPC_HEADER_MISMATCH, "Header mismatch: Mcp-Name is missing");
    if (!mcp_header_decode(c->arena, header, &decoded))
        return err_set(e, ERR_RPC_HEADER_MISMATCH, "Header mismatch: Mcp-Name is malformed");
    if (decoded.len == len && !memcmp(decoded.p, value, len))
        return OK;
    return err_set(e, ERR_RPC_HEADER_MISMATCH,
                   "Header mismatch: Mcp-Name says '%s', params.%s says '%s'",
                   text_quotable(c->arena, header), mirrored, text_quotable(c->arena, value));
}

enum rc mcp_headers_check(const struct mcp_call *c, const char *mirrored, struct err *e) {
    enum rc rc;

    if (!mcp_header(c->x->rq, "mcp-method"))
        return err_set(e, ERR_RPC_HEADER_MISMATCH, "Header mismatch: Mcp-Method is missing");
    rc = mcp_headers_check_method(c, e);
    if (rc || !mirrored)
        return rc;
    return check_name(c, mirrored, e);
}
