/* Private part of compile.h: the keywords, and what they may hold. Each parse_… reads one kind of
 * value, and refuses what the meta-schema of the dialect refuses. */

#include "jsonschema/check.h"
#include "jsonschema/compile.h"
#include "jsonschema/pattern.h"

static enum rc must_be(struct compile *c, const struct keyword *k, const char *what) {
    return keyword_fail(c, k, "must be %s", what);
}

/* The keywords of the same schema that k depends on; they stand before it in keyword_kinds. */
static void find_adjacent(struct keyword *k) {
    static const char *const names[][3] = {
        {"additionalProperties", "properties", "patternProperties"},
        {"items", "prefixItems", ""},
        {"additionalItems", "items", ""},
        {"contains", "minContains", "maxContains"},
        {"if", "then", "else"},
    };
    const struct node *n = k->owner;

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        for (size_t j = 0; j < n->count && !strcmp(names[i][0], k->kind->name); j++)
            for (size_t a = 0; a < 2; a++)
                if (!strcmp(n->keywords[j].kind->name, names[i][1 + a]))
                    k->adjacent[a] = &n->keywords[j];
}

/* Where a schema of the keyword is: the keyword's own value, or its member or item. */
static struct node location_in(const struct keyword *k, const char *member, size_t index) {
    return (struct node){
        .parent = k->owner, .keyword = k->kind->name, .member = member, .index = index};
}

/* Any value of the types that the table names. */
static enum rc parse_value(struct compile *c, struct keyword *k) {
    char names[TYPE_NAMES_MAX];

    name_types(k->kind->value, names);
    return k->kind->value & value_type(k->value) ? OK : must_be(c, k, names);
}

static enum rc parse_node(struct compile *c, struct keyword *k) {
    find_adjacent(k);
    return compile_node(c, k->value, location_in(k, NULL, NO_INDEX), &k->node);
}

static enum rc parse_nodes(struct compile *c, struct keyword *k) {
    size_t n = json_len(k->value);
    enum rc rc = OK;

    if (!n)
        return must_be(c, k, "an array of at least one schema");
    k->nodes = arena_alloc(c->keep, n * sizeof(struct node *));
    for (; !rc && k->count < n; k->count++)
        rc = compile_node(c, json_at(k->value, k->count), location_in(k, NULL, k->count),
                          &k->nodes[k->count]);
    return rc;
}

