/* Private part of compile.h: the keywords, and what they may hold. Each
 * parse_… reads one kind of value, and refuses what the meta-schema of the dialect refuses. */

#include "base/base.h"
#include "jsonschema/check.h"
#include "jsonschema/compile.h"

static enum rc bad(struct compile *c, const struct keyword *k, const char *what) {
    return compile_fail(c, k->owner, k->kind->name, "must be %s", what);
}

/* A keyword of the same schema that stands before this one in the table; NULL if it is not there.
 */
static const struct keyword *adjacent(const struct keyword *k, const char *name) {
    const struct node *n = k->owner;

    for (size_t i = 0; i < n->count; i++)
        if (!strcmp(n->keywords[i].kind->name, name))
            return &n->keywords[i];
    return NULL;
}

/* Where a schema of the keyword is: the keyword's own value, or its member or item. */
static struct node location_in(const struct keyword *k, const char *member, size_t index) {
    return (struct node){
        .parent = k->owner, .keyword = k->kind->name, .member = member, .index = index};
}

/* The next member of the keyword, which is a schema. */
static enum rc add_member(struct compile *c, struct keyword *k, const struct json_member *m) {
    struct named_node *member = &k->members[k->count++];

    member->name = m->key; /* the document is kept */
    return compile_node(c, m->value, location_in(k, m->key, NO_INDEX), &member->node);
}

static enum rc parse_nothing(struct compile *c, struct keyword *k) {
    (void)c;
    (void)k;
    return OK;
}

static enum rc parse_string(struct compile *c, struct keyword *k) {
    return json_is_string(k->value) ? OK : bad(c, k, "a string");
}

static enum rc parse_boolean(struct compile *c, struct keyword *k) {
    return json_is_bool(k->value) ? OK : bad(c, k, "a boolean");
}

static enum rc parse_array(struct compile *c, struct keyword *k) {
    return json_is_array(k->value) ? OK : bad(c, k, "an array");
}

static enum rc parse_object(struct compile *c, struct keyword *k) {
    return json_is_object(k->value) ? OK : bad(c, k, "an object");
}

static enum rc parse_node(struct compile *c, struct keyword *k) {
    return compile_node(c, k->value, location_in(k, NULL, NO_INDEX), &k->node);
}

static enum rc parse_nodes(struct compile *c, struct keyword *k) {
    size_t n = json_len(k->value);
    enum rc rc = OK;

    if (!n)
        return bad(c, k, "an array of at least one schema");
    k->nodes = arena_alloc(c->keep, n * sizeof(struct node *));
    for (; !rc && k->count < n; k->count++)
        rc = compile_node(c, json_at(k->value, k->count), location_in(k, NULL, k->count),
                          &k->nodes[k->count]);
    return rc;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct named_node *)a)->name, ((const struct named_node *)b)->name);
}

static enum rc parse_members(struct compile *c, struct keyword *k) {
    struct json_member m;
    enum rc rc = OK;

    if (!json_is_object(k->value))
        return bad(c, k, "an object of schemas");
    k->members = arena_alloc(c->keep, json_size(k->value) * sizeof *k->members);
    for (bool more = json_first(k->value, &m); !rc && more; more = json_next(&m))
        rc = add_member(c, k, &m);
    qsort(k->members, k->count, sizeof *k->members, by_name);
    return rc;
}

static enum rc parse_patterns(struct compile *c, struct keyword *k) {
    enum rc rc = parse_members(c, k);

    if (rc)
        return rc;
    k->patterns = arena_alloc(c->keep, k->count * sizeof(struct pattern *));
    for (size_t i = 0; !rc && i < k->count; i++)
        rc = compile_pattern(c, k, k->members[i].name, strlen(k->members[i].name), &k->patterns[i]);
    return rc;
}

static enum rc parse_pattern(struct compile *c, struct keyword *k) {
    size_t len;
    const char *text = json_strn(k->value, &len);

    if (!text)
        return bad(c, k, "a string");
    k->patterns = arena_alloc(c->keep, sizeof(struct pattern *));
    return compile_pattern(c, k, text, len, k->patterns);
}

