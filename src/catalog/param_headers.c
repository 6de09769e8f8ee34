#include "catalog/param_headers.h"

#include <ctype.h>
#include <string.h>

#define PARAM_HEADERS_MAX 32
#define PREFIX "mcp-param-"

/* State of the walk through the schema. */
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

/* The header's name as a FastCGI parameter has it: all characters but letters and digits become
 * underscores. NULL if the value is not a field name. */
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

/* Annotations are allowed only below `properties`. Values of `const`, `enum`, `default` and
 * `examples` are data, not schemas. */
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
