#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "mcp/headers.h"

#define PARAM_HEADERS_MAX 32
#define PREFIX "mcp-param-"
#define SAFE_INTEGER_MAX 9007199254740991 /* 2^53 - 1, "Schema Extension" */

/* Where the walk through the schema stands. */
struct scan {
    struct arena *arena;
    struct param_headers *out;
    struct err *e;
    const char *path[JSON_DEPTH_MAX];
    size_t depth;
    bool reachable; /* only `properties` so far */
};

static bool scan_schema(struct scan *s, const struct json *schema);

static bool is_token_char(char c) { /* RFC 9110 §5.6.2 */
    return isalnum((unsigned char)c) || (c && strchr("!#$%&'*+-.^_`|~", c));
}

/* The header as a FastCGI parameter can tell it apart: there, all that is no letter or digit
 * becomes an underscore. NULL if the value is not a field name. */
static const char *header_name(struct arena *a, const char *value) {
    size_t len = value ? strlen(value) : 0;
    char *name;

    if (!len)
        return NULL;
    name = arena_alloc(a, sizeof PREFIX + len);
    memcpy(name, PREFIX, sizeof PREFIX - 1);
    for (size_t i = 0; i < len; i++) {
        if (!is_token_char(value[i]))
            return NULL;
        name[sizeof PREFIX - 1 + i] =
            isalnum((unsigned char)value[i]) ? (char)tolower((unsigned char)value[i]) : '-';
    }
    return name;
}

static bool fail(struct scan *s, const char *why) {
    (void)err_set(s->e, ERR_INVALID_REQUEST, "x-mcp-header %s", why);
    return false;
}

/* "Schema Extension": the constraints on an annotation. */
static bool add_annotation(struct scan *s, const struct json *schema) {
    const char *type = json_get_str(schema, "type");
    const char *name = header_name(s->arena, json_get_str(schema, "x-mcp-header"));
    struct param_headers *out = s->out;
    const char **path;

    if (!name)
        return fail(s, "must be a string of characters that a header name may have");
    if (!s->reachable || !s->depth)
        return fail(s, "may only be used on a property that is reached through properties alone");
    if (!type || (strcmp(type, "string") != 0 && strcmp(type, "integer") != 0 &&
                  strcmp(type, "boolean") != 0))
        return fail(s, "may only be used on a string, an integer or a boolean");
    for (size_t i = 0; i < out->count; i++)
        if (!strcmp(out->list[i].header, name))
            return fail(s, "names the same header twice");
    if (out->count == PARAM_HEADERS_MAX)
        return fail(s, "is used too often");
    path = arena_alloc(s->arena, s->depth * sizeof *path);
    for (size_t i = 0; i < s->depth; i++)
        path[i] = arena_strdup(s->arena, s->path[i]);
    out->list[out->count++] = (struct param_header){path, s->depth, name, !strcmp(type, "integer")};
    return true;
}

static bool scan_property(const char *key, struct json *v, void *arg) {
    struct scan *s = arg;
    bool ok;

    s->path[s->depth++] = key;
    ok = scan_schema(s, v);
    s->depth--;
    return ok && !s->e->code;
}

/* Anything but `properties` leads to where annotations are not allowed. Values of `const`, `enum`,
 * `default` and `examples` are data, not schemas. */
static bool scan_keyword(const char *key, struct json *v, void *arg) {
    struct scan *s = arg;
    bool reachable = s->reachable, ok = true;

    if (!strcmp(key, "const") || !strcmp(key, "enum") || !strcmp(key, "default") ||
        !strcmp(key, "examples") || !strcmp(key, "x-mcp-header"))
        return true;
    if (!strcmp(key, "properties")) {
        json_each(v, scan_property, s);
        return !s->e->code;
    }
    s->reachable = false;
    if (json_is_array(v))
        for (size_t i = 0; ok && i < json_len(v); i++)
            ok = scan_schema(s, json_at(v, i));
    else if (!strcmp(key, "patternProperties") || !strcmp(key, "dependentSchemas") ||
             !strcmp(key, "$defs") || !strcmp(key, "definitions"))
        json_each(v, scan_property, s);
    else
        ok = scan_schema(s, v);
    s->reachable = reachable;
    return ok && !s->e->code;
}

static bool scan_schema(struct scan *s, const struct json *schema) {
    if (s->depth == JSON_DEPTH_MAX)
        return fail(s, "is looked for too deep");
    if (json_has(schema, "x-mcp-header") && !add_annotation(s, schema))
        return false;
    json_each(schema, scan_keyword, s);
    return !s->e->code;
}

enum rc param_headers_scan(struct arena *a, const struct json *input_schema,
                           struct param_headers *out, struct err *e) {
    struct scan s = {.arena = a, .out = out, .e = e, .reachable = true};

    e->code = OK;
    out->count = 0;
    out->list = arena_alloc(a, PARAM_HEADERS_MAX * sizeof *out->list);
    return scan_schema(&s, input_schema) ? OK : e->code;
}

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
    /* "The server MUST NOT expect the header" for null or nothing. What is no primitive is the
     * schema's to refuse. But a header that says what the body does not is a lie to whoever routes
     * by it. */
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