static unsigned type_named(const char *name) {
    static const char *const names[] = {"null",   "boolean", "object", "array",
                                        "number", "string",  "integer"}; /* as enum type_bit */

    for (unsigned i = 0; name && i < sizeof names / sizeof *names; i++)
        if (!strcmp(name, names[i]))
            return 1U << i;
    return 0;
}

static enum rc parse_types(struct compile *c, struct keyword *k) {
    static const char what[] = "a type or an array of different types: null, boolean, object, "
                               "array, number, string, integer";

    k->types = type_named(json_str(k->value));
    if (json_is_array(k->value) && !json_len(k->value))
        return bad(c, k, what);
    for (size_t i = 0; i < json_len(k->value); i++) {
        unsigned type = type_named(json_str(json_at(k->value, i)));

        if (!type || k->types & type)
            return bad(c, k, what);
        k->types |= type;
    }
    return k->types ? OK : bad(c, k, what);
}

static enum rc parse_number(struct compile *c, struct keyword *k) {
    return json_number(k->value, &k->number) ? OK : bad(c, k, "a number");
}

static enum rc parse_divisor(struct compile *c, struct keyword *k) {
    return json_number(k->value, &k->number) && k->number.d > 0 ? OK
                                                                : bad(c, k, "a number above 0");
}

static enum rc parse_limit(struct compile *c, struct keyword *k) {
    if (!json_number(k->value, &k->number) || !k->number.is_integer || k->number.d < 0)
        return bad(c, k, "an integer of 0 or more");
    k->limit = k->number.magnitude;
    return OK;
}

static bool are_different_strings(const struct json *v) {
    for (size_t i = 0; i < json_len(v); i++) {
        size_t len, other_len;
        const char *s = json_strn(json_at(v, i), &len), *other;

        if (!s)
            return false;
        for (size_t j = 0; j < i; j++) {
            other = json_strn(json_at(v, j), &other_len);
            if (len == other_len && !memcmp(s, other, len))
                return false;
        }
    }
    return json_is_array(v);
}

static enum rc parse_strings(struct compile *c, struct keyword *k) {
    return are_different_strings(k->value) ? OK : bad(c, k, "an array of different strings");
}

static enum rc parse_string_lists(struct compile *c, struct keyword *k) {
    struct json_member m;

    if (!json_is_object(k->value))
        return bad(c, k, "an object of arrays of strings");
    k->lists = arena_alloc(c->keep, json_size(k->value) * sizeof *k->lists);
    for (bool more = json_first(k->value, &m); more; more = json_next(&m)) {
        if (!are_different_strings(m.value))
            return bad(c, k, "an object of arrays of different strings");
        k->lists[k->list_count++] = (struct named_strings){m.key, m.value};
    }
    return OK;
}

/* Draft-07 §6.5.7: of each name, a schema or the names that it needs adjacent it. */
static enum rc parse_dependencies(struct compile *c, struct keyword *k) {
    struct json_member m;
    enum rc rc = OK;

    if (!json_is_object(k->value))
        return bad(c, k, "an object");
    k->lists = arena_alloc(c->keep, json_size(k->value) * sizeof *k->lists);
    k->members = arena_alloc(c->keep, json_size(k->value) * sizeof *k->members);
    for (bool more = json_first(k->value, &m); !rc && more; more = json_next(&m)) {
        if (!json_is_array(m.value)) {
            rc = add_member(c, k, &m);
        } else if (are_different_strings(m.value)) {
            k->lists[k->list_count++] = (struct named_strings){m.key, m.value};
        } else {
            rc = bad(c, k, "an object of schemas and arrays of different strings");
        }
    }
    qsort(k->members, k->count, sizeof *k->members, by_name);
    return rc;
}

/* $ref and $dynamicRef: resolved when all names are known. */
static enum rc parse_ref(struct compile *c, struct keyword *k) {
    struct pending_ref *ref;