static bool are_unique_strings(const struct json *v) {
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

int named_node_compare(const void *a, const void *b) {
    return strcmp(((const struct named_node *)a)->name, ((const struct named_node *)b)->name);
}

/* Schemas by name; in dependentRequired, and beside schemas in dependencies (draft-07 §6.5.7), the
 * names that each name needs. */
static enum rc parse_members(struct compile *c, struct keyword *k) {
    bool names_only = !strcmp(k->kind->name, "dependentRequired");
    bool names = names_only || !strcmp(k->kind->name, "dependencies");
    const char *what = names_only ? "an object of arrays of different strings"
                       : names    ? "an object of schemas and arrays of different strings"
                                  : "an object of schemas";
    enum rc rc = OK;

    if (!json_is_object(k->value))
        return must_be(c, k, what);
    k->members = arena_alloc(c->keep, json_size(k->value) * sizeof *k->members);
    for (struct json_member m = json_first(k->value); !rc && m.key; json_next(&m)) {
        struct named_node *member = &k->members[k->count++];

        *member = (struct named_node){.name = m.key}; /* the document is kept */
        if (!names_only && !(names && json_is_array(m.value)))
            rc = compile_node(c, m.value, location_in(k, m.key, NO_INDEX), &member->node);
        else if (are_unique_strings(m.value))
            member->required = m.value;
        else
            rc = must_be(c, k, what);
    }
    qsort(k->members, k->count, sizeof *k->members, named_node_compare);
    return rc;
}

static enum rc compile_pattern(struct compile *c, struct keyword *k, const char *text, size_t len,
                               struct pattern **out) {
    const char *why = NULL, *pcre;
    size_t pcre_len;

    if (len > SCHEMA_PATTERN_MAX)
        return keyword_fail(c, k, "has a pattern longer than %d bytes", SCHEMA_PATTERN_MAX);
    if (c->pattern_count++ >= SCHEMA_PATTERNS_MAX)
        return keyword_fail(c, k, "is after %d patterns, which is the limit", SCHEMA_PATTERNS_MAX);
    pcre = regex_translate(c->tmp, text, len, &pcre_len, &why);
    *out = pcre ? pattern_compile(c->keep, pcre, pcre_len, &why) : NULL;
    if (*out)
        return OK;
    return keyword_fail(c, k, "\"%.60s\" is not a usable pattern: %s", text, why);
}

static enum rc parse_patterns(struct compile *c, struct keyword *k) {
    enum rc rc = OK;

    if (parse_members(c, k))
        return c->e->code;
    k->patterns = arena_alloc(c->keep, k->count * sizeof(struct pattern *));
    for (size_t i = 0; !rc && i < k->count; i++)
        rc = compile_pattern(c, k, k->members[i].name, strlen(k->members[i].name), &k->patterns[i]);
    return rc;
}

static enum rc parse_pattern(struct compile *c, struct keyword *k) {
    size_t len;
    const char *text = json_strn(k->value, &len);

    if (!text)
        return must_be(c, k, "a string");
    k->patterns = arena_alloc(c->keep, sizeof(struct pattern *));
    return compile_pattern(c, k, text, len, k->patterns);
}

static unsigned type_from_name(const char *name) {
    for (unsigned i = 0; name && type_names[i]; i++) {
        const char *space = strchr(type_names[i], ' ');

        if (!strcmp(name, space ? space + 1 : type_names[i]))
            return 1U << i;
    }
    return 0;
}

static enum rc parse_types(struct compile *c, struct keyword *k) {
    static const char what[] = "a type or an array of different types: null, boolean, object, "
                               "array, number, string, integer";

    k->types = type_from_name(json_str(k->value));
    if (json_is_array(k->value) && !json_len(k->value))
        return must_be(c, k, what);
    for (size_t i = 0; i < json_len(k->value); i++) {
        unsigned type = type_from_name(json_str(json_at(k->value, i)));

        if (!type || k->types & type)
            return must_be(c, k, what);
        k->types |= type;
    }
    return k->types ? OK : must_be(c, k, what);
}

enum { ANY_NUMBER, ABOVE_0, COUNT };

static enum rc parse_number(struct compile *c, struct keyword *k) {
    static const char *const what[] = {"a number", "a number above 0", "an integer of 0 or more"};
    const struct json_number *n = &k->number;

    if (!json_number(k->value, &k->number) || (k->kind->value == ABOVE_0 && !(n->d > 0)) ||
        (k->kind->value == COUNT && (!n->is_integer || n->d < 0)))
        return must_be(c, k, what[k->kind->value]);
    return OK;
}

static enum rc parse_strings(struct compile *c, struct keyword *k) {
    return are_unique_strings(k->value) ? OK : must_be(c, k, "an array of different strings");
}

/* $ref and $dynamicRef: resolved when all names are known. */
static enum rc parse_ref(struct compile *c, struct keyword *k) {
    struct pending_ref *ref;

    if (!json_str(k->value))
        return must_be(c, k, "a URI reference");
    ref = arena_alloc(c->tmp, sizeof *ref);
    *ref = (struct pending_ref){c->refs, k, c->resource};
    c->refs = ref;
    return OK;
}

/* In draft-07 an array is what prefixItems is later. */
static enum rc parse_items(struct compile *c, struct keyword *k) {
    if (json_is_array(k->value) && c->dialect == DRAFT_7)
        return json_len(k->value) ? parse_nodes(c, k) : OK;
    if (json_is_array(k->value))
        return must_be(c, k, "a schema; an array of schemas goes into prefixItems");
    return parse_node(c, k);
}

/* additionalItems applies only beside an items that is an array (draft-07 §6.4.2). */
static enum rc parse_additional_items(struct compile *c, struct keyword *k) {
    enum rc rc = parse_node(c, k);

    if (!k->adjacent[0] || !json_is_array(k->adjacent[0]->value))
        k->node = NULL;
    return rc;
}

static enum rc parse_unevaluated(struct compile *c, struct keyword *k) {
    k->owner->unevaluated |= k->kind->types;
    return parse_node(c, k);
}

/* The keywords of both dialects, in the order of evaluation: what says the most about a wrong value
 * comes first, unevaluated… last, since they ask what the others have seen. */
const struct keyword_kind keyword_kinds[] = {
    /* Core (§8). $schema, $id, $anchor and $dynamicAnchor: resource.c. */
    {"$schema", EVERY_DRAFT, 0, parse_dialect, NULL, 0},
    {"$vocabulary", DRAFT_2020_12, 0, parse_value, NULL, TYPE_OBJECT},
    {"$comment", EVERY_DRAFT, 0, parse_value, NULL, TYPE_STRING},
    {"$defs", DRAFT_2020_12, 0, parse_members, NULL, 0},
    {"definitions", EVERY_DRAFT, 0, parse_members, NULL, 0},
    {"$ref", EVERY_DRAFT, TYPE_ANY, parse_ref, check_ref, 0},
    {"$dynamicRef", DRAFT_2020_12, TYPE_ANY, parse_ref, check_ref, 0},
    /* Validation §6. */
    {"type", EVERY_DRAFT, TYPE_ANY, parse_types, check_type, 0},
    {"const", EVERY_DRAFT, TYPE_ANY, parse_value, check_const, TYPE_ANY},
    {"enum", EVERY_DRAFT, TYPE_ANY, parse_value, check_enum, TYPE_ARRAY},
    {"multipleOf", EVERY_DRAFT, TYPE_NUMBER, parse_number, check_multiple_of, ABOVE_0},
    {"maximum", EVERY_DRAFT, TYPE_NUMBER, parse_number, check_bound, ANY_NUMBER},
    {"exclusiveMaximum", EVERY_DRAFT, TYPE_NUMBER, parse_number, check_bound, ANY_NUMBER},
    {"minimum", EVERY_DRAFT, TYPE_NUMBER, parse_number, check_bound, ANY_NUMBER},
    {"exclusiveMinimum", EVERY_DRAFT, TYPE_NUMBER, parse_number, check_bound, ANY_NUMBER},
    {"maxLength", EVERY_DRAFT, TYPE_STRING, parse_number, check_limit, COUNT},
    {"minLength", EVERY_DRAFT, TYPE_STRING, parse_number, check_limit, COUNT},
    {"pattern", EVERY_DRAFT, TYPE_STRING, parse_pattern, check_pattern, 0},
    {"maxItems", EVERY_DRAFT, TYPE_ARRAY, parse_number, check_limit, COUNT},
    {"minItems", EVERY_DRAFT, TYPE_ARRAY, parse_number, check_limit, COUNT},
    {"maxProperties", EVERY_DRAFT, TYPE_OBJECT, parse_number, check_limit, COUNT},
    {"minProperties", EVERY_DRAFT, TYPE_OBJECT, parse_number, check_limit, COUNT},
    {"required", EVERY_DRAFT, TYPE_OBJECT, parse_strings, check_required, 0},
    {"dependentRequired", DRAFT_2020_12, TYPE_OBJECT, parse_members, check_dependencies, 0},
    /* Applicators (§10), of members and items first: they find the innermost location. */
    {"properties", EVERY_DRAFT, TYPE_OBJECT, parse_members, check_properties, 0},
    {"patternProperties", EVERY_DRAFT, TYPE_OBJECT, parse_patterns, check_pattern_properties, 0},
    {"additionalProperties", EVERY_DRAFT, TYPE_OBJECT, parse_node, check_properties, 0},
    {"propertyNames", EVERY_DRAFT, TYPE_OBJECT, parse_node, check_property_names, 0},
    {"prefixItems", DRAFT_2020_12, TYPE_ARRAY, parse_nodes, check_prefix_items, 0},
    {"items", EVERY_DRAFT, TYPE_ARRAY, parse_items, check_items, 0},
    {"additionalItems", DRAFT_7, TYPE_ARRAY, parse_additional_items, check_items, 0},
    {"uniqueItems", EVERY_DRAFT, TYPE_ARRAY, parse_value, check_unique_items, TYPE_BOOLEAN},
    {"minContains", DRAFT_2020_12, 0, parse_number, NULL, COUNT},
    {"maxContains", DRAFT_2020_12, 0, parse_number, NULL, COUNT},
    {"contains", EVERY_DRAFT, TYPE_ARRAY, parse_node, check_contains, 0},
    {"allOf", EVERY_DRAFT, TYPE_ANY, parse_nodes, check_all_of, 0},
    {"anyOf", EVERY_DRAFT, TYPE_ANY, parse_nodes, check_alternatives, 0},
    {"oneOf", EVERY_DRAFT, TYPE_ANY, parse_nodes, check_alternatives, 0},
    {"not", EVERY_DRAFT, TYPE_ANY, parse_node, check_not, 0},
    {"then", EVERY_DRAFT, 0, parse_node, NULL, 0},
    {"else", EVERY_DRAFT, 0, parse_node, NULL, 0},
    {"if", EVERY_DRAFT, TYPE_ANY, parse_node, check_if, 0},
    {"dependentSchemas", DRAFT_2020_12, TYPE_OBJECT, parse_members, check_dependencies, 0},
    /* Of draft-07; later drafts keep it for old documents, as Ajv does. */
    {"dependencies", EVERY_DRAFT, TYPE_OBJECT, parse_members, check_dependencies, 0},
    {"unevaluatedProperties", DRAFT_2020_12, TYPE_OBJECT, parse_unevaluated, check_properties, 0},
    {"unevaluatedItems", DRAFT_2020_12, TYPE_ARRAY, parse_unevaluated, check_items, 0},
    /* Annotations (Validation §7 to §9). */
    {"format", EVERY_DRAFT, 0, parse_value, NULL, TYPE_STRING},
    {"contentEncoding", EVERY_DRAFT, 0, parse_value, NULL, TYPE_STRING},
    {"contentMediaType", EVERY_DRAFT, 0, parse_value, NULL, TYPE_STRING},
    {"contentSchema", DRAFT_2020_12, 0, parse_node, NULL, 0},
    {"title", EVERY_DRAFT, 0, parse_value, NULL, TYPE_STRING},
    {"description", EVERY_DRAFT, 0, parse_value, NULL, TYPE_STRING},
    {"deprecated", DRAFT_2020_12, 0, parse_value, NULL, TYPE_BOOLEAN},
    {"readOnly", EVERY_DRAFT, 0, parse_value, NULL, TYPE_BOOLEAN},
    {"writeOnly", EVERY_DRAFT, 0, parse_value, NULL, TYPE_BOOLEAN},
    {"examples", EVERY_DRAFT, 0, parse_value, NULL, TYPE_ARRAY},
    {NULL, 0, 0, NULL, NULL, 0},
};
