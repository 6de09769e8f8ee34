#include "exec/param_headers_check.h"

#include <ctype.h>

#include "base/base.h"
#include "mcp/call.h"
#include "mcp/headers.h"

#define SAFE_INTEGER_MAX 9007199254740991 /* 2^53 - 1, "Schema Extension" */

/* A decimal number as clients write integers: 42, -7, and 42.0 too ("Server Validation"). */
static bool is_decimal(const char *s, size_t len) {
    size_t i = len && *s == '-', digits = 0;

    for (; i < len && isdigit((unsigned char)s[i]); i++)
        digits++;
    if (!digits || i == len)
        return digits > 0;
    if (s[i++] != '.' || i == len)
        return false;
    while (i < len && isdigit((unsigned char)s[i]))
        i++;
    return i == len;
}

static bool equals_text(struct text t, const char *s, size_t len) {
    return t.len == len && !memcmp(t.p, s, len);
}

/* Is the header's text the string form of the value ("Value Encoding", type conversion)? */
static bool equals(struct arena *a, const struct param_header *h, struct text header,
                   const struct json *v, bool is_true) {
    size_t len;
    const char *s;
    int64_t n;

    if (json_is_string(v)) {
        s = json_strn(v, &len);
        return equals_text(header, s, len);
    }
    if (json_is_bool(v))
        return is_true ? equals_text(header, "true", 4) : equals_text(header, "false", 5);
    if (h->integer && json_int(v, &n) && is_decimal(header.p, header.len)) {
        if (n > SAFE_INTEGER_MAX || n < -SAFE_INTEGER_MAX)
            return false;
        return strtod(arena_strndup(a, header.p, header.len), NULL) == (double)n;
    }
    s = json_text(a, v, &len);
    return equals_text(header, s, len);
}

static enum rc check_one(const struct mcp_call *c, const struct param_header *h,
                         const struct json *arguments, struct err *e) {
    const struct json *object = arguments, *v;
    const char *last = h->path[h->depth - 1], *value;
    struct text decoded;

    for (size_t i = 0; i + 1 < h->depth; i++)
        object = json_get(object, h->path[i]);
    v = json_get(object, last);
    value = mcp_header(c->x->rq, h->header);
    /* "The server MUST NOT expect the header" for null or an absent argument. Values that are not
     * primitive are left to the schema. But a header without its argument is refused, since proxies
     * may route by it. */
    if (!json_is_string(v) && !json_is_number(v) && !json_is_bool(v))
        return !value ? OK
                      : err_set(e, ERR_RPC_HEADER_MISMATCH,
                                "Header mismatch: the arguments have nothing that %s repeats",
                                h->header);
    if (!value)
        return err_set(e, ERR_RPC_HEADER_MISMATCH, "Header mismatch: %s is missing", h->header);
    if (!mcp_header_decode(c->arena, value, &decoded))
        return err_set(e, ERR_RPC_HEADER_MISMATCH, "Header mismatch: %s is malformed", h->header);
    if (!equals(c->arena, h, decoded, v, json_get_bool(object, last)))
        return err_set(e, ERR_RPC_HEADER_MISMATCH,
                       "Header mismatch: %s is not what the arguments say", h->header);
    return OK;
}

enum rc param_headers_check(const struct mcp_call *c, const struct param_headers *h,
                            const struct json *arguments, struct err *e) {
    enum rc rc = OK;

    for (size_t i = 0; !rc && i < h->count; i++)
        rc = check_one(c, &h->list[i], arguments, e);
    return rc;
}