    if (!json_str(k->value))
        return bad(c, k, "a URI reference");
    ref = arena_alloc(c->tmp, sizeof *ref);
    *ref = (struct pending_ref){c->refs, k, c->resource};
    c->refs = ref;
    return OK;
}

static enum rc parse_additional(struct compile *c, struct keyword *k) {
    k->adjacent[0] = adjacent(k, "properties");
    k->adjacent[1] = adjacent(k, "patternProperties");
    return parse_node(c, k);
}

/* In draft-07 an array is what prefixItems is later. */
static enum rc parse_items(struct compile *c, struct keyword *k) {
    if (json_is_array(k->value) && c->dialect == DRAFT_7)
        return json_len(k->value) ? parse_nodes(c, k) : OK;
    if (json_is_array(k->value))
        return bad(c, k, "a schema; an array of schemas goes into prefixItems");
    k->adjacent[0] = adjacent(k, "prefixItems");
    return parse_node(c, k);
}

/* additionalItems means something only adjacent an items that is an array (draft-07 §6.4.2). */
static enum rc parse_rest(struct compile *c, struct keyword *k) {
    const struct keyword *items = adjacent(k, "items");
    enum rc rc = parse_node(c, k);

    if (!items || !json_is_array(items->value))
        k->node = NULL;
    k->adjacent[0] = items;
    return rc;
}

static enum rc parse_contains(struct compile *c, struct keyword *k) {
    k->adjacent[0] = adjacent(k, "minContains");
    k->adjacent[1] = adjacent(k, "maxContains");
    return parse_node(c, k);
}

static enum rc parse_if(struct compile *c, struct keyword *k) {
    k->adjacent[0] = adjacent(k, "then");
    k->adjacent[1] = adjacent(k, "else");
    return parse_node(c, k);
}

static enum rc parse_unevaluated(struct compile *c, struct keyword *k) {
    k->owner->unevaluated |= k->kind->types;
    return parse_node(c, k);
}

/* The keywords of both dialects, in the order in which a value meets them: what says the most about
 * a wrong value comes first, unevaluated… last, since they ask what the others have seen. */
