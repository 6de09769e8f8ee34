#include "jsonschema/compile.h"

#include <stdarg.h>

#include "jsonschema/check.h"

#define COMPILE_BYTES_MAX ((size_t)64 << 20) /* for what is needed meanwhile */

enum rc compile_fail(struct compile *c, const struct node *where, const char *keyword,
                     const char *fmt, ...) {
    char location[SCHEMA_TEXT_MAX], reason[SCHEMA_TEXT_MAX];
    va_list ap;

    keyword_location(where, keyword, location);
    if (strlen(location) > SCHEMA_TEXT_MAX / 2)
        location[SCHEMA_TEXT_MAX / 2] = 0;
    va_start(ap, fmt);
    (void)vsnprintf(reason, sizeof reason, fmt, ap);
    va_end(ap);
    (void)err_set(c->e, ERR_INVALID_REQUEST, "%s: %s", location, reason);
    for (char *p = c->e->text; *p; p++)
        if (*p < ' ' || *p > '~') /* names of the document, in a text that is ASCII */
            *p = '?';
    return ERR_INVALID_REQUEST;
}

struct node *compile_find(const struct compile *c, const struct json *v) {
    for (size_t i = 0; i < c->node_count; i++)
        if (c->nodes[i]->value == v)
            return c->nodes[i];
    return NULL;
}

static enum rc read_keywords(struct compile *c, struct node *n, const struct json *v) {
    /* Draft-07 §8.3: beside $ref all other keywords are ignored. */
    bool only_ref = c->dialect == DRAFT_7 && json_has(v, "$ref");
    enum rc rc = OK;
    size_t count = 0;

    for (const struct keyword_kind *kind = keyword_kinds; kind->name; kind++)
        count += json_has(v, kind->name);
    n->keywords = arena_alloc(c->keep, count * sizeof *n->keywords);
    for (const struct keyword_kind *kind = keyword_kinds; !rc && kind->name; kind++) {
        struct keyword *k = &n->keywords[n->count];

        if (!(kind->dialects & c->dialect) || !json_has(v, kind->name) ||
            (only_ref && strcmp(kind->name, "$ref") != 0))
            continue;
        *k = (struct keyword){.kind = kind, .owner = n, .value = json_get(v, kind->name)};
        rc = kind->parse(c, k);
        n->count++;
    }
    return rc;
}

/* May v be one more schema? */
static enum rc check_schema(struct compile *c, const struct json *v, const struct node *where) {
    if (!json_is_object(v) && !json_is_bool(v))
        return compile_fail(c, where, NULL, "must be a schema, which is an object or a boolean");
    if (c->node_count >= SCHEMA_SUBSCHEMAS_MAX)
        return compile_fail(c, where, NULL, "has more than %d schemas before it",
                            SCHEMA_SUBSCHEMAS_MAX);
    if (c->depth >= SCHEMA_DEPTH_MAX)
        return compile_fail(c, where, NULL, "is nested deeper than %d schemas", SCHEMA_DEPTH_MAX);
    return OK;
}

enum rc compile_node(struct compile *c, const struct json *v, struct node where,
                     struct node **out) {
    struct resource *outer = c->resource;
    struct node *n = v ? compile_find(c, v) : NULL;
    enum rc rc;

    *out = n;
    if (n)
        return OK;
    if (check_schema(c, v, &where))
        return c->e->code;
    where.resource = outer;
    where.value = v;
    where.is_false = json_is_bool(v) && !json_is_true(v);
    *out = n = arena_alloc(c->keep, sizeof *n);
    *n = where;
    c->nodes[c->node_count++] = n;
    if (json_is_bool(v) && outer)
        return OK;
    c->depth++;
    rc = resource_enter(c, n, v);
    if (!rc && !json_is_bool(v))
        rc = read_keywords(c, n, v);
    c->depth--;
    c->resource = outer;
    return rc;
}

/* MCP, "Schema Dialect": 2020-12 unless the document says otherwise. */
static enum dialect dialect_of(const char *uri) {
    static const struct {
        const char *uri;
        enum dialect dialect;
    } known[] = {{"://json-schema.org/draft/2020-12/schema", DRAFT_2020_12},
                 {"://json-schema.org/draft-07/schema", DRAFT_7}};
    const char *rest = uri + (!strncmp(uri, "https", 5) ? 5 : !strncmp(uri, "http", 4) ? 4 : 0);

    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        size_t len = strlen(known[i].uri);

        if (!strncmp(rest, known[i].uri, len) && (!rest[len] || !strcmp(rest + len, "#")))
            return known[i].dialect;
    }
    return 0;
}

static enum rc read_dialect(struct compile *c, const struct json *document) {
    const char *uri = json_get_str(document, "$schema");

    c->dialect = DRAFT_2020_12;
    if (!json_has(document, "$schema"))
        return OK;
    if (!uri)
        return compile_fail(c, NULL, "$schema", "must be a string");
    c->dialect = dialect_of(uri);
    if (!c->dialect)
        return compile_fail(c, NULL, "$schema",
                            "the dialect \"%.80s\" is not supported; 2020-12 and draft-07 are",
                            uri);
    return OK;
}

enum rc parse_dialect(struct compile *c, struct keyword *k) {
    const char *uri = json_str(k->value);

    if (uri && dialect_of(uri) == c->dialect)
        return OK;
    return compile_fail(c, k->owner, k->kind->name, "must be the dialect of the whole document");
}

enum rc schema_compile(struct arena *keep, const struct json *document, struct schema **out,
                       struct err *e) {
    struct compile c = {.keep = keep, .e = e};
    struct node where = {.index = NO_INDEX};
    enum rc rc;

    *out = NULL;
    c.tmp = arena_new(COMPILE_BYTES_MAX);
    c.nodes = arena_alloc(c.tmp, SCHEMA_SUBSCHEMAS_MAX * sizeof(struct node *));
    c.schema = arena_alloc(keep, sizeof *c.schema);
    document = json_clone(keep, document);
    rc = read_dialect(&c, document);
    if (!rc)
        rc = compile_node(&c, document, where, &c.schema->root);
    if (!rc)
        rc = resource_resolve_all(&c);
    arena_free(c.tmp);
    if (!rc)
        *out = c.schema;
    return rc;
}
