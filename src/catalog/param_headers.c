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
    bool reachable; /* the way here leads through `properties` only */
};

static bool scan_schema(struct scan *s, const struct json *schema);

static bool is_token_char(char c) { /* RFC 9110 §5.6.2 */
    return isalnum((unsigned char)c) || (c && strchr("!#$%&'*+-.^_`|~", c));
}

/* The header's name in lower case. Characters other than letters and digits become "-": in the name
 * of a FastCGI parameter all of them are underscores. NULL if the value is not a field name. */
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

static bool is_one_of(const char *s, const char *const *list) {
    while (s && *list && strcmp(s, *list) != 0)
        list++;
    return s && *list;
}

/* "Schema Extension": the constraints on an annotation. NULL: it meets them. */
static const char *annotation_fault(const struct scan *s, const struct json *schema,
                                    const char *header) {
    static const char *const types[] = {"string", "integer", "boolean", NULL};

    if (!header)
        return "must be a string of characters that a header name may have";
    if (!s->reachable || !s->depth)
        return "may only be used on a property that is reached through properties alone";
    if (!is_one_of(json_get_str(schema, "type"), types))
        return "may only be used on a string, an integer or a boolean";
    for (size_t i = 0; i < s->out->count; i++)
        if (!strcmp(s->out->list[i].header, header))
            return "names the same header twice";
    return s->out->count == PARAM_HEADERS_MAX ? "is used too often" : NULL;
}

static bool add_annotation(struct scan *s, const struct json *schema) {
    const char *header = header_name(s->arena, json_get_str(schema, "x-mcp-header"));
    const char *fault = annotation_fault(s, schema, header);
    const char **path;

    if (fault)
        return fail(s, fault);
    path = arena_alloc(s->arena, s->depth * sizeof *path);
    for (size_t i = 0; i < s->depth; i++)
        path[i] = arena_strdup(s->arena, s->path[i]);
    s->out->list[s->out->count++] = (struct param_header){
        path, s->depth, header, !strcmp(json_get_str(schema, "type"), "integer")};
    return true;
}

static bool scan_properties(struct scan *s, const struct json *properties) {
    struct json_member m;
    bool ok = true;

    for (bool more = json_first(properties, &m); ok && more; more = json_next(&m)) {
        s->path[s->depth++] = m.key;
        ok = scan_schema(s, m.value);
        s->depth--;
    }
    return ok;
}

static const char *const data[] = {"const", "enum", "default", "examples", "x-mcp-header", NULL};
static const char *const maps[] = {"patternProperties", "dependentSchemas", "$defs", "definitions",
                                   NULL}; /* of schemas, by names */

static bool scan_array(struct scan *s, const struct json *array) {
    for (size_t i = 0; i < json_len(array); i++)
        if (!scan_schema(s, json_at(array, i)))
            return false;
    return true;
}

/* Annotations are allowed only below `properties`. */
static bool scan_keyword(struct scan *s, const char *key, const struct json *v) {
    bool reachable = s->reachable, ok = true;

    if (is_one_of(key, data))
        return true;
    s->reachable = reachable && !strcmp(key, "properties");
    if (json_is_array(v))
        ok = scan_array(s, v);
    else if (!strcmp(key, "properties") || is_one_of(key, maps))
        ok = scan_properties(s, v);
    else
        ok = scan_schema(s, v);
    s->reachable = reachable;
    return ok;
}

static bool scan_schema(struct scan *s, const struct json *schema) {
    struct json_member m;
    bool ok = true;

    if (s->depth == JSON_DEPTH_MAX)
        return fail(s, "is looked for too deep");
    if (json_has(schema, "x-mcp-header") && !add_annotation(s, schema))
        return false;
    for (bool more = json_first(schema, &m); ok && more; more = json_next(&m))
        ok = scan_keyword(s, m.key, m.value);
    return ok;
}

enum rc param_headers_scan(struct arena *a, const struct json *input_schema,
                           struct param_headers *out, struct err *e) {
    struct scan s = {.arena = a, .out = out, .e = e, .reachable = true};

    e->code = OK;
    out->count = 0;
    out->list = arena_alloc(a, PARAM_HEADERS_MAX * sizeof *out->list);
    return scan_schema(&s, input_schema) ? OK : e->code;
}
