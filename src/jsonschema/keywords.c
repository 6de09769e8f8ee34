/* What keywords may hold. Each function reads one kind of value, and refuses what the meta-schema
 * of the dialect refuses. */
#include <stdlib.h>
#include <string.h>

#include "jsonschema/node.h"

static enum rc bad(struct compile *c, const struct keyword *k, const char *what) {
    return compile_fail(c, k->owner, k->kind->name, "must be %s", what);
}

/* A keyword of the same schema that stands before this one in the table; NULL if it is not there.
 */
static const struct keyword *beside(const struct keyword *k, const char *name) {
    const struct node *n = k->owner;

    for (size_t i = 0; i < n->count; i++)
        if (!strcmp(n->keywords[i].kind->name, name))
            return &n->keywords[i];
    return NULL;
}

static enum rc make(struct compile *c, struct keyword *k, const struct json *v, const char *member,
                    size_t index, struct node **out) {
    struct node where = {
        .parent = k->owner, .keyword = k->kind->name, .member = member, .index = index};

    return compile_node(c, v, where, out);
}

enum rc hold_nothing(struct compile *c, struct keyword *k) {
    (void)c;
    (void)k;
    return OK;
}

enum rc hold_string(struct compile *c, struct keyword *k) {
    return json_is_string(k->value) ? OK : bad(c, k, "a string");
}

enum rc hold_boolean(struct compile *c, struct keyword *k) {
    return json_is_bool(k->value) ? OK : bad(c, k, "a boolean");
}

enum rc hold_array(struct compile *c, struct keyword *k) {
    return json_is_array(k->value) ? OK : bad(c, k, "an array");
}

enum rc hold_object(struct compile *c, struct keyword *k) {
    return json_is_object(k->value) ? OK : bad(c, k, "an object");
}

enum rc hold_enum(struct compile *c, struct keyword *k) {
    return hold_array(c, k);
}

enum rc hold_node(struct compile *c, struct keyword *k) {
    return make(c, k, k->value, NULL, NO_INDEX, &k->node);
}

enum rc hold_nodes(struct compile *c, struct keyword *k) {
    size_t n = json_len(k->value);
    enum rc rc = OK;

    if (!n)
        return bad(c, k, "an array of at least one schema");
    k->nodes = arena_alloc(c->keep, n * sizeof(struct node *));
    for (; !rc && k->count < n; k->count++)
        rc = make(c, k, json_at(k->value, k->count), NULL, k->count, &k->nodes[k->count]);
    return rc;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct named_node *)a)->name, ((const struct named_node *)b)->name);
}

enum rc hold_members(struct compile *c, struct keyword *k) {
    struct json_member m;
    enum rc rc = OK;

    if (!json_is_object(k->value))
        return bad(c, k, "an object of schemas");
    k->members = arena_alloc(c->keep, json_size(k->value) * sizeof *k->members);
    for (bool more = json_first(k->value, &m); !rc && more; more = json_next(&m)) {
        k->members[k->count].name = m.key; /* the document is kept */
        rc = make(c, k, m.value, m.key, NO_INDEX, &k->members[k->count].node);
        k->count++;
    }
    qsort(k->members, k->count, sizeof *k->members, by_name);
    return rc;
}

enum rc hold_patterns(struct compile *c, struct keyword *k) {
    enum rc rc = hold_members(c, k);

    if (rc)
        return rc;
    k->patterns = arena_alloc(c->keep, k->count * sizeof(struct pattern *));
    for (size_t i = 0; !rc && i < k->count; i++)
        rc = compile_pattern(c, k, k->members[i].name, strlen(k->members[i].name), &k->patterns[i]);
    return rc;
}

enum rc hold_pattern(struct compile *c, struct keyword *k) {
    size_t len;
    const char *text = json_strn(k->value, &len);

    if (!text)
        return bad(c, k, "a string");
    k->patterns = arena_alloc(c->keep, sizeof(struct pattern *));
    return compile_pattern(c, k, text, len, k->patterns);
}