const struct keyword_kind keyword_kinds[] = {
    /* Core (§8). $schema, $id, $anchor and $dynamicAnchor: resource.c. */
    {"$schema", EVERY_DRAFT, 0, parse_dialect, NULL},
    {"$vocabulary", DRAFT_2020_12, 0, parse_object, NULL},
    {"$comment", EVERY_DRAFT, 0, parse_string, NULL},
    {"$defs", DRAFT_2020_12, 0, parse_members, NULL},
    {"definitions", EVERY_DRAFT, 0, parse_members, NULL},
    {"$ref", EVERY_DRAFT, TYPE_ANY, parse_ref, check_ref},
    {"$dynamicRef", DRAFT_2020_12, TYPE_ANY, parse_ref, check_dynamic_ref},
    /* Validation §6. */
    {"type", EVERY_DRAFT, TYPE_ANY, parse_types, check_type},
    {"const", EVERY_DRAFT, TYPE_ANY, parse_nothing, check_const},
    {"enum", EVERY_DRAFT, TYPE_ANY, parse_array, check_enum},
    {"multipleOf", EVERY_DRAFT, TYPE_NUMBER, parse_divisor, check_multiple_of},
    {"maximum", EVERY_DRAFT, TYPE_NUMBER, parse_number, check_bound},
    {"exclusiveMaximum", EVERY_DRAFT, TYPE_NUMBER, parse_number, check_bound},
    {"minimum", EVERY_DRAFT, TYPE_NUMBER, parse_number, check_bound},
    {"exclusiveMinimum", EVERY_DRAFT, TYPE_NUMBER, parse_number, check_bound},
    {"maxLength", EVERY_DRAFT, TYPE_STRING, parse_limit, check_limit},
    {"minLength", EVERY_DRAFT, TYPE_STRING, parse_limit, check_limit},
    {"pattern", EVERY_DRAFT, TYPE_STRING, parse_pattern, check_pattern},
    {"maxItems", EVERY_DRAFT, TYPE_ARRAY, parse_limit, check_limit},
    {"minItems", EVERY_DRAFT, TYPE_ARRAY, parse_limit, check_limit},
    {"maxProperties", EVERY_DRAFT, TYPE_OBJECT, parse_limit, check_limit},
    {"minProperties", EVERY_DRAFT, TYPE_OBJECT, parse_limit, check_limit},
    {"required", EVERY_DRAFT, TYPE_OBJECT, parse_strings, check_required},
    {"dependentRequired", DRAFT_2020_12, TYPE_OBJECT, parse_string_lists, check_dependent_required},
    /* Applicators (§10), of members and items first: they find the innermost location. */
    {"properties", EVERY_DRAFT, TYPE_OBJECT, parse_members, check_properties},
    {"patternProperties", EVERY_DRAFT, TYPE_OBJECT, parse_patterns, check_pattern_properties},
    {"additionalProperties", EVERY_DRAFT, TYPE_OBJECT, parse_additional,
     check_additional_properties},
    {"propertyNames", EVERY_DRAFT, TYPE_OBJECT, parse_node, check_property_names},
    {"prefixItems", DRAFT_2020_12, TYPE_ARRAY, parse_nodes, check_prefix_items},
    {"items", EVERY_DRAFT, TYPE_ARRAY, parse_items, check_items},
    {"additionalItems", DRAFT_7, TYPE_ARRAY, parse_rest, check_items},
    {"uniqueItems", EVERY_DRAFT, TYPE_ARRAY, parse_boolean, check_unique_items},
    {"minContains", DRAFT_2020_12, 0, parse_limit, NULL},
    {"maxContains", DRAFT_2020_12, 0, parse_limit, NULL},
    {"contains", EVERY_DRAFT, TYPE_ARRAY, parse_contains, check_contains},
    {"allOf", EVERY_DRAFT, TYPE_ANY, parse_nodes, check_all_of},
    {"anyOf", EVERY_DRAFT, TYPE_ANY, parse_nodes, check_any_of},
    {"oneOf", EVERY_DRAFT, TYPE_ANY, parse_nodes, check_one_of},
    {"not", EVERY_DRAFT, TYPE_ANY, parse_node, check_not},
    {"then", EVERY_DRAFT, 0, parse_node, NULL},
    {"else", EVERY_DRAFT, 0, parse_node, NULL},
    {"if", EVERY_DRAFT, TYPE_ANY, parse_if, check_if},
    {"dependentSchemas", DRAFT_2020_12, TYPE_OBJECT, parse_members, check_dependent_schemas},
    /* Of draft-07; later drafts keep it for old documents, as Ajv does. */
    {"dependencies", EVERY_DRAFT, TYPE_OBJECT, parse_dependencies, check_dependencies},
    {"unevaluatedProperties", DRAFT_2020_12, TYPE_OBJECT, parse_unevaluated,
     check_unevaluated_properties},
    {"unevaluatedItems", DRAFT_2020_12, TYPE_ARRAY, parse_unevaluated, check_unevaluated_items},
    /* Annotations (Validation §7 to §9). */
    {"format", EVERY_DRAFT, 0, parse_string, NULL},
    {"contentEncoding", EVERY_DRAFT, 0, parse_string, NULL},
    {"contentMediaType", EVERY_DRAFT, 0, parse_string, NULL},
    {"contentSchema", DRAFT_2020_12, 0, parse_node, NULL},
    {"title", EVERY_DRAFT, 0, parse_string, NULL},
    {"description", EVERY_DRAFT, 0, parse_string, NULL},
    {"deprecated", DRAFT_2020_12, 0, parse_boolean, NULL},
    {"readOnly", EVERY_DRAFT, 0, parse_boolean, NULL},
    {"writeOnly", EVERY_DRAFT, 0, parse_boolean, NULL},
    {"examples", EVERY_DRAFT, 0, parse_array, NULL},
    {NULL, 0, 0, NULL, NULL},
};