static unsigned type_named(const char *name) {
    static const struct {
        const char *name;
        unsigned type;
    } types[] = {{"null", TYPE_NULL},      {"boolean", TYPE_BOOLEAN}, {"object", TYPE_OBJECT},
                 {"array", TYPE_ARRAY},    {"number", TYPE_NUMBER},   {"string", TYPE_STRING},
                 {"integer", TYPE_INTEGER}};

    for (size_t i = 0; name && i < sizeof types / sizeof *types; i++)
        if (!strcmp(name, types[i].name))
            return types[i].type;
    return 0;
}

enum rc hold_types(struct compile *c, struct keyword *k) {
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

enum rc hold_number(struct compile *c, struct keyword *k) {
    return json_number(k->value, &k->number) ? OK : bad(c, k, "a number");
}

enum rc hold_divisor(struct compile *c, struct keyword *k) {
    return json_number(k->value, &k->number) && k->number.d > 0 ? OK
                                                                : bad(c, k, "a number above 0");
}

enum rc hold_limit(struct compile *c, struct keyword *k) {
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

enum rc hold_strings(struct compile *c, struct keyword *k) {
    return are_different_strings(k->value) ? OK : bad(c, k, "an array of different strings");
}

enum rc hold_string_lists(struct compile *c, struct keyword *k) {
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

/* Draft-07 §6.5.7: of each name, a schema or the names that it needs beside it. */
enum rc hold_dependencies(struct compile *c, struct keyword *k) {
    struct json_member m;
    enum rc rc = OK;

    if (!json_is_object(k->value))
        return bad(c, k, "an object");
    k->lists = arena_alloc(c->keep, json_size(k->value) * sizeof *k->lists);
    k->members = arena_alloc(c->keep, json_size(k->value) * sizeof *k->members);
    for (bool more = json_first(k->value, &m); !rc && more; more = json_next(&m)) {
        if (!json_is_array(m.value)) {
            k->members[k->count].name = m.key;
            rc = make(c, k, m.value, m.key, NO_INDEX, &k->members[k->count].node);
            k->count++;
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
enum rc hold_ref(struct compile *c, struct keyword *k) {
    struct pending_ref *ref;

    if (!json_str(k->value))
        return bad(c, k, "a URI reference");
    ref = arena_alloc(c->tmp, sizeof *ref);
    *ref = (struct pending_ref){c->refs, k, c->resource};
    c->refs = ref;
    return OK;
}

enum rc hold_additional(struct compile *c, struct keyword *k) {
    k->beside[0] = beside(k, "properties");
    k->beside[1] = beside(k, "patternProperties");
    return hold_node(c, k);
}

/* In draft-07 an array is what prefixItems is later. */
enum rc hold_items(struct compile *c, struct keyword *k) {
    if (json_is_array(k->value) && c->dialect == DRAFT_7)
        return json_len(k->value) ? hold_nodes(c, k) : OK;
    if (json_is_array(k->value))
        return bad(c, k, "a schema; an array of schemas goes into prefixItems");
    k->beside[0] = beside(k, "prefixItems");
    return hold_node(c, k);
}

/* additionalItems means something only beside an items that is an array (draft-07 §6.4.2). */
enum rc hold_rest(struct compile *c, struct keyword *k) {
    const struct keyword *items = beside(k, "items");
    enum rc rc = hold_node(c, k);

    if (!items || !json_is_array(items->value))
        k->node = NULL;
    k->beside[0] = items;
    return rc;
}

enum rc hold_contains(struct compile *c, struct keyword *k) {
    k->beside[0] = beside(k, "minContains");
    k->beside[1] = beside(k, "maxContains");
    return hold_node(c, k);
}

enum rc hold_if(struct compile *c, struct keyword *k) {
    k->beside[0] = beside(k, "then");
    k->beside[1] = beside(k, "else");
    return hold_node(c, k);
}

enum rc hold_unevaluated(struct compile *c, struct keyword *k) {
    k->owner->unevaluated |= k->kind->types;
    return hold_node(c, k);
}
